"""Tests of file system faults, in the forms in which they reach BigVocab."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import tensorflow as tf
from ml_metadata import errors as mlmd_errors

from components import storage
from components.ingest.errors import IngestError
from components.storage import StorageFault, storage_fault

FULL = "No space left on device"
FILE = "/data/run/artifacts/Trainer/model/8/saved_model.pb"
BEAM = f"""Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/apache_beam/runners/common.py", line 1498, in process
    return self.do_fn_invoker.invoke_process(windowed_value)
OSError: [Errno 28] {FULL}: '{FILE}' [while running 'WriteSplit[train]/Write/WriteBundles']
"""


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def handled(error: BaseException, before: BaseException) -> BaseException:
    error.__context__ = before
    return error


def full() -> OSError:
    return OSError(errno.ENOSPC, FULL, FILE)


@pytest.mark.parametrize(
    ("error", "number", "path"),
    [
        (full(), errno.ENOSPC, FILE),
        (OSError(errno.ENOSPC, FULL), errno.ENOSPC, ""),
        (OSError(errno.ENOSPC, FULL, "/from", None, FILE), errno.ENOSPC, FILE),
        (OSError(errno.EDQUOT, "Disk quota exceeded", FILE), errno.EDQUOT, FILE),
        (OSError(errno.EROFS, "Read-only file system", FILE), errno.EROFS, FILE),
        (PermissionError(errno.EACCES, "Permission denied", FILE), errno.EACCES, FILE),
        (PermissionError(errno.EPERM, "Operation not permitted", os.fsencode(FILE)), errno.EACCES, FILE),
        (tf.errors.ResourceExhaustedError(None, None, f"{FILE}; {FULL}"), errno.ENOSPC, FILE),
        (
            tf.errors.ResourceExhaustedError(
                None, None, f"{{{{function_node __SaveV2_/job:localhost/CPU:0}}}} {FILE}; {FULL} [Op:Save]"
            ),
            errno.ENOSPC,
            FILE,
        ),
        (tf.errors.UnknownError(None, None, f"{FILE}; Disk quota exceeded"), errno.EDQUOT, FILE),
        (tf.errors.FailedPreconditionError(None, None, f"{FILE}; Read-only file system"), errno.EROFS, FILE),
        (tf.errors.PermissionDeniedError(None, None, f"{FILE}; Permission denied"), errno.EACCES, FILE),
        (tf.errors.DataLossError(None, None, f"write failed: {FULL}"), errno.ENOSPC, ""),
        (pa.ArrowException(f"Error writing bytes to file. Detail: [errno 28] {FULL}"), errno.ENOSPC, ""),
        (
            mlmd_errors.InternalError("Error when executing query: database or disk is full query: COMMIT;"),
            errno.ENOSPC,
            "",
        ),
        (RuntimeError(BEAM), errno.ENOSPC, FILE),
        (RuntimeError(f"java.io.IOException: {FULL}"), errno.ENOSPC, ""),
        (caused(RuntimeError("the bundle failed"), caused(ValueError("no"), full())), errno.ENOSPC, FILE),
        (handled(ValueError("I/O operation on closed file"), full()), errno.ENOSPC, FILE),
        (
            handled(mlmd_errors.InternalError("database or disk is full"), handled(OSError(28, FULL), full())),
            errno.ENOSPC,
            FILE,
        ),
        (ExceptionGroup("several", [ValueError("a"), full()]), errno.ENOSPC, FILE),
        (f"OSError: [Errno 28] {FULL}: {FILE!r}", errno.ENOSPC, FILE),
    ],
)  # fmt: skip
def test_a_fault_is_recognized_with_its_path(
    error: BaseException | str, number: int, path: str, tmp_path: Path
) -> None:
    assert storage_fault(error, str(tmp_path)) == StorageFault(number, path or str(tmp_path), named=bool(path))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no label"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", FILE),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[10,10]"),
        ConnectionError("Permission denied (publickey)"),
        IngestError(f"rows.log:7: unknown value '{FULL}'"),
        handled(ValueError("no label"), PermissionError(errno.EACCES, "Permission denied", FILE)),
        "an input is missing",
    ],
)
def test_other_errors_are_left_alone(error: BaseException | str, tmp_path: Path) -> None:
    """Check other errors, including one that quotes user data and a missing permission that was handled."""
    assert storage_fault(error, str(tmp_path)) is None


def test_an_error_that_refers_to_itself_ends(tmp_path: Path) -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert storage_fault(one, str(tmp_path)) is None


def usage(monkeypatch: pytest.MonkeyPatch, free: int, inodes: int = 1000, flags: int = 0) -> None:
    found = SimpleNamespace(
        f_frsize=4096, f_bavail=free // 4096, f_blocks=3072, f_files=5000, f_favail=inodes, f_flag=flags
    )
    monkeypatch.setattr(storage.os, "statvfs", lambda _: found)


def test_the_line_has_path_bytes_and_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    usage(monkeypatch, free=0)
    assert str(StorageFault(errno.ENOSPC, FILE)) == (
        f"No space left on device: {FILE}; 0 bytes free of 12.6 MB. Free some space, or choose another --root."
    )
    usage(monkeypatch, free=81920)  # The file that did not fit was removed.
    assert StorageFault(errno.ENOSPC, FILE).what.endswith("; 81.9 kB free of 12.6 MB is too little")
    usage(monkeypatch, free=81920, inodes=0)
    assert StorageFault(errno.ENOSPC, FILE).what.endswith("; no inode free of 5,000")
    usage(monkeypatch, free=2 << 30)
    assert "another machine" in StorageFault(errno.ENOSPC, FILE, named=False).what
    assert "another machine" not in StorageFault(errno.ENOSPC, FILE).what
    assert str(StorageFault(errno.EROFS, FILE)) == (
        f"Read-only file system: {FILE}. Mount it writable, or choose another --root."
    )
    assert "free of" not in StorageFault(errno.EDQUOT, FILE).what
    assert "free of" not in StorageFault(errno.ENOSPC, "gs://bucket/file").what


def test_what_sqlite_leaves_unclear_the_file_system_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error, place = RuntimeError("Cannot open: unable to open database file"), str(tmp_path / "metadata.sqlite")
    assert storage_fault(error, place) is None
    usage(monkeypatch, free=0)
    assert storage_fault(error, place) == StorageFault(errno.ENOSPC, place)
    usage(monkeypatch, free=1 << 20, flags=os.ST_RDONLY)
    assert storage_fault(error, place) == StorageFault(errno.EROFS, place)
    usage(monkeypatch, free=1 << 20)
    monkeypatch.setattr(storage.os, "access", lambda *_: False)
    assert storage_fault(error, place) == StorageFault(errno.EACCES, place)
