"""Execution of nodes: a single node, the whole pipeline in this process, or one node in a pod."""
