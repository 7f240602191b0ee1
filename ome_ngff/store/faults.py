"""What a file system refuses, as an error that says how to go on."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..exceptions import NgffError, StoreError
from ..pixels import made_by
from .target import Target

# The way out of each; other errors of the system are left as they are.
_WAYS_OUT = {
    errno.ENOSPC: "Free space",
    errno.EDQUOT: "Free space, or ask for more",
    errno.EROFS: "Make it writable",
    errno.EACCES: "Ask for the right to write there",
    errno.EPERM: "Ask for the right to write there",
    errno.EIO: "Look after the disk",
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # that no reading of pixels meets


@contextmanager
def named_faults(target: Target, way_on: str) -> Iterator[None]:
    """Turn the errors of a disk that is full, broken or forbidden, while a group is written, into `StoreError`.

    Args:
        target: the group. way_on: what can be done once the fault is mended.
    """
    try:
        yield
    except NgffError as error:
        if not made_by(error.__cause__, "obstore"):
            raise
        raise StoreError(f"{error} Once it can be, {way_on}.") from error
    except (OSError, RuntimeError) as error:
        number = _number(error, target)
        if number not in _WAYS_OUT:
            raise
        where = getattr(error, "filename", None) or target
        fault = StoreError(f"{where} cannot be written: {os.strerror(number)}. {_WAYS_OUT[number]}, and {way_on}.")
        fault.errno = number
        raise fault from error


def _number(error: OSError | RuntimeError, target: Target) -> int | None:
    """Return the number of an error of the system that comes from writing; the pipeline in Rust writes it as text."""
    if isinstance(error, PermissionError) and target.folder is None:  # of an object store
        return errno.EACCES
    if isinstance(error, OSError) and error.errno is not None:
        where, here = os.fsdecode(error.filename or ""), str(target.folder)
        writing = error.errno in _FULL or (where and (where.startswith(here) or here.startswith(where)))
        return error.errno if writing else None
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None
