"""Image files of every family as one `NgffImage`: the pixels stay in the file until they are sliced.

A family is one module with `open_file(path, inner, series, axes)` and one line in `FAMILIES`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..exceptions import AxesError, InputError, MissingError, NgffError, nearest_word

if TYPE_CHECKING:
    from ..image import NgffImage


@attrs.frozen
class Family:
    """Describe one family of image files.

    Attributes:
        name: what messages call a file of the family, with its article.
        module: module of this package that opens it.
        suffixes: endings of file names, lower case.
        magics: first bytes of its files.
        package: what must be installed to read it, where that does not come with this package.
        extra: the extra that brings that.
        inner: whether "file::name" names something inside the file.
        several: whether `series=` picks one of several images.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...] = ()
    package: str = ""
    extra: str = ""
    inner: bool = False
    several: bool = False

    def matches(self, path: str, head: bytes = b"") -> bool:
        """Tell whether a file belongs to the family, by its first bytes if there are any, else by its name."""
        return head.startswith(self.magics) if head else path.lower().endswith(self.suffixes)

    def open(self, path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
        """Open a file.

        Raises:
            InputError: the file is broken, a package is missing, or an option is not for this family.
        """
        if inner and not self.inner:
            raise InputError(f"{path} is {self.name}, which has no names inside. Leave out '::{inner}'.")
        if series is not None and not self.several:
            raise InputError(f"{path} is {self.name}, which holds one image. Leave out series={series!r}.")
        try:
            image: NgffImage = import_module(f".{self.module}", __name__).open_file(path, inner, series, axes)
        except NgffError:
            raise
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and self.package and error.name == self.package:
                way_out = f"pip install ome-ngff[{self.extra}]"
                raise InputError(f"{path} is {self.name}, which needs {self.package}: {way_out}") from None
            reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
            raise InputError(f"{path} cannot be read as {self.name}: {reason or type(error).__name__}") from error
        return image


_TIFFS = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".svs", ".ndpi", ".companion.ome")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HDF5 = (b"\x89HDF\r\n",)
ZARR = Family("a Zarr", "zarr_store", (".zarr", ".zr", ".ozx", ".zarr.zip"), inner=True, several=True)
PICTURE = Family("a picture", "picture", (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2", ".ppm", ".pgm"))
FAMILIES = (
    Family("a TIFF file", "tiff", _TIFFS, _TIFF, several=True),
    ZARR,
    Family("a NumPy file", "npy", (".npy",), (b"\x93NUMPY",)),
    Family("a NumPy archive", "npz", (".npz",), inner=True),
    Family("an HDF5 file", "hdf5", (".h5", ".hdf5", ".hdf", ".he5"), _HDF5, package="h5py", extra="hdf5", inner=True),
    Family("a NIfTI file", "nifti", (".nii", ".nii.gz"), package="nibabel", extra="nifti"),
    PICTURE,
)
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def open_input(
    path: str | os.PathLike[str], *, series: int | str | None = None, axes: str | Sequence[str] | None = None
) -> NgffImage:
    """Open an image file, a Zarr, a folder or a glob of planes, without reading its pixels.

    Args:
        path: a file, a folder or a glob of planes ("plane_*.tif"), "file.h5::/path" for what lies inside a file, or
            the URL of a Zarr.
        series: index or name of one of several images in the file; the first one by default.
        axes: one name per dimension in the order of the file, such as "zyx"; overrides what the file says. "s" is
            colour. A sequence of planes takes the axes that its numbers count, then those of one plane.

    Returns:
        The image: axes in the order t, c, z, y, x, with the pixel sizes, units, channels and orientation that the
        file knows. Its `data` can be sliced from several threads and pickled.

    Raises:
        MissingError: nothing is there.
        InputError: it is no image that can be read here, or is broken.
        AxesError: the dimensions cannot be told, or are none that OME-NGFF allows; `axes` is the way out.
    """
    where, inner = _place(os.fspath(path))
    if axes is not None and not axes:
        raise AxesError("axes names no dimension; say axes='zyx' or leave it out.")
    if "://" in where:
        return ZARR.open(where, inner, series, axes)
    if _is_sequence(where):
        from .sequence import open_sequence

        return open_sequence(where, series, axes)
    where = os.path.abspath(where)
    return family_of(where).open(where, inner, series, axes)


def family_of(path: str) -> Family:
    """Return the family of a file or of a Zarr's folder, by its first bytes, then by its name; pictures else."""
    if os.path.isdir(path):
        return ZARR
    with open(path, "rb") as file:
        head = file.read(16)
    if not head:
        raise InputError(f"{path} is an empty file.")
    by_content = [family for family in FAMILIES if family.matches(path, head)]
    by_name = [family for family in FAMILIES if family.matches(path)]
    return (by_content + by_name + [PICTURE])[0]


def _is_sequence(path: str) -> bool:
    """Tell whether the path is a glob, or a folder that is no Zarr."""
    if os.path.isdir(path):
        named = path.rstrip("/" + os.sep).lower().endswith(ZARR.suffixes)
        return not named and not any(os.path.exists(os.path.join(path, name)) for name in _ZARR_FILES)
    if os.path.exists(path):
        return False
    if glob.has_magic(path):
        return True
    folder = Path(path).parent
    siblings = os.listdir(folder) if folder.is_dir() else []
    raise MissingError(f"There is no {path}.{nearest_word(Path(path).name, siblings)}")


def _place(path: str) -> tuple[str, str]:
    """Split "file.h5::/path" into the file and what is meant inside of it."""
    if "::" not in path or os.path.exists(path):
        return path, ""
    where, _, inner = path.partition("::")
    return where, inner.strip("/")


__all__ = ["FAMILIES", "Family", "open_input"]
