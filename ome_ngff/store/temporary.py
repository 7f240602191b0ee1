"""Temporary arrays of a write: the spool, and the margins of later passes. All of their chunks are stored.

So a chunk that is missing, because whoever tidies up temporary folders has deleted it, is never taken for zeros.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import LocalStore

from ..config import config
from ..exceptions import MissingError, StoreError
from .codecs import Compression
from .journal import JOURNAL, name_of_write
from .opening import open_array, open_node, storing_all
from .places import place
from .target import Target

try:
    import fcntl
except ImportError:  # on Windows what a killed process has left stays
    fcntl = None  # type: ignore[assignment]

_SCRATCH = "ome_ngff-cache-"


def ready_temporary(
    target: Target, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any, *, create: bool
) -> zarr.Array[Any] | None:
    """Open an array without compression in the journal's folder; None where there is none and none may be created."""
    path = target.key(f"{JOURNAL}/{name}")
    if not isinstance(open_node(target.store, path), zarr.Array):
        if not create:
            return None
        zarr.create_array(
            target.store, name=path, shape=shape, chunks=chunks, dtype=dtype, compressors=None,
            zarr_format=target.fmt.zarr_format,
        )  # fmt: skip
    return opened(target.store, path)


def opened(store: Store, path: str) -> zarr.Array[Any]:
    """Open a temporary array, to be read and written.

    Raises:
        MissingError: it is gone.
    """
    try:
        return storing_all(open_array(store, path, mode="r+"))
    except FileNotFoundError as error:
        raise MissingError(f"The temporary array {place(store, path)} is gone.") from error


def make_spool(
    target: Target, shape: Sequence[int], chunks: Sequence[int], dtype: Any, *, shared: bool = False
) -> tuple[zarr.Array[Any], bool]:
    """Open or create (then True) the temporary array of a write, which has the name that the mark gave the write.

    Args:
        target, shape, chunks, dtype: whose, and what. shared: whether others have to reach it, as they do the group.
    """
    store, path = (target.store, shared_spool(target)) if shared else (LocalStore(spool_folder(target)), "")
    found, wanted = open_node(store, path), (tuple(shape), tuple(chunks), dtype)
    fresh = not isinstance(found, zarr.Array) or (found.shape, found.chunks, found.dtype) != wanted
    if fresh:
        zarr_format: Any = target.fmt.zarr_format if shared else 3
        codec = Compression("blosc-lz4", 1).compressors(zarr_format, dtype)
        zarr.create_array(
            store, name=path or None, shape=wanted[0], chunks=wanted[1], dtype=dtype, compressors=codec, overwrite=True,
            zarr_format=zarr_format,
        )  # fmt: skip
    return opened(store, path), fresh


def shared_spool(target: Target) -> str:
    """Return the path in its store of the temporary array that all who help with a write can reach."""
    return target.key(f"{JOURNAL}/spool")


def scratch_folder() -> tuple[str, Callable[[], None]]:
    """Make a folder in `config.cache_store`, and return it with what removes it, in this process alone.

    A lock next to it is held as long as this process lives: folders that killed processes have left go first.
    """
    _sweep()
    while True:
        handle, lock = tempfile.mkstemp(prefix=_SCRATCH, suffix=".lock", dir=config.cache_store)
        if fcntl is None or (_locked(handle) and os.path.exists(lock)):  # else another process has swept it away
            break
        os.close(handle)
    folder = lock.removesuffix(".lock")
    os.mkdir(folder, 0o700)
    return folder, partial(_forget, folder, handle, os.getpid())


def _forget(folder: str, handle: int, owner: int) -> None:
    if os.getpid() == owner:  # a forked process must not
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            os.close(handle)
            os.unlink(f"{folder}.lock")


def _sweep() -> None:
    """Remove the folders of processes that are no more."""
    for lock in Path(config.cache_store).glob(f"{_SCRATCH}*.lock") if fcntl else ():
        with suppress(OSError):
            handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if os.fstat(handle).st_uid == os.getuid() and _locked(handle):
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink()
            finally:
                os.close(handle)


def _locked(handle: int) -> bool:
    """Lock an open file, until its process ends or closes it; False where another process has."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_spool(target: Target) -> None:
    """Delete the temporary array of the write that a group is marked with, if it has one."""
    if target.mark:
        with suppress(StoreError):
            folder = spool_folder(target)
            if os.path.lexists(folder):
                shutil.rmtree(folder, ignore_errors=True)


def spool_folder(target: Target) -> Path:
    """Return the folder of the spool of the write that a group is marked with."""
    return Path(config.cache_store) / f"ome_ngff-spool-{name_of_write(target)}"
