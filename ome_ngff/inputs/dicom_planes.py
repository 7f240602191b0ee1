"""The planes of DICOM files: where each lies, and how its values are meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from ..exceptions import InputError

_TAGS = [
    "SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "InstanceNumber",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "PixelRepresentation", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices",
    "RescaleSlope", "RescaleIntercept", "TemporalPositionIdentifier", "TriggerTime", "EchoTime", "AcquisitionNumber",
    "AcquisitionTime", "FrameTime", "FrameIncrementPointer", "TotalPixelMatrixRows",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_FRAME_TIMES = (0x00181063, 0x00181065)


@attrs.frozen
class Layout:
    """Hold what all planes of an image must share.

    Attributes:
        rows, columns, samples: numbers of pixels. bits: allocated to each. signed: whether it has a sign.
        turn: cosines of the rows and the columns, to four digits; None where they are not known.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool
    turn: tuple[float, ...] | None


@attrs.frozen
class Plane:
    """Describe one plane.

    Attributes:
        path, frame: the file, and the index in it.
        series: UID, name of the series that it belongs to. layout: what it shares with the others.
        position: of its first pixel in the patient, in millimetres. spacing: of rows, and of columns. apart: of slices.
        slope, intercept: of its values. moment: what orders planes at one position. echo: time of the echo.
    """

    path: str
    frame: int
    series: tuple[str, str]
    layout: Layout
    position: tuple[float, ...] | None
    spacing: tuple[float, ...]
    apart: float | None
    slope: float
    intercept: float
    moment: tuple[float, ...]
    echo: float | None
    frame_time: float | None = None
    timed: bool = False


def planes_of(path: str) -> list[Plane]:
    """Read the header of a file.

    Raises:
        InputError: it holds no image, or one that is not a grid of planes.
    """
    import pydicom

    header: Any = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=_TAGS)
    if not header.get("Rows") or not header.get("Columns"):
        raise InputError(f"{path} is a DICOM file without an image ({header.get('Modality') or 'of no modality'}).")
    if "TotalPixelMatrixRows" in header:
        raise InputError(f"{path} is a slide in tiles, which cannot be read here; convert it with bioformats2raw.")
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise InputError(f"{path} has a palette, which is not applied here; save it as RGB.")
    return [_plane(path, header, frame) for frame in range(int(header.get("NumberOfFrames") or 1))]


def _plane(path: str, header: Any, frame: int) -> Plane:
    def get(keyword: str, group: str = "") -> Any:
        for holder in _holders(header, frame, group):
            if holder.get(keyword) not in (None, ""):
                return holder.get(keyword)
        return None

    turn = get("ImageOrientationPatient", "PlaneOrientationSequence")
    layout = Layout(
        int(header.Rows),
        int(header.Columns),
        int(header.get("SamplesPerPixel") or 1),
        int(header.BitsAllocated),
        bool(header.get("PixelRepresentation")),
        None if turn is None else tuple(round(float(each), 4) for each in turn),
    )
    position = get("ImagePositionPatient", "PlanePositionSequence")
    apart = get("SpacingBetweenSlices", "PixelMeasuresSequence")
    echo = get("EchoTime") or get("EffectiveEchoTime", "MREchoSequence")
    moment = (
        get("TemporalPositionIdentifier") or get("TemporalPositionIndex", "FrameContentSequence"),
        get("TriggerTime"), get("AcquisitionNumber"), get("AcquisitionTime"), get("InstanceNumber"), frame,
    )  # fmt: skip
    pointer = header.get("FrameIncrementPointer")
    name = str(header.get("SeriesDescription") or header.get("SeriesNumber") or "")
    return Plane(
        path=path,
        frame=frame,
        series=(str(header.get("SeriesInstanceUID") or ""), name),
        layout=layout,
        position=None if position is None else tuple(map(float, position)),
        spacing=tuple(map(float, get("PixelSpacing", "PixelMeasuresSequence") or ())),
        apart=None if apart is None else abs(float(apart)),
        slope=float(_or(get("RescaleSlope", "PixelValueTransformationSequence"), 1)),
        intercept=float(_or(get("RescaleIntercept", "PixelValueTransformationSequence"), 0)),
        moment=tuple(_number(each) for each in moment),
        echo=None if echo is None else float(echo),
        frame_time=float(header.FrameTime) if header.get("FrameTime") else None,
        timed=pointer is not None and int(np.ravel(pointer)[0]) in _FRAME_TIMES,
    )


def _or(value: Any, default: float) -> Any:
    return default if value is None else value


def _number(value: Any) -> float:
    try:
        return float(str(value).replace(":", ""))  # older times are "12:30:15"
    except ValueError:
        return 0.0


def _holders(header: Any, frame: int, group: str) -> Iterator[Any]:
    """Yield the data sets that may say something of a frame: its own functional group, the shared one, the whole."""
    if group:
        each: Sequence[Any] = header.get("PerFrameFunctionalGroupsSequence") or ()
        shared: Sequence[Any] = header.get("SharedFunctionalGroupsSequence") or ()
        for holder in (*each[frame : frame + 1], *shared[:1]):
            yield from (holder.get(group) or ())[:1]
    yield header
