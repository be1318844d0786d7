"""The same training steps in PyTorch, with its fastest optimizers for them."""

# PyTorch is installed for benchmarks only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.harness.timing import Spent, timed
from benchmarks.softmax.problem import BATCHES, Problem

LEARNING_RATE = 1e-3
WARM_UP = 3


class Step:
    """Base class of workloads that run a step on batches in memory."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def prepare(self, classes: int, batch: int) -> None:
        """Create the tensors, the loss and the optimizers for a size, and warm up."""
        problem = Problem(classes, batch)
        torch.manual_seed(problem.seed)
        labels = problem.labels.astype(np.int64)
        self._batches = list(zip(torch.from_numpy(problem.hidden), torch.from_numpy(labels), strict=True))
        self._number = 0
        self._gains = torch.nn.Parameter(torch.ones(problem.width))
        self._loss, self._optimizers = self.build(problem)
        self.turn(WARM_UP)

    def turn(self, steps: int) -> Spent:
        """Run and time a number of steps: gradients to zero, loss, gradients, and an update by each optimizer."""

        def step(_: int) -> None:
            self._number += 1
            hidden, labels = self._batches[self._number % BATCHES]
            for optimizer in self._optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss = self._loss(hidden * self._gains, labels)
            loss.backward()
            for optimizer in self._optimizers:
                optimizer.step()
            loss.item()

        return timed(step, steps)

    def build(self, problem: Problem) -> tuple[Callable[[Any, Any], Any], list[Any]]:
        """Return the loss as a function of hidden vectors and labels, and the optimizers."""
        raise NotImplementedError

    def adam(self, parameters: Any) -> Any:
        """Return fused Adam for the parameters and the gains, which takes one pass over each."""
        return torch.optim.Adam([self._gains, *parameters], LEARNING_RATE, fused=True)


class Full(Step):
    """Step with a linear layer, cross entropy over all classes and fused Adam."""

    def build(self, problem: Problem) -> tuple[Callable[[Any, Any], Any], list[Any]]:
        """Return the cross entropy over all classes, and fused Adam."""
        output = torch.nn.Linear(problem.width, problem.classes)
        return lambda hidden, labels: functional.cross_entropy(output(hidden), labels), [self.adam(output.parameters())]


class Adaptive(Step):
    """Step with `AdaptiveLogSoftmaxWithLoss`, which splits the classes by frequency and narrows the rare ones."""

    def build(self, problem: Problem) -> tuple[Callable[[Any, Any], Any], list[Any]]:
        """Return the adaptive softmax, with cutoffs at 1/12 and 1/3 of the classes, and fused Adam."""
        cutoffs = [problem.classes // 12, problem.classes // 3]
        output = torch.nn.AdaptiveLogSoftmaxWithLoss(problem.width, problem.classes, cutoffs)
        return lambda hidden, labels: output(hidden, labels).loss, [self.adam(output.parameters())]


class Sampled(Step):
    """Step that contrasts each row's own class with S classes shared by the batch, with `SparseAdam`.

    Accidental hits are excluded. One lookup serves labels and draws, so the sparse gradient is summed only once. Two
    alternatives were tried: candidates shared by the batch (slower from 4,096 examples on) and a handwritten row-wise
    Adam (equally fast).
    """

    def build(self, problem: Problem) -> tuple[Callable[[Any, Any], Any], list[Any]]:
        """Return the sampled loss, Adam for the gains, and `SparseAdam` for the table and the bias."""
        table = torch.nn.Embedding(problem.classes, problem.width, sparse=True)
        torch.nn.init.normal_(table.weight, std=0.02)
        bias = torch.nn.Embedding(problem.classes, 1, sparse=True)
        torch.nn.init.zeros_(bias.weight)
        proposal = torch.from_numpy(problem.proposal)
        bounds = torch.cumsum(proposal, 0).float()
        log_expected = torch.log(problem.negatives * proposal).float()
        last = problem.classes - 1

        def loss(hidden: Any, labels: Any) -> Any:
            draws = torch.searchsorted(bounds, torch.rand(problem.negatives), right=True).clamp_(max=last)
            ids = torch.cat([labels, draws])
            rows, offsets = table(ids), bias(ids)[:, 0] - log_expected[ids]
            batch = len(labels)
            own = (hidden * rows[:batch]).sum(1) + offsets[:batch]
            others = torch.addmm(offsets[batch:], hidden, rows[batch:].T)
            others = others.masked_fill(labels[:, None] == draws, float("-inf"))
            logits = torch.cat([own[:, None], others], 1)
            return functional.cross_entropy(logits, torch.zeros_like(labels))

        return loss, [self.adam([]), torch.optim.SparseAdam([table.weight, bias.weight], LEARNING_RATE)]
