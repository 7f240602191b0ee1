"""Families of image files: how each is recognised, and the module that opens it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module

import attrs

from ..exceptions import InputError, MissingError, NgffError
from ..image import NgffImage


@attrs.frozen
class Family:
    """Describe one family of image files.

    Attributes:
        name: what messages call a file of the family, with its article.
        module: module of this package that opens it, by its function `entry`.
        suffixes: endings of file names, lower case. magics: first bytes of its files.
        package: what must be installed to read it, if anything. extra: the extra of this package that installs it.
        inner: whether "file::name" names something inside. several: whether `series=` picks one of several images.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...] = ()
    package: str = ""
    extra: str = ""
    inner: bool = False
    several: bool = False
    entry: str = "open_file"

    def matches(self, path: str, head: bytes = b"") -> bool:
        """Return whether a file belongs to the family, judged by its first bytes if given, else by its name."""
        return head.startswith(self.magics) if head else path.lower().endswith(self.suffixes)

    def open(self, path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
        """Open a file.

        Raises:
            InputError: the file is broken, a package is missing, or an option does not apply to this family.
        """
        if inner and not self.inner:
            raise InputError(f"{path} is {self.name}, which has no names inside. Leave out '::{inner}'.")
        if series is not None and not self.several:
            raise InputError(f"{path} is {self.name}, which holds one image. Leave out series={series!r}.")
        try:
            module = import_module(f".{self.module}", __package__)
            image: NgffImage = getattr(module, self.entry)(path, inner, series, axes)
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
    Family("a NumPy archive", "npy", (".npz",), inner=True, entry="open_archive"),
    Family("an HDF5 file", "hdf5", (".h5", ".hdf5", ".hdf", ".he5"), _HDF5, package="h5py", extra="hdf5", inner=True),
    Family("a NIfTI file", "nifti", (".nii", ".nii.gz"), package="nibabel", extra="nifti"),
    PICTURE,
)


def family_of(path: str) -> Family:
    """Return the family of a file or of the folder of a Zarr, by its first bytes, then by its name, else `PICTURE`."""
    if os.path.isdir(path):
        return ZARR
    with open(path, "rb") as file:
        head = file.read(16)
    if not head:
        raise InputError(f"{path} is an empty file.")
    by_content = [family for family in FAMILIES if family.matches(path, head)]
    by_name = [family for family in FAMILIES if family.matches(path)]
    return (by_content + by_name + [PICTURE])[0]


def open_one(path: str, *, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open one file, or one Zarr, as `open_input` does.

    Raises:
        MissingError: it does not exist.
    """
    where = os.path.abspath(path)
    if not os.path.exists(where):
        raise MissingError(f"There is no {path}.")
    return family_of(where).open(where, "", series, axes)
