"""Tests of file system faults, in the forms in which they reach BigVocab."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import tensorflow as tf
from ml_metadata import errors as mlmd_errors

from components import storage
from components.files import NoRoom
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
        (OSError(errno.EIO, "Input/output error", FILE), errno.EIO, FILE),
        (OSError(errno.EIO, "Input/output error"), errno.EIO, ""),
        (tf.errors.UnknownError(None, None, f"{FILE}; Input/output error"), errno.EIO, FILE),
        (shutil.Error([("/from", FILE, f"[Errno 5] Input/output error: '{FILE}'")]), errno.EIO, FILE),
        (OSError(errno.EFBIG, "File too large", FILE), errno.EFBIG, FILE),
        (tf.errors.UnknownError(None, None, f"{FILE}; File too large"), errno.EFBIG, FILE),
        (
            OSError(
                "Can't synchronously write data (file write failed: time = Sun Nov 29 08:00:00 2026\n, filename = "
                f"'{FILE}', file descriptor = 7, errno = 28, error message = '{FULL}', buf = 0x7f, total write size "
                "= 4096)"
            ),
            errno.ENOSPC,
            FILE,
        ),
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


def test_the_line_has_the_bytes_that_did_not_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage(monkeypatch, free=81920)
    line = str(storage_fault(full(), "/data/run", needed=8_400_000))
    assert line == (
        f"{FULL}: {FILE}; about 8.4 MB needed, 81.9 kB free of 12.6 MB. Free some space, or choose another --root."
    )
    fault = storage_fault(full(), "/data/run", needed=40_000)  # The estimate was too small, or other files are gone.
    assert fault
    assert fault.what.endswith("; about 40.0 kB needed, 81.9 kB free of 12.6 MB is too little")
    assert "needed" not in str(storage_fault(OSError(errno.EROFS, "", FILE), "/data/run", needed=40_000))
    known = NoRoom(errno.ENOSPC, FULL, FILE)
    known.needed = 90_000
    assert "about 90.0 kB needed" in str(storage_fault(known, "/data/run", needed=40_000))
    assert "Disk quota exceeded: /f; about 1.0 MB needed. Free" in str(
        storage_fault(OSError(errno.EDQUOT, "", "/f"), "/data", needed=1_000_000)
    )


def test_a_limit_on_the_size_of_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = StorageFault(errno.EFBIG, FILE)
    monkeypatch.setattr(storage.resource, "getrlimit", lambda _: (1_000_000, -1))
    assert str(fault) == (
        f"File too large: {FILE}; the limit is 1.0 MB for each file. Raise the limit with `ulimit -f`, or choose "
        "another --root."
    )
    monkeypatch.setattr(storage.resource, "getrlimit", lambda _: (storage.resource.RLIM_INFINITY, -1))
    assert str(fault).endswith("The file system allows no larger files: choose another --root.")


def on(monkeypatch: pytest.MonkeyPatch, folders: tuple[str, ...]) -> None:
    """Fill the file systems of some folders."""
    space = {full: SimpleNamespace(f_frsize=1, f_bavail=0 if full else 1 << 40, f_blocks=1 << 41, f_files=0, f_favail=0)
             for full in (True, False)}  # fmt: skip
    monkeypatch.setattr(storage.os, "statvfs", lambda path: space[str(path).startswith(folders)])


def test_the_full_file_system_is_named_and_not_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Check errors without a path, as for the semaphores of worker processes, and those of temporary files."""
    other, root = tmp_path / "other", str(tmp_path / "root")
    other.mkdir()
    monkeypatch.setattr(storage.tempfile, "gettempdir", lambda: str(other))
    on(monkeypatch, ("/dev/shm",))
    fault = storage_fault(OSError(errno.ENOSPC, FULL), root)
    assert str(fault).startswith(f"{FULL}: /dev/shm; 0 bytes free of ")
    assert str(fault).endswith("Free some space there, or give the container more shared memory.")
    on(monkeypatch, (str(other),))
    set_folder = "Free some space there, or set TMPDIR to another folder."
    assert str(storage_fault(OSError(errno.ENOSPC, FULL), root)).endswith(set_folder)
    fault = storage_fault(OSError(errno.ENOSPC, FULL, f"{other}/bigvocab-1/rows"), root)
    assert str(fault).startswith(f"{FULL}: {other}/bigvocab-1/rows; 0 bytes free")
    assert str(fault).endswith(set_folder)
    fault = storage_fault(OSError(errno.ENOSPC, FULL, f"{other}/rows"), f"{other}/root")  # One file system.
    assert str(fault).endswith("choose another --root.")
    on(monkeypatch, ("/",))

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']")

    monkeypatch.setattr(storage.tempfile, "gettempdir", none)
    with pytest.raises(FileNotFoundError) as raised:
        storage.tempfile.gettempdir()
    assert storage_fault(raised.value, root) == StorageFault(errno.ENOSPC, root)


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


@pytest.mark.parametrize("text", ["disk I/O error query: COMMIT;", "attempt to write a readonly database query: "])
def test_an_error_of_sqlite_on_a_writable_file_system_that_is_not_full(text: str, tmp_path: Path) -> None:
    fault = storage_fault(mlmd_errors.InternalError(f"Error when executing query: {text}"), str(tmp_path))
    assert str(fault) == (
        f"Input/output error: {tmp_path}. Check the disk, or the connection to it, or choose another --root."
    )


def test_a_relative_root_in_the_folder_for_temporary_files_is_a_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fault = storage_fault(OSError(errno.ENOSPC, FULL, str(tmp_path / "runs" / "log")), "runs")
    assert fault is not None
    assert fault.advice == "Free some space, or choose another --root."
