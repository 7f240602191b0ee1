"""Families of image files: how each is recognised, the module that opens it, and what must be installed for that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import attrs

from ..exceptions import InputError, MissingError, NgffError
from ..image import NgffImage
from ..store import nearest_place
from . import signs
from .inside import Inside, Open
from .vendor import readable

_PAINTED = ("tiff", "picture")  # what has palettes


@attrs.frozen
class Family:
    """Describe one family of image files.

    Attributes:
        name: what messages call a file of the family, with its article.
        module: module of this package that opens it, by its function `entry`; empty where none does. Where files hold
            several images, its function `listing` yields them.
        suffixes: endings of file names, lower case.
        magics: what its files have at byte `offset`. sign: what else tells them from others with the same bytes.
        folder: how a folder of the family is known, where it has any.
        package: what must be installed to read it, if anything. extra: the extra of this package that installs it.
        plugin: what must be installed besides. instead: the way out where nothing reads it.
        inner: whether "file::name" names something inside. several: whether `series=` picks one of several images.
    """

    name: str
    module: str = ""
    suffixes: tuple[str, ...] = ()
    magics: tuple[bytes, ...] = ()
    offset: int = 0
    sign: Callable[[str, bytes], bool] | None = None
    folder: Callable[[str], bool] | None = None
    package: str = ""
    extra: str = ""
    plugin: str = ""
    instead: str = ""
    inner: bool = False
    several: bool = False
    entry: str = "open_file"
    listing: str = "inside"

    def matches(self, path: str, head: bytes = b"") -> bool:
        """Return whether a file belongs to the family, judged by its first bytes if given, else by its name."""
        if not head:
            return path.lower().endswith(self.suffixes)
        return head[self.offset :].startswith(self.magics) and (self.sign is None or self.sign(path, head))

    def open(
        self, path: str, inner: str, series: int | str | None, axes: Sequence[str] | None, *, indices: bool = False
    ) -> NgffImage:
        """Open a file; the indices of a palette instead of its colours where that is asked for.

        Raises:
            InputError: the file is broken, a package is missing, or an option does not apply to this family.
        """
        if self.instead:
            raise InputError(f"{path} is {self.name}, which cannot be read here; {self.instead}.")
        if not self.module:
            raise self._needs(path)
        if inner and not self.inner:
            raise InputError(f"{path} is {self.name}, which has no names inside. Leave out '::{inner}'.")
        if series is not None and not self.several:
            raise InputError(f"{path} is {self.name}, which holds one image. Leave out series={series!r}.")
        with self._reading(path):
            module = import_module(f".{self.module}", __package__)
            words = {"indices": True} if indices and self.module in _PAINTED else {}
            image: NgffImage = getattr(module, self.entry)(path, inner, series, axes, **words)
        return image

    def inside(self, path: str, inner: str) -> Iterator[Inside]:
        """Find the images of a file, each of which can be opened until the next is asked for."""
        found: Iterable[Inside] = ()
        with self._reading(path):
            module = import_module(f".{self.module}", __package__) if self.module else None
            if module is not None and hasattr(module, self.listing) and (self.inner or not inner):
                found = getattr(module, self.listing)(path, inner)
            for each in found or [Inside(partial(self.open, path, inner, None))]:
                yield attrs.evolve(each, open=partial(self._opened, path, each.open))

    def _opened(self, path: str, opens: Open, axes: Any) -> NgffImage:
        with self._reading(path):
            return opens(axes)

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """Turn whatever a reader raises into an `InputError` that names the file."""
        try:
            yield
        except (NgffError, Warning):  # a warning that is an error
            raise
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and self.package and error.name == self.package:
                raise self._needs(path) from None
            reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
            raise InputError(f"{path} cannot be read as {self.name}: {reason or type(error).__name__}") from error

    def _needs(self, path: str) -> InputError:
        """Return the error that says what must be installed to read a file."""
        what = " ".join(filter(None, [f"'ome-ngff[{self.extra}]'", self.plugin]))
        return InputError(f"{path} is {self.name}, which needs {self.plugin or self.package}: pip install {what}")


_TIFFS = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".svs", ".ndpi", ".companion.ome")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HDF5 = (b"\x89HDF\r\n",)


def _vendor(name: str, suffixes: Sequence[str], *magics: bytes, plugin: str = "bioio-bioformats") -> Family:
    """Describe a format of a microscope's maker, which bioio reads with a plugin."""
    return Family(name, "vendor", tuple(suffixes), magics, package="bioio", extra="bioio", plugin=plugin, several=True)


