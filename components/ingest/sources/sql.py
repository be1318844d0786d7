"""Source `sql`: the result of a database query."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from components.files import exists, located
from components.ingest.errors import BrokenFile
from components.ingest.sources.base import Lines, PathlessSpec, Range, Rows, Source, Sure
from components.ingest.sources.files.placeholders import EVERYTHING
from components.messages.redaction import redacted

PASSWORD = "BIGVOCAB_SQL_PASSWORD"
"""Environment variable with the password. Without it, the driver uses its default, such as PGPASSWORD."""
_ELSEWHERE = "source.{key} is of kind 'sql', not '{{kind}}': remove it"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""Drivers of the extra `sql`, by the scheme of a URI without a driver."""
_BATCH = 10_000
_ROW_BYTES = 128
"""Estimated size of a row in bytes."""
_ROWS = "bigvocab_rows"


class SqlSpec(PathlessSpec):
    """Result of a database query, through SQLAlchemy."""

    elsewhere: ClassVar[dict[str, str]] = {
        key: _ELSEWHERE.format(key=key) for key in ("uri", "query", "fingerprint_query")
    }
    place_of_secrets: ClassVar[str] = f"set the environment variable {PASSWORD}"

    kind: Literal["sql"]  # pyright: ignore[reportIncompatibleVariableOverride]
    uri: str
    """Database, such as `postgresql://reader@db.example.com/shop` or `sqlite:///shop.db`. A relative path is relative
    to the configuration file. A password is not allowed here: set the environment variable BIGVOCAB_SQL_PASSWORD, or
    the variable that the driver of the database reads, such as PGPASSWORD."""
    query: str = Field(min_length=1)
    """Query whose rows are the rows of the source, such as `SELECT item, shop FROM sales`."""
    fingerprint_query: str | None = Field(default=None, min_length=1)
    """Query whose result changes whenever the result of `query` changes, such as
    `SELECT count(*), max(id) FROM sales`. A run reads the rows again only after such a change. None: a hash of all rows
    detects changes, which needs one more pass over the rows in each run."""

    @field_validator("uri")
    @classmethod
    def _is_uri(cls, value: str) -> str:
        parts = urlsplit(value)
        if "://" not in value or not parts.scheme:
            raise ValueError("no URI: write it as postgresql://user@host/database or sqlite:///file.db")
        return value

    @property
    def file(self) -> Path | None:
        """File of a SQLite database, or None."""
        return Path(urlsplit(self.uri).path[1:]) if self.uri.startswith("sqlite:") else None

    def relative_to(self, folder: Path) -> Self:
        """Return the specification with the absolute path of a SQLite database."""
        if not self.file:
            return self
        query = urlsplit(self.uri).query
        uri = f"sqlite:///{located(str(self.file), folder)}{'?' if query else ''}{query}"
        return self.model_copy(update={"uri": uri})


class Sql(Source[SqlSpec]):
    """Source of the rows of a query, which one process reads as a stream."""

    # SQLAlchemy is imported in the methods: it is an extra, and reading a configuration does not need it.

    Spec = SqlSpec
    unnamed = False

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of the query."""
        number = 0
        with self._reading(lambda: f" after row {number:,}" if number else ""), self._connected() as connection:
            for number, row in enumerate(self._select(connection, self._text).mappings(), 1):
                yield number, dict(row)

    def columns(self, file: str, used: Sequence[str]) -> list[str]:
        """Return the columns of the result."""
        with self._reading(), self._connected() as connection:
            return [*self._select(connection, f"SELECT * FROM ({self._text}) AS {_ROWS} WHERE 1 = 0").keys()]

    def files(self, base: str, pattern: str) -> list[str]:
        """Return the URI, which stands for the only file."""
        return [self.spec.uri]

    def fingerprint(self, files: list[str], base: str) -> str:
        """Return a hash of the query and its rows in any order, or of the result of `fingerprint_query`."""
        total = rows = 0
        with self._reading(), self._connected() as connection:
            for row in self._select(connection, self.spec.fingerprint_query or self._text):
                # A sum does not depend on the order, which a database may change from one call to the next.
                total += int.from_bytes(hashlib.blake2b(repr(tuple(row)).encode(), digest_size=16).digest(), "big")
                rows += 1
        text = f"{self.spec.uri}\0{self.spec.query}\0{self.spec.fingerprint_query}\0{rows}\0{total}"
        return f"rows:{rows},sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def size(self, files: Iterable[str]) -> int:
        """Estimate the size of the rows in bytes from their number."""
        with self._reading(), self._connected() as connection:
            (count,) = self._select(connection, f"SELECT count(*) FROM ({self._text}) AS {_ROWS}").one()
        return count * _ROW_BYTES

    def place(self, root: Path) -> tuple[str, str]:
        """Return the kind in place of a folder."""
        return self.spec.kind, EVERYTHING

    def missing(self) -> list[str]:
        """Return a message if SQLAlchemy or the file of a SQLite database is missing."""
        faults = []
        if importlib.util.find_spec("sqlalchemy") is None:
            faults.append(
                "data.source.kind: 'sql' needs the extra sql: BIGVOCAB_EXTRAS=sql ./with-env ..., or "
                "`pip install 'bigvocab[pipeline,sql]'`"
            )
        if (file := self.spec.file) and not exists(file):
            faults.append(f"data.source.uri: {file} is not there")
        return faults

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return no confidence, because a file is not a query."""
        return Sure.NOT

    @property
    def _text(self) -> str:
        return self.spec.query.strip().rstrip(";")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """Yield a connection, which is read-only if the database supports it."""
        import sqlalchemy

        url = sqlalchemy.make_url(self.spec.uri)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        if password := os.environ.get(PASSWORD):
            url = url.set(password=password)
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        options: dict[str, Any] = {"yield_per": _BATCH, "no_parameters": True}
        if engine.dialect.name == "postgresql":
            options["postgresql_readonly"] = True
        with engine.connect() as connection:
            yield connection.execution_options(**options)

    def _select(self, connection: Any, query: str) -> Any:
        # Bypasses the parameters of SQLAlchemy (`:name`) and of the driver (`%s`).
        return connection.exec_driver_sql(query)

    @contextlib.contextmanager
    def _reading(self, place: Callable[[], str] = lambda: "") -> Iterator[None]:
        """Return a context that converts faults of the database to `BrokenFile`, without the password.

        Args:
            place: Function that returns the position where reading stopped, such as " after row 17".
        """
        try:
            import sqlalchemy

            fault: tuple[type[Exception], ...] = (sqlalchemy.exc.SQLAlchemyError, OSError)
        except ImportError:
            raise BrokenFile(self.missing()[0]) from None
        try:
            yield
        except fault as error:
            said = " ".join(str(getattr(error, "orig", None) or error).split())
            raise BrokenFile(f"{self.spec.uri}: cannot be read{place()}: {redacted(said)}") from None
        except ModuleNotFoundError as error:
            reason = f"needs the package {error.name}, the driver of the database: install it beside BigVocab"
            raise BrokenFile(f"data.source.uri: {self.spec.uri} {reason}") from None
