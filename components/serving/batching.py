"""Batching: requests that wait together are answered by one call of the model."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.serving.model import Model
from components.serving.rest.errors import FAILED, UNAVAILABLE, RequestError
from components.serving.rest.inputs import Arrays
from components.serving.rest.signatures import PADDING, Signature

MAX_CELLS = 1 << 18
"""Maximum number of values of a column in a joint call, so that a long row does not lengthen many short ones."""
MAX_WAITING = 16_384
"""Maximum number of rows that wait. Further requests are refused."""


@dataclass(frozen=True)
class _Waiting:
    """Request that waits for its outputs."""

    model: Model
    signature: Signature
    inputs: Arrays
    rows: int
    done: asyncio.Future[Arrays]
    loop: asyncio.AbstractEventLoop

    @property
    def width(self) -> int:
        """Number of values in the longest row of a column."""
        return max((array.shape[1] for array in self.inputs.values() if array.ndim == 2), default=1)

    def joins(self, other: _Waiting) -> bool:
        """Return True if one call can answer both requests."""
        return self.model is other.model and self.signature is other.signature and self.signature.joins_rows

    def tell(self, outputs: Arrays | None, error: Exception | None = None) -> None:
        """Hand the outputs, or the error, to the event loop of the request."""
        self.loop.call_soon_threadsafe(_settle, self.done, outputs, error)


class Batcher:
    """Queue whose worker threads answer requests.

    A request does not wait for others: a worker without work takes it at once. While all workers are busy, requests
    gather, and the next worker joins their rows in one call. Larger load therefore makes larger batches.

    Args:
        workers: Number of threads. TensorFlow releases Python's global lock during a call.
        max_rows: Maximum number of rows in a joint call. A single request may have more.
        observe: Called with the number of rows of each call.
    """

    def __init__(self, workers: int, max_rows: int, observe: Callable[[int], object] = lambda rows: None) -> None:
        self._max_rows, self._observe = max_rows, observe
        self._queue: deque[_Waiting] = deque()
        self._rows, self._ended = 0, False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, name=f"batch-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of rows that wait."""
        return self._rows

    async def answer(self, model: Model, signature: Signature, inputs: Arrays, rows: int) -> Arrays:
        """Return the outputs of a signature by name, (rows, ...) each.

        Args:
            model: Model, in use by the caller.
            signature: Signature of the model.
            inputs: Inputs by name, (rows,) or (rows, length) each.
            rows: Number of rows of the inputs.

        Raises:
            RequestError: The model refuses the inputs, or more than `MAX_WAITING` rows would wait.
        """
        loop = asyncio.get_running_loop()
        request = _Waiting(model, signature, inputs, rows, loop.create_future(), loop)
        with self._changed:
            if self._rows and self._rows + rows > MAX_WAITING:
                raise RequestError(f"{self._rows} rows are waiting already: ask again later", UNAVAILABLE)
            self._queue.append(request)
            self._rows += rows
            self._changed.notify()
        return await request.done

    def close(self) -> None:
        """Answer the requests that wait, and end the threads."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._observe(sum(request.rows for request in batch))
            try:
                self._answer(batch)
            except Exception as error:  # The thread must survive: without it, all later requests would wait forever.
                for request in batch:
                    request.tell(None, error)

    def _next(self) -> list[_Waiting]:
        """Return the oldest request and those that can join it; an empty list at the end."""
        with self._changed:
            while not self._queue and not self._ended:
                self._changed.wait()
            if not self._queue:
                return []
            batch = [self._queue.popleft()]
            rows, width = batch[0].rows, batch[0].width
            while self._queue and batch[0].joins(self._queue[0]):
                rows, width = rows + self._queue[0].rows, max(width, self._queue[0].width)
                if rows > self._max_rows or rows * width > MAX_CELLS:
                    break
                batch.append(self._queue.popleft())
            self._rows -= sum(request.rows for request in batch)
            return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        first = batch[0]
        if len(batch) > 1:
            try:
                outputs = first.model.answer(first.signature.name, joined([each.inputs for each in batch]))
                for request, part in zip(batch, divided(outputs, [each.rows for each in batch]), strict=True):
                    request.tell(part)
                return
            except RequestError:
                pass  # One of the requests is at fault. Each gets its own answer.
        for request in batch:
            try:
                request.tell(request.model.answer(request.signature.name, request.inputs))
            except RequestError as error:
                request.tell(None, error)


def joined(inputs: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Join the rows of several requests. Shorter rows are padded with "" or NaN.

    Args:
        inputs: Inputs of each request by name, each (rows,) or (rows, length).
    """
    return {name: _stacked([each[name] for each in inputs]) for name in inputs[0]}


def divided(outputs: Mapping[str, NDArray[Any]], rows: Sequence[int]) -> list[Arrays]:
    """Divide the outputs of a joint call into those of each request.

    Args:
        outputs: Outputs by name, (sum of the rows, ...) each.
        rows: Number of rows of each request.

    Raises:
        RequestError: An output does not have one entry for each row.
    """
    if any(array.shape[:1] != (sum(rows),) for array in outputs.values()):
        raise RequestError("the outputs do not have one entry for each row", FAILED)
    ends = np.cumsum(rows)[:-1]
    parts = {name: np.split(array, ends) for name, array in outputs.items()}
    return [{name: part[number] for name, part in parts.items()} for number in range(len(rows))]


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if arrays[0].ndim == 1 or len({array.shape[1] for array in arrays}) == 1:
        return np.concatenate(arrays)
    padding = PADDING["DT_STRING" if arrays[0].dtype == object else "DT_FLOAT"]
    size = sum(len(array) for array in arrays), max(array.shape[1] for array in arrays)
    found, row = np.full(size, padding, arrays[0].dtype), 0
    for array in arrays:
        found[row : row + len(array), : array.shape[1]] = array
        row += len(array)
    return found


def _settle(done: asyncio.Future[Arrays], outputs: Arrays | None, error: Exception | None) -> None:
    if done.done():  # The client has closed the connection.
        return
    if error is not None or outputs is None:
        done.set_exception(error or RequestError("the model gave no answer", FAILED))
    else:
        done.set_result(outputs)
