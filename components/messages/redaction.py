"""Removal of secrets from texts that are shown, logged or stored.

Two kinds of secrets are known: the values of environment variables whose name says so, such as
`BIGVOCAB_METADATA_PASSWORD` or `AWS_SECRET_ACCESS_KEY`, and the passwords and signatures of URIs. The configuration
refuses the second kind; see `components.spec`.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import logging
import mmap
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

REPLACEMENT = "***"
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|_pwd$|mysql_pwd|secret|token(?!s|i)|credential|connection_string"
    r"|(access|account|api|auth|private|storage)[-_]?key",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(r"(_file|_path|_dir|google_application_credentials)$", re.IGNORECASE)
"""Variables with the path of a secret. The path helps to understand an error."""
_SHORTEST = 4
"""Characters. A shorter value would be found in every text."""
_SWITCHES = {"true", "false", "none", "null"}
_IN_QUERY = (
    r"[\w.%-]*(?:pass|pwd|secret|token|signature|credential|(?:access|account|api)[-_]?key)[\w.%-]*|sig|key|auth"
)
# A password may contain "/" and "@", as SQLAlchemy reads it. In other URIs, a port may stand in this place, and "@" in
# the path. In HTTP, a user alone may be a token. `Path` makes one slash of the two.
_USER = re.compile(
    r"(?P<password>(?<!hdfs)(?<!viewfs)(?<!http)(?<!https):/{1,2}[^/@:\s]*:)\S*@"
    r"|(?P<strict>:/{1,2}[^/@:\s]*:)[^/@\s]*@"
    r"|(?P<token>https?:/{1,2})[^/@:\s]+@",
    re.IGNORECASE,
)
_QUERY = re.compile(rf"(?P<before>[?&;](?:{_IN_QUERY})=|\bpass\w*=)[^&\s]*", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return True if the name of a variable or an option says that its value is a secret."""
    return bool(_SECRET_NAME.search(name)) and not _FILE_NAME.search(name)


def secret_of(uri: str) -> str | None:
    """Return the kind of the secret in a URI, `password` or `token`; None if it has no secret or is no URI."""
    if not re.match(r"[A-Za-z][\w+.-]*://", uri):
        return None
    if found := _USER.search(uri):
        return "token" if found["token"] else "password"
    if found := _QUERY.search(uri):
        return "password" if "pass" in found["before"].lower() else "token"
    return None


def redacted(text: str) -> str:
    """Return a text with `***` in place of the secrets of the environment, and of the URIs in the text."""
    pattern = _pattern(_values())
    if pattern:
        text = pattern.sub(REPLACEMENT, text)
    if ":/" in text:
        text = _USER.sub(lambda found: f"{found[found.lastgroup or 0]}{REPLACEMENT}@", text)
    return _QUERY.sub(lambda found: found["before"] + REPLACEMENT, text)


class RedactedError(Exception):
    """Error in place of another one, whose text or traceback had a secret."""


@contextlib.contextmanager
def without_secrets() -> Iterator[None]:
    """Replace an error whose text or traceback has a secret.

    TFX stores the traceback of a failed driver before a caller sees the error.

    Raises:
        RedactedError: The error had a secret. Its traceback is not kept.
    """
    try:
        yield
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        if redacted(text) == text:
            raise
        raise RedactedError(redacted(f"{type(error).__name__}: {error}")) from None


def scrub(file: Path) -> None:
    """Overwrite the secrets of the environment in a file with asterisks, in place.

    For a log that native code and child processes write too.
    """
    needles = [variant.encode() for variant in _variants(_values())]
    if not needles or not file.stat().st_size:
        return
    with file.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as content:
        for needle in needles:
            at = content.find(needle)
            while at >= 0:
                content[at : at + len(needle)] = b"*" * len(needle)
                at = content.find(needle, at + len(needle))


def install() -> None:
    """Redact the records of all loggers, and the traceback of an unexpected error."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return _redacted_record(make(*args, **kwargs))

    factory.redacts = True
    logging.setLogRecordFactory(factory)
    sys.excepthook = _show


def _redacted_record(record: logging.LogRecord) -> logging.LogRecord:
    try:
        text = record.getMessage()
    except Exception:  # The logging library reports a record that does not fit its arguments.
        return record
    if (clean := redacted(text)) != text:
        record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0]:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (clean := redacted(text)) != text:
            record.exc_text, record.exc_info = clean, None  # Formatters add `exc_text`.
    return record


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))


def _values() -> tuple[str, ...]:
    """Return the secrets of the environment: values of variables, and passwords of URIs in others."""
    found = [value.strip() if _is_secret_name(name) else _password(value) for name, value in os.environ.items()]
    return tuple(value for value in found if len(value) >= _SHORTEST and not _is_setting(value))


def _password(value: str) -> str:
    """Return the password of a URI, such as of a proxy; empty if the value is no URI with a password."""
    found = re.fullmatch(r"[A-Za-z][\w+.-]*://[^/@:\s]*:(\S+)@[^@\s]*", value)
    return found[1] if found else ""


_is_secret_name = functools.lru_cache(is_secret_name)


def _is_setting(value: str) -> bool:
    return value.lower() in _SWITCHES or (value.isdecimal() and len(value) < 8)


@functools.lru_cache(maxsize=8)
def _variants(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the forms of secrets in texts, the longest first, because one may contain another."""
    return tuple(sorted({form for value in values for form in _forms(value)}, key=len, reverse=True))


def _forms(value: str) -> Iterator[str]:
    yield value
    yield quote(value)
    yield quote(value, safe="")
    yield quote_plus(value)
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield base64.b64encode(value.encode(errors="surrogateescape")).decode()


@functools.lru_cache(maxsize=8)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(re.escape, _variants(values)))) if values else None
