"""`open_input`: a file, a folder or a glob of planes as one `NgffImage`; the pixels stay where they are."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..exceptions import AxesError, MissingError, OptionError
from ..image import NgffImage
from ..store import behind_urls, local, nearest_place, split_inside
from .families import ZARR, family_of, folder_family
from .inside import InputInfo, Inside, describe_inside
from .sequence import open_sequence
from .tiff import says_axes


def open_input(
    path: str | os.PathLike[str],
    *,
    series: int | str | None = None,
    axes: str | Sequence[str] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> NgffImage:
    """Open an image file, a Zarr, a folder or a glob of planes, without reading its pixels.

    Args:
        path: a file, a folder or a glob of planes ("plane_*.tif"), "file.h5::/path" for something inside a file, or
            the URL of a Zarr.
        series: index or name of one of several images in the file; the first one by default.
        axes: one name per dimension in the order of the file, such as "zyx"; overrides what the file says. "s" is
            colour. For a sequence of planes, name the axes that the numbers count, then those of one plane; or give a
            pattern of the names, such as "r{row}c{column}f{field}-ch{c}sk{t}", of which t, c and z are axes.
        store_options: for the store behind a URL, as in `write_image`.

    Returns:
        The image: axes in the order t, c, z, y, x, with the pixel sizes, units, channels and orientation that the
        file states. Its `data` can be sliced from several threads and pickled.

    Raises:
        MissingError: the file does not exist, or no file matches.
        InputError: the file is broken, or not an image that can be read here.
        AxesError: the dimensions are not known, or OME-NGFF does not allow them; pass `axes`.
    """
    with behind_urls(store_options):
        return open_as(os.fspath(path), series, axes)


def open_as(
    path: str, series: int | str | None, axes: str | Sequence[str] | None, *, indices: bool = False
) -> NgffImage:
    """Do what `open_input` does; with `indices`, those of a palette come instead of its colours."""
    where, inner = _place(path)
    if axes is not None and not axes:
        raise AxesError("axes names no dimension; write axes='zyx', or leave it out.")
    if isinstance(axes, str) and "{" in axes and ("://" in where or not _is_sequence(where)):
        raise AxesError(f"The pattern axes={axes!r} is of the names of many planes, and {path} is one input.")
    if "://" in where:
        return ZARR.open(where, inner, series, axes)
    if _is_sequence(where):
        return open_sequence(where, series, axes, indices=indices)
    where = os.path.abspath(where)
    return family_of(where, inner).open(where, inner, series, axes, indices=indices)


def axes_are_guessed(path: str, series: int | str | None) -> bool:
    """Return whether the axes of an input that opens without `axes` are only the usual ones of such a file."""
    where, inner = _place(path)
    if "://" in where or inner:
        return False
    if _is_sequence(where):
        return True
    return family_of(os.path.abspath(where)).module == "tiff" and not says_axes(os.path.abspath(where), series)


def images_in(path: str | os.PathLike[str]) -> Iterator[Inside]:
    """Find all images of what `open_input` takes; each can be opened until the next is asked for."""
    where, inner = _place(os.fspath(path))
    if "://" in where:
        yield from ZARR.inside(where, inner)
    elif _is_sequence(where):
        yield Inside(partial(open_sequence, where, None))
    else:
        where = os.path.abspath(where)
        yield from family_of(where, inner).inside(where, inner)


def are_planes(path: str) -> bool:
    """Return whether the path is a glob, or a folder of files, that is there."""
    where, _ = _place(path)
    return "://" not in where and (os.path.exists(where) or glob.has_magic(where)) and _is_sequence(where)


def is_foreign(path: str) -> bool:
    """Return whether something is there that is not a Zarr, nor in one: a file of others, or planes."""
    where, inner = _place(path)
    if "://" in where or (not inner and not os.path.exists(where) and not glob.has_magic(where)):
        return False
    return _is_sequence(where) or family_of(os.path.abspath(where), inner) is not ZARR


def foreign_file(path: str) -> str | None:
    """Return what a file of others is, such as "a TIFF file"; None for a Zarr, a JSON file, and what is not there."""
    where, _ = _place(path)
    if not os.path.isfile(where) or not os.path.getsize(where) or where.lower().endswith(".json"):
        return None
    family = family_of(os.path.abspath(where))
    with open(where, "rb") as file:  # what none knows is left to others to try, and is not called a picture here
        known = family.matches(where) or bool(family.magics and family.matches(where, file.read(1024)))
    return family.name if known and family is not ZARR else None


def describe_input(
    path: str | os.PathLike[str],
    *,
    axes: str | Sequence[str] | None = None,
    store_options: Mapping[str, Any] | None = None,
) -> InputInfo:
    """Describe what is inside an input before it is converted: its images, with axes, sizes and channels.

    Args:
        path, axes, store_options: as in `open_input`.

    Returns:
        What the headers say; no pixel is read. Where an image cannot be written as it is, its `note` says why.

    Raises:
        MissingError, InputError: as in `open_input`, where the input holds a single image.
    """
    where, inner = _place(os.fspath(path))
    known = "://" not in where and not _is_sequence(where)
    kind = family_of(os.path.abspath(where), inner).name if known else "a Zarr" if "://" in where else "planes"
    with behind_urls(store_options):
        return describe_inside(path, axes, kind, images_in(path))


def _is_sequence(path: str) -> bool:
    """Return whether the path is a glob, or a folder of files."""
    if os.path.isdir(path):
        return folder_family(path) is None
    if os.path.exists(path):
        return False
    if glob.has_magic(path):
        return True
    raise MissingError(f"There is no {path}.{nearest_place(path)}")


def _place(path: str) -> tuple[str, str]:
    """Split "file.h5::/path" into the file and the name inside it."""
    if not path:
        raise OptionError("The name of the input is empty; give a file or a folder.")
    path = local(path)
    if "::" not in path or os.path.exists(path):
        return split_inside(path)
    where, _, inner = path.partition("::")
    return where, inner.strip("/")
