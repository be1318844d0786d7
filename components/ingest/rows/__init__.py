"""Rows on their way to tf.Examples: conversion of columns, tokenizers, and the shards to write."""
