"""A server of the planted model, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from components.serving.server import Serving, serving
from tests.components.serving import planted_model
from tests.once import Once


class Client:
    """Client of an application, without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def connection(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://server")

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with self.connection() as connection:
                return await connection.request(method, path, **options)

        return asyncio.run(ask())


@pytest.fixture(scope="session")
def exports(once: Once) -> Path:
    """Return a folder with the versions 3 and, with doubled logits, 7."""

    def make(folder: Path) -> None:
        planted_model.export(folder / "3")
        planted_model.export(folder / "7", scale=2.0)

    return once.folder("planted-models", make)


@pytest.fixture(scope="module")
def server(exports: Path) -> Iterator[Serving]:
    """Yield a server of version 3."""
    with serving(exports / "3", "planted", 16, print, poll_seconds=None) as parts:
        yield parts


@pytest.fixture
def client(server: Serving) -> Client:
    return Client(server.app)
