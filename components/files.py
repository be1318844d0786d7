"""Files on this machine or in an object store, and writes that survive a crash of the machine.

A file system writes to the disk later than a program writes to the file, and in another order: after a power failure, a
renamed file may be empty. `write_whole` and `commit` therefore sync the contents first, then rename, then sync the
folder. The files of a node are not synced one by one: the runner syncs the outputs with `sync_tree` before the metadata
store records them. Objects of an object store are durable once they are complete.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Literal, cast

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SYNC = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""Errors for a folder that cannot be synced: it may not be listed, or its file system has no such call."""
_SYNCS_AT_ONCE = 16
_PART = ".part"
"""Ending of the temporary files of `write_whole`."""
_fences: list[Callable[[], None]] = []


@contextlib.contextmanager
def fenced(check: Callable[[], None]) -> Iterator[None]:
    """Let a check precede each write that others can see, until the context ends.

    Args:
        check: Function that raises an exception if this process may no longer write. It takes microseconds.
    """
    _fences.append(check)
    try:
        yield
    finally:
        _fences.remove(check)


def check_fence() -> None:
    """Check that this process may still write. The functions of this module do so themselves.

    Raises:
        BaseException: The exception of a check, see `fenced`.
    """
    for check in tuple(_fences):
        check()


class NoRoom(OSError):
    """Failure to write a file whose size is known.

    Attributes:
        needed: Size of the file in bytes.
    """

    needed = 0


def is_remote(path: str | Path) -> bool:
    """Return True if a path is in an object store, as `gs://bucket/folder` is."""
    return "://" in str(path)


def exists(path: str | Path) -> bool:
    """Return True if a local file or folder exists. No path raises, even one that is too long for a file system."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def names_beside(path: str | Path) -> list[str]:
    """Return the names in the folder of a local path; an empty list if the folder cannot be read."""
    try:
        return [entry.name for entry in Path(path).parent.iterdir()]
    except (OSError, ValueError):
        return []


def located(path: str, folder: Path) -> str:
    """Return the absolute path of a local file. A relative path is relative to the folder, and `~` is a home folder."""
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:  # `~somebody`, who has no account here: the name of a file may begin so.
        return str(folder / path)


def open_bytes(path: str, mode: Literal["rb", "wb"] = "rb") -> BinaryIO:
    """Open a binary file.

    Args:
        path: Local path, or path in an object store.
        mode: `rb` to read, `wb` to write.
    """
    if is_remote(path):
        import tensorflow as tf

        return cast("BinaryIO", tf.io.gfile.GFile(path, mode))
    # Python reads lines several times faster than TensorFlow.
    return cast("BinaryIO", Path(path).open(mode))


def read_text(path: str | Path) -> str:
    """Return the contents of a text file, local or in an object store.

    Raises:
        OSError: The file cannot be read. For a file in an object store, TensorFlow's `OpError`.
    """
    with open_bytes(str(path)) as file:
        return file.read().decode("utf-8")


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file atomically: no reader sees a partial file, even after a crash. Missing folders are created.

    Args:
        path: Local path, or path in an object store, where an object appears only once it is complete.
        text: Contents of the file.

    Raises:
        OSError: The file cannot be written. The error names the file, and no partial file remains. `NoRoom` if the file
            system is full.
    """
    check_fence()
    if is_remote(path):
        import tensorflow as tf

        with tf.io.gfile.GFile(str(path), "w") as file:
            file.write(text)
        return
    path = Path(path)
    make_folder(path.parent)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{_PART}")
    try:
        part.write_text(text, encoding="utf-8")
        commit(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        kind = NoRoom if error.errno in _FULL else OSError
        named = kind(error.errno, error.strerror, str(path))  # The error of a failed write names no file.
        if isinstance(named, NoRoom):
            named.needed = len(text.encode())
        raise named from error


def move(path: str, to: str) -> None:
    """Move a file, local or in an object store. Missing folders are created, and an existing file is replaced.

    The file is not synced. In the outputs of a node, the runner syncs it later; elsewhere, use `commit`.
    """
    check_fence()
    if is_remote(to):
        import tensorflow as tf

        tf.io.gfile.rename(path, to, overwrite=True)
        return
    Path(to).parent.mkdir(parents=True, exist_ok=True)
    Path(path).replace(to)


def partial_files(folder: str | Path) -> list[Path]:
    """Return the temporary files of `write_whole` in a local folder, which only a killed process leaves."""
    return [] if is_remote(folder) else sorted(Path(folder).glob(f".*{_PART}"))


def remove_tree(path: str) -> None:
    """Delete a folder with its contents, local or in an object store.

    A link in a local folder is deleted, never the place that it points to, which may be outside the root.
    `tf.io.gfile.rmtree` deletes the files behind a link.
    """
    if is_remote(path):
        import tensorflow as tf

        tf.io.gfile.rmtree(path)
    elif Path(path).is_symlink():
        Path(path).unlink()
    else:
        shutil.rmtree(path)


def commit(part: Path, path: Path) -> None:
    """Give a complete local file or folder its final name. A crash leaves it complete or absent.

    Args:
        part: File or folder under its temporary name.
        path: Final path, in the same folder. An existing file is replaced.

    Raises:
        OSError: The contents cannot be written to the disk, or the file cannot be renamed.
    """
    (sync_tree if part.is_dir() else sync)(part)
    check_fence()
    part.replace(path)
    sync(path.parent)


def make_folder(folder: Path) -> None:
    """Create a local folder and its missing parents, which survive a crash."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)


def sync(path: Path) -> None:
    """Wait until the contents of a local file, or the names in a local folder, are on the disk.

    A folder on a file system that cannot sync folders is skipped.

    Raises:
        OSError: The contents cannot be written to the disk.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in _NO_SYNC and path.is_dir():
            return
        raise OSError(error.errno, error.strerror, str(path)) from error  # The error of `fsync` names no file.


def sync_tree(place: str | Path, root: str | Path | None = None) -> None:
    """Wait until a file, or a folder with all its files and folders, is on the disk.

    A path in an object store is skipped.

    Args:
        place: File or folder.
        root: Folder above `place`. It and the folders between both may be new, so their names are synced too.

    Raises:
        OSError: The contents cannot be written to the disk.
    """
    if is_remote(place):
        return
    place = Path(place)
    folders, files = [], [place] if place.is_file() else []
    for folder, _, names in os.walk(place):
        folders.append(Path(folder))
        files += [path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink()]
    if root is not None:
        folders += [folder for folder in place.parents if folder.is_relative_to(Path(root).parent)]
    # The file system writes the changes of several threads at once, which is several times faster.
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        for paths in (files, folders):
            for _ in pool.map(_sync_if_there, paths):
                pass


def _sync_if_there(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # Another process has deleted a temporary file.
        sync(path)


def matching(patterns: Sequence[str]) -> list[str]:
    """Return the files that match patterns, sorted. Folders are skipped, because a killed Beam run leaves some."""
    import tensorflow as tf

    found = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    return [path for path in found if not tf.io.gfile.isdir(path)]