_BDV = Family("a dataset of BigDataViewer", "bdv", package="h5py", extra="hdf5", several=True)
_DICOM = Family("a DICOM file", "dicom", (".dcm", ".dicom", ".ima"), package="pydicom", extra="dicom", several=True)
# Those that are known by more than their first bytes come before those that are known by the same first bytes.
_SPECIAL = (
    # With the first bytes of a TIFF, or without.
    attrs.evolve(_DICOM, magics=(b"DICM",), offset=128, folder=signs.is_dicom_folder),
    attrs.evolve(_DICOM, suffixes=(), magics=(b"\2\0", b"\x08\0", b"\0\2", b"\0\x08"), sign=signs.is_bare_dicom),
    Family("an Imaris file", "imaris", (".ims",), _HDF5, sign=signs.is_imaris, package="h5py", extra="hdf5"),
    attrs.evolve(_BDV, name="an HDF5 file of BigDataViewer", magics=_HDF5, sign=signs.is_big_data_viewer),
    attrs.evolve(_BDV, magics=(b"<",), sign=signs.is_spim_data, entry="open_description"),
    Family(
        "a MINC file",
        "volumes",
        (".mnc",),
        (*_HDF5, b"CDF\1", b"CDF\2"),
        sign=signs.is_minc,
        package="nibabel",
        extra="nifti",
    ),
    Family(
        "a CIFTI file (values at points of a brain's surface, not on a grid)",
        suffixes=(".dscalar.nii", ".dtseries.nii", ".dlabel.nii", ".dconn.nii", ".ptseries.nii", ".pscalar.nii"),
        magics=(b"\x1c\2\0\0", b"\0\0\2\x1c"),
        sign=signs.is_cifti,
        instead="separate its volume as NIfTI, as with wb_command -cifti-separate",
    ),
    Family("an N5 container", suffixes=(".n5",), folder=signs.is_n5, instead="save it as Zarr or TIFF, as with Fiji"),
    attrs.evolve(_vendor("an Olympus VSI file", [".vsi"], *_TIFF), sign=signs.is_vsi),
)
_VENDORS = (
    _vendor("a Zeiss CZI file", [".czi"], b"ZISRAWFILE", plugin="bioio-czi"),
    _vendor("a Nikon ND2 file", [".nd2"], b"\xda\xce\xbe\x0a", plugin="bioio-nd2"),
    attrs.evolve(
        _vendor("a Leica LIF file", [".lif"], b"\x70\0\0\0", plugin="bioio-lif"), sign=lambda _, head: head[8:9] == b"*"
    ),
    _vendor("a Leica LOF file", [".lof", ".xlif", ".xlef"]),
    attrs.evolve(
        _vendor("a DeltaVision file", [".dv", ".r3d"], b"\xa0\xc0", b"\xc0\xa0", plugin="bioio-dv"), offset=96
    ),
    _vendor("a SlideBook file", [".sldy"], plugin="bioio-sldy"),
    _vendor("an older SlideBook file", [".sld"]),
    _vendor("an Olympus OIR file", [".oir", ".poir"], b"OLYMPUSRAWFORMAT"),
    _vendor("an Olympus FluoView file", [".oib", ".oif"]),
    _vendor("a Zeiss ZVI file", [".zvi"]),
    _vendor("a 3DHISTECH MIRAX slide", [".mrxs"]),
    Family("an MRC file", "mrc", (".mrc", ".mrcs", ".mrc.gz"), (b"MAP ",), 208, package="mrcfile", extra="mrc"),
    Family("an NRRD file", "raster", (".nrrd", ".nhdr"), (b"NRRD0",), entry="open_nrrd"),
    Family("a MetaImage file", "raster", (".mha", ".mhd"), (b"ObjectType =", b"NDims ="), entry="open_meta"),
    Family("a FreeSurfer volume", "volumes", (".mgz", ".mgh", ".mgh.gz"), package="nibabel", extra="nifti"),
    Family("an AFNI file", "volumes", (".head", ".brik", ".brik.gz"), package="nibabel", extra="nifti"),
    Family(
        "an Analyze file",
        "volumes",
        (".hdr", ".img", ".hdr.gz", ".img.gz"),
        (b"\x5c\1\0\0", b"\0\0\1\x5c"),
        sign=signs.is_analyze,
        package="nibabel",
        extra="nifti",
    ),
)
ZARR = Family(
    "a Zarr", "zarr_store", (".zarr", ".zr", ".ozx", ".zarr.zip"), folder=signs.is_zarr, inner=True, several=True
)
BIOIO = _vendor("a file of a microscope", [])
PICTURE = Family("a picture", "picture", (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2", ".ppm", ".pgm"))
FAMILIES = (
    *_SPECIAL,
    Family("a TIFF file", "tiff", _TIFFS, _TIFF, several=True),
    ZARR,
    Family("a NumPy file", "npy", (".npy",), (b"\x93NUMPY",)),
    Family("a NumPy archive", "npy", (".npz",), inner=True, entry="open_archive", listing="inside_archive"),
    Family("an HDF5 file", "hdf5", (".h5", ".hdf5", ".hdf", ".he5"), _HDF5, package="h5py", extra="hdf5", inner=True),
    Family("a NIfTI file", "nifti", (".nii", ".nii.gz"), package="nibabel", extra="nifti"),
    *_VENDORS,
    PICTURE,
)
SUFFIXES = tuple(suffix for family in FAMILIES for suffix in family.suffixes)


def folder_family(path: str) -> Family | None:
    """Return the family of a folder; None where it is but a folder of files."""
    return next((family for family in FAMILIES if family.folder is not None and family.folder(path)), None)


def family_of(path: str, inner: str = "") -> Family:
    """Return the family of a file or a folder, by its first bytes, then by its name.

    What none knows by either is left to bioio, where a plugin takes files of this name, else to imageio.

    Args:
        path: the file or folder. inner: a name inside of it, for which families that have such names come first.
    """
    if os.path.isdir(path):
        return folder_family(path) or ZARR
    with open(path, "rb") as file:
        head = file.read(1024)
    if not head:
        raise InputError(f"{path} is an empty file.")
    by_content = [family for family in FAMILIES if family.matches(path, head)]
    by_content.sort(key=lambda family: bool(inner) and not family.inner)
    by_name = [family for family in FAMILIES if family.matches(path)]
    return (by_content + by_name or [BIOIO if readable(path) else PICTURE])[0]


def open_one(path: str, *, series: int | str | None, axes: Sequence[str] | None, indices: bool = False) -> NgffImage:
    """Open one file, or one Zarr, as `open_input` does.

    Raises:
        MissingError: it does not exist.
    """
    where = os.path.abspath(path)
    if not os.path.exists(where):
        raise MissingError(f"There is no {path}.{nearest_place(path)}")
    return family_of(where).open(where, "", series, axes, indices=indices)
