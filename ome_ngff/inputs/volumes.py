"""Volumes of the programs around NIfTI: FreeSurfer, AFNI, Analyze and MINC, whose headers nibabel reads."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ..image import NgffImage
from ..pixels import LazyArray, Slices
from .arrange import Facts, arranged, named_axes, positive
from .files import FileArray, stamp_of
from .nifti import open_file as open_nifti
from .nifti import stored_pixels
from .npy import refuse_records
from .placing import Placement

_MGH = (".mgz", ".mgh", ".mgh.gz")
_ENDING = re.compile(r"(\+\w+)?\.(mgz|mgh|mgh\.gz|head|brik|brik\.gz|hdr|img|hdr\.gz|img\.gz|mnc)$", re.IGNORECASE)


@attrs.frozen(eq=False, slots=False)
class MincArray(FileArray):
    """Read real values of a MINC file, which scales each plane by itself; one thread at a time."""

    _turns: dict[int, Any] = attrs.field(init=False, repr=False, factory=dict)

    def _open(self) -> tuple[Any, Callable[[], Any]]:
        import nibabel

        image: Any = nibabel.load(self.path)
        return image.dataobj, lambda: None

    def read(self, box: Slices) -> NDArray[Any]:
        with self._turns.setdefault(os.getpid(), RLock()):
            return np.asarray(self.opened()[box], self.dtype)


def open_file(path: str, inner: str, series: int | str | None, axes: Sequence[str] | None) -> NgffImage:
    """Open a volume; frames are t, and sub-bricks of AFNI c where it has no times for them.

    The stored dtype is kept if the header asks for no scaling; else, and in MINC, the values are float32.
    """
    import nibabel

    if path.lower().endswith(_MGH):
        return _open_mgh(path, axes)
    image: Any = nibabel.load(path)
    if isinstance(image, nibabel.Nifti1Pair):
        return open_nifti(path, inner, series, axes)
    refuse_records(image.get_data_dtype(), path)
    shape = tuple(map(int, image.shape))
    own: tuple[str, ...]
    data: LazyArray
    if isinstance(image, nibabel.minc1.Minc1Image):
        own = ("t", "z", "y", "x")[-len(shape) :]
        data = MincArray(path, stamp_of(path), shape, np.dtype(np.float32), None)
        facts = _minc(image)
    elif isinstance(image, nibabel.brikhead.AFNIImage):
        timed = "TAXIS_NUMS" in image.header.info
        own, facts = ("t" if timed else "c", "z", "y", "x")[-len(shape) :], _afni(image, timed)
        header: Any = image.header
        slopes = header.get_data_scaling()
        data = stored_pixels(image, (1.0,) if slopes is None else tuple(map(float, slopes)), (0.0,))
    else:
        own, facts = ("t", "z", "y", "x")[-len(shape) :], _analyze(image)
        data = stored_pixels(image, (float(image.dataobj.slope),), (float(image.dataobj.inter),))
    return _arranged(path, data, own, axes, facts)


def _arranged(path: str, data: LazyArray, own: Sequence[str], axes: Sequence[str] | None, facts: Facts) -> NgffImage:
    # A fourth dimension of length 1 is there for the header's sake.
    own = tuple(name if size > 1 or name in "zyx" else "f" for name, size in zip(own, data.shape, strict=True))
    name = _ENDING.sub("", Path(path).name)
    return arranged(data, named_axes(axes, data.ndim, path, own), path, attrs.evolve(facts, name=name))


def _facts(
    image: Any, sizes: Mapping[str, Any], affine: Any, units: Mapping[str, str], names: Sequence[str] | None = None
) -> Facts:
    """Return sizes in millimetres, but for `units`, and the place in the patient that an affine says."""
    # Sizes are float32: by way of their text, 0.7 stays 0.7.
    known = {axis: positive(str(np.float32(size))) for axis, size in sizes.items()}
    scale = {axis: size for axis, size in known.items() if size}
    placement = Placement.of(affine, str(image.get_filename())) if affine is not None else Placement({}, {})
    return Facts(
        scale=scale,
        translation=placement.translation,
        units={axis: units.get(axis, "millimeter") for axis in scale},
        orientations=placement.orientations,
        channel_names=names,
    )


def _open_mgh(path: str, axes: Sequence[str] | None) -> NgffImage:
    """Open a volume of FreeSurfer, with sizes and place where a flag says that they are good."""
    import nibabel

    mgh: Any = nibabel.MGHImage
    holder: Any = nibabel.fileholders.FileHolder
    with nibabel.openers.ImageOpener(path) as file:  # nibabel would leave it open
        image: Any = mgh.from_file_map({"image": holder(path, file)})
        file.seek(28)
        good = file.read(2) == b"\0\1"
    refuse_records(image.get_data_dtype(), path)
    zooms = image.header.get_zooms()
    sizes = dict(zip("xyz" if good else "", zooms, strict=False)) | ({"t": zooms[3]} if len(zooms) > 3 else {})
    facts = _facts(image, sizes, image.affine if good else None, {"t": "millisecond"})
    return _arranged(path, stored_pixels(image, (1.0,), (0.0,)), ("t", "z", "y", "x")[-len(image.shape) :], axes, facts)


def _afni(image: Any, timed: bool) -> Facts:
    said, header = image.header.info, image.header
    unit = {77001: "millisecond", 77002: "second"}.get(said["TAXIS_NUMS"][2]) if timed else None
    sizes = dict(zip("xyzt" if unit else "xyz", header.get_zooms(), strict=False))
    return _facts(image, sizes, image.affine, {"t": unit or ""}, None if timed else header.get_volume_labels())


def _analyze(image: Any) -> Facts:
    """Return the sizes of space; which side is left an Analyze header does not say, but the `.mat` file of SPM does."""
    placed = os.path.exists(image.file_map["mat"].filename)
    sizes = dict(zip("xyz", image.header.get_zooms(), strict=False))
    return _facts(image, sizes, image.affine if placed else None, {})


def _minc(image: Any) -> Facts:
    """Return what a MINC file says, whose affine and sizes are in the order of its dimensions."""
    sizes = dict(zip("xyzt", image.header.get_zooms()[::-1], strict=False))
    return _facts(image, sizes, image.affine[:, [2, 1, 0, 3]], {"t": "second"})


def headers(path: str) -> tuple[Iterator[tuple[str, Any]], str]:
    """Return the fields of a header; MINC has none that nibabel shows."""
    import nibabel

    mgh: Any = nibabel.freesurfer.mghformat.MGHHeader
    if path.lower().endswith(_MGH):
        with nibabel.openers.ImageOpener(path) as file:
            said = mgh.from_fileobj(file)
    else:
        image: Any = nibabel.load(path)
        said = getattr(image.header, "info", image.header)
    return iter([(str(key), said[key]) for key in said] if hasattr(said, "keys") else []), ""
