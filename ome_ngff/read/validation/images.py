"""The rules for images and labels in a store: whether their documents agree with the arrays.

The checks look at values that the walk has collected, and open nothing themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import zarr

from ...exceptions import Finding
from ...spec import (
    MISSING,
    Faults,
    Format,
    Rule,
    Rules,
    entries,
    is_objects,
    labels_of_entries,
    part_of,
    stated_geometry,
)
from ...text import show
from .tree import Broken, Node, reason

STORE_RULES: dict[str, Rule] = {}


@attrs.frozen(eq=False)
class LevelFacts:
    """Describe a level: its place in the store, the node there, and the facts about that node if it is an array."""

    where: str
    node: Node
    shape: tuple[int, ...] | None = None
    dtype: Any = None
    zarr_format: int | None = None
    separator: str | None = None
    names: tuple[Any, ...] | None = None
    scale: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None

    @classmethod
    def of(cls, where: str, node: Node, parts: tuple[Mapping[str, Any], ...]) -> LevelFacts:
        """Collect the facts; `parts` are the dataset and the multiscale, whose transformations place it in space."""
        if not isinstance(node, zarr.Array):
            return cls(where, node)
        try:
            if any(n >= 2**63 for n in node.shape):
                return cls(where, Broken(f"no array can have the shape {show(node.shape)}"))
            scale, translation = stated_geometry(parts, node.ndim)
            return cls(
                where, node, tuple(node.shape), node.dtype, node.metadata.zarr_format,
                getattr(node.metadata, "dimension_separator", None),
                getattr(node.metadata, "dimension_names", None), scale, translation,
            )  # fmt: skip
        except Exception as error:
            return cls(where, Broken(reason(error)))


@attrs.frozen(eq=False)
class ImageFacts:
    """Describe one multiscale: the place of its document, the document, and its levels."""

    where: str
    document: Mapping[str, Any]
    levels: tuple[LevelFacts, ...]

    @property
    def axes(self) -> tuple[str, ...] | None:
        """Names of the axes; None if they are not a list."""
        axes = self.document.get("axes")
        return tuple(str(axis.get("name")) for axis in axes) if is_objects(axes) else None

    @property
    def arrays(self) -> list[LevelFacts]:
        """Levels that are arrays with one dimension per axis."""
        return [level for level in self.levels if self.fits(level)]

    def fits(self, level: LevelFacts) -> bool:
        return level.shape is not None and len(level.shape) == len(self.axes or ())

    def along(self, values: Sequence[Any] | None) -> dict[str, Any]:
        """Return one value for each axis, by its name."""
        return dict(zip(self.axes or (), values or (), strict=True))


def image_findings(image: ImageFacts, fmt: Format) -> Iterator[Finding]:
    for level in image.levels:
        if level.shape is not None:
            yield from LEVEL(level, image.axes, version=fmt.version)
    yield from PYRAMID(image, version=fmt.version)


LEVEL = Rules("image", STORE_RULES)


@LEVEL.must("array-dimensions", at="/1.shape", wrong=[4, 4])
def _dimensions(level: LevelFacts, axes: tuple[str, ...] | None) -> Faults:
    """The length of "axes" must be between 2 and 5 and MUST be equal to the dimensionality of the zarr arrays storing
    the image data."""
    if axes is not None and level.shape is not None and len(level.shape) != len(axes):
        what = f"The array has {len(level.shape)} dimensions for {len(axes)} axes (its shape is {show(level.shape)})."
        yield level.where, what, "Describe every dimension in axes, and store all levels with the same ones."


@LEVEL.must("dimension-names", at="/0.dimension_names", wrong=["t", "c", "z", "x", "y"], since="0.5", until="0.5")
def _names(level: LevelFacts, axes: tuple[str, ...] | None) -> Faults:
    """The "dimension_names" attribute MUST be included in the `zarr.json` of the Zarr array of a multiscale level and
    MUST match the names in the "axes" metadata."""
    return _names_differ(level, axes, "must")


def _names_differ(level: LevelFacts, axes: tuple[str, ...] | None, must: str) -> Faults:
    if axes is not None and level.zarr_format == 3 and level.names != axes:
        there = "none" if level.names is None else show(list(level.names))
        what = f"dimension_names {must} be {show(list(axes))} (got {there})."
        yield level.where, what, "Write the names of the axes into zarr.json; the chunks stay as they are."


@LEVEL.should("dimension-names-other", at="/0.dimension_names", wrong=["t", "c", "z", "x", "y"], since="0.6")
def _other_names(level: LevelFacts, axes: tuple[str, ...] | None) -> Faults:
    """Where arrays name their dimensions, the names SHOULD be those of the axes (0.5: MUST; 0.6 does not speak of
    them)."""
    return _names_differ(level, axes, "should") if level.names is not None else iter(())


@LEVEL.must("chunk-separator", at="/0.dimension_separator", wrong=".", until="0.4")
def _separator(level: LevelFacts, axes: tuple[str, ...] | None) -> Faults:
    """Chunks are stored with the nested directory layout: the `dimension_separator` is `/`."""
    if level.separator not in (None, "/"):
        what = f"Chunk keys must be separated by '/' (got {level.separator!r}, which some viewers show as black)."
        yield level.where, what, "Rename the chunks from 0.0.0 to 0/0/0 and set dimension_separator in .zarray."


PYRAMID = Rules("image", STORE_RULES)


@PYRAMID.must("levels-decreasing", at="/1.shape", wrong=[2, 2, 4, 16, 16])
def _decreasing(image: ImageFacts) -> Faults:
    """The "path"s MUST be ordered from largest (i.e. highest resolution) to smallest."""
    for before, level in itertools.pairwise(image.arrays):
        finer, coarser = before.shape or (), level.shape or ()
        if any(c > f for f, c in zip(finer, coarser, strict=True)):
            what = f"The level has the shape {show(coarser)}, larger than {show(finer)} of the level before."
            yield level.where, what, "List the levels from the largest to the smallest."


@PYRAMID.must("levels-one-dtype", at="/1.dtype", wrong="float32", since="0.6")
def _one_dtype(image: ImageFacts) -> Faults:
    """All levels MUST have the same data type."""
    return _dtype(image)


@PYRAMID.should("levels-dtype", at="/1.dtype", wrong="float32", until="0.5")
def _dtype(image: ImageFacts) -> Faults:
    """All levels have the same data type (common sense in 0.5, a MUST in 0.6)."""
    dtypes = [(level, level.dtype) for level in image.levels if level.shape is not None]
    for level, dtype in dtypes[1:]:
        if dtype != dtypes[0][1]:
            what = f"The level has the data type {dtype}, the first level {dtypes[0][1]}."
            yield level.where, what, "Write all levels with the data type of the first."


_SECOND = "/.document.multiscales[0].datasets[1].coordinateTransformations[0].scale"


@PYRAMID.must("scale-size", at=_SECOND, wrong=[1.0, 1.0, 1.0, 2.0, 2.0], since="0.6")
def _scale_size(image: ImageFacts) -> Faults:
    """The scale MUST be the size of a pixel or, where there is none, the factor relative to the first level, which is
    1.0 along an axis that is not downsampled."""
    return _scale_shape(image)


@PYRAMID.should("scale-shape", at=_SECOND, wrong=[1.0, 1.0, 1.0, 2.0, 2.0], until="0.5")
def _scale_shape(image: ImageFacts) -> Faults:
    """The `scale` specifies the pixel size of a level: where it is f times that of the first, the level is f times
    smaller, to one pixel."""
    for first, level, ratios in _ratios(image):
        lengths = zip(image.axes or (), first.shape or (), level.shape or (), ratios, strict=True)
        wrong = [
            f"{name}: {n} pixels, not {full / ratio:.6g}"
            for name, full, n, ratio in lengths
            if abs(n - full / ratio) > 1 + 1e-9
        ]
        if wrong:
            what = f"The stated scale does not fit the shape ({'; '.join(wrong)})."
            yield level.where, what, "State the factor by which the level is actually smaller, times the first scale."


def _ratios(image: ImageFacts) -> Iterator[tuple[LevelFacts, LevelFacts, list[float]]]:
    """Yield the first level, each other level, and how many times larger its scale says that its pixels are."""
    placed_levels = [level for level in image.arrays if level.scale is not None]
    for level in placed_levels[1:]:
        pairs = zip(placed_levels[0].scale or (), level.scale or (), strict=True)
        ratios = [b / a if a > 0 else 0.0 for a, b in pairs]
        if all(math.isfinite(ratio) and ratio > 0 for ratio in ratios):
            yield placed_levels[0], level, ratios


@PYRAMID.note(
    "translation-centre",
    at="/.document.multiscales[0].datasets[1].coordinateTransformations[1].translation",
    wrong=[0.0, 0.0, 0.0, 0.0, 0.0],
)
def _centre(image: ImageFacts) -> Faults:
    """A pixel lies at its centre: the first pixel of a level that is f times smaller lies (f - 1) / 2 pixels further
    in. Without this translation, the levels are displaced relative to each other."""
    picks = "nearest" in str(image.document.get("type")).lower()
    for first, level, ratios in _ratios(image):
        moved = zip(first.translation or (), level.translation or (), first.scale or (), ratios, strict=True)
        shifts = [((b - a) / size, ratio) for a, b, size, ratio in moved]
        if not all(_centred(shift, ratio, picks) for shift, ratio in shifts):
            got, wanted = [round(shift, 4) for shift, _ in shifts], [round((ratio - 1) / 2, 4) for _, ratio in shifts]
            what = f"The first pixel lies {show(got)} pixels of the first level further in, not {show(wanted)}."
            yield level.where, what, "Add the difference to the translation of the level, times the first scale."
            return


def _centred(shift: float, ratio: float, picks: bool) -> bool:
    """Return whether a shift leads to the centre of a window or, if pixels are picked, to one of its pixels."""
    if picks and 0 <= shift <= ratio - 1 + 1e-6 and abs(shift - round(shift)) < 1e-6:
        return True
    return abs(shift - (ratio - 1) / 2) <= 0.05 * max(ratio, 1)


def omero_findings(omero: Any, images: list[ImageFacts]) -> Iterator[Finding]:
    if images and images[0].arrays and isinstance(part_of(omero, "channels"), (list, tuple)):
        yield from OMERO(omero, images[0])


OMERO = Rules("image", STORE_RULES)


@OMERO.must("omero-channel-count", at="/.document.omero.channels[1]", wrong=MISSING)
def _channel_count(omero: Mapping[str, Any], image: ImageFacts) -> Faults:
    """ "channels": [  # Array matching the c dimension size"""
    axes = [axis for _, axis in entries(image.document.get("axes"), "")]
    at = [i for i, axis in enumerate(axes) if axis.get("type") == "channel" or axis.get("name") == "c"]
    count = (image.arrays[0].shape or ())[at[0]] if at else 1
    if len(omero["channels"]) != count:
        what = f"omero must describe every channel (got {len(omero['channels'])} for {count})."
        yield f"{image.where.partition(':')[0]}: omero.channels", what, "Describe each channel once, in their order."


# Labels ------------------------------------------------------------------------------------------------------------


LABEL = Rules("image", STORE_RULES)


@LABEL.must("label-dtype", at="/labels/cells/0.dtype", wrong="float32")
def _label_dtype(label: ImageFacts, image: ImageFacts | None) -> Faults:
    """The pixels of the label images MUST be integer data types, i.e. one of uint8, int8, uint16, int16, uint32, int32,
    uint64, int64."""
    for level in label.levels:
        if level.shape is not None and getattr(level.dtype, "kind", "") not in ("i", "u"):
            what = f"Labels must be integers of 8 to 64 bits (got {level.dtype})."
            yield level.where, what, "Round the pixels to whole numbers and convert them to an unsigned integer type."


@LABEL.must("label-datasets", at="/labels/cells.document.multiscales[0].datasets[1]", wrong=MISSING)
def _label_datasets(label: ImageFacts, image: ImageFacts | None) -> Faults:
    """The JSON array associated with the `datasets` key MUST have the same number of entries (scale levels) as the
    original unlabeled image."""
    if image is not None:
        here, there = (len(entries(i.document.get("datasets"), "")) for i in (label, image))
        if here != there and here and there:
            what = f"A label image must have as many levels as its image (got {here} and {there})."
            yield f"{label.where}.datasets", what, "Write the label image again with the scale factors of the image."


@LABEL.should("label-shape", at="/labels/cells/0.shape", wrong=[1, 1, 4, 7, 8])
def _label_shape(label: ImageFacts, image: ImageFacts | None) -> Faults:
    """Each dimension of the label should be either the same as the corresponding dimension of the image, or 1 if that
    dimension of the label is irrelevant."""
    for level, of in _pairs(label, image):
        lengths = image.along(of.shape) if image is not None else {}
        wrong = [
            f"{name}: {n}, not {lengths.get(name, 1)}"
            for name, n in label.along(level.shape).items()
            if n not in (1, lengths.get(name, 1))
        ]
        if wrong:
            what = f"The shape of the label image differs from that of its image ({'; '.join(wrong)})."
            yield level.where, what, "Make the labels from the stored image, level by level."


def _pairs(label: ImageFacts, image: ImageFacts | None) -> list[tuple[LevelFacts, LevelFacts]]:
    """Pair the levels of a label image with those of its image; only the first if their numbers differ."""
    if image is None:
        return []
    pairs = list(zip(label.levels, image.levels, strict=False))
    if len(label.levels) != len(image.levels):
        pairs = pairs[:1]
    return [(level, of) for level, of in pairs if label.fits(level) and image.fits(of)]


LABEL_VALUES = Rules("image", STORE_RULES)


@LABEL_VALUES.note(
    "label-same-values",
    "Where labels have both colors and properties, some readers (ome-zarr-models, ngio) refuse them unless these are "
    "of the same labels.",
    at="/labels/cells.document.image-label.colors[1].label-value",
    wrong=3,
)
def _same_values(where: str, label: Any) -> Faults:
    colors, properties = (set(labels_of_entries(part_of(label, key))) for key in ("colors", "properties"))
    if colors and properties and colors != properties:
        what = f"colors and properties are not of the same labels ({show(min(colors ^ properties))} is in one alone)."
        yield f"{where}: image-label", what, 'Add entries with "label-value" alone to the other.'


@LABEL.note(
    "label-place",
    at="/labels/cells.document.multiscales[0].datasets[0].coordinateTransformations[0].scale",
    wrong=[1.0, 1.0, 1.0, 0.25, 0.25],
)
def _label_place(label: ImageFacts, image: ImageFacts | None) -> Faults:
    """A label image is in the same coordinate system as its image: along an axis on which they have the same number of
    pixels, these have the same size."""
    for level, of in _pairs(label, image)[:1]:
        if image is None or level.scale is None or of.scale is None:
            return
        lengths, sizes, wanted = label.along(level.shape), label.along(level.scale), image.along(of.scale)
        alike = [name for name, n in image.along(of.shape).items() if lengths.get(name) == n]
        wrong = [
            f"{name}: {sizes[name]:g}, not {wanted[name]:g}"
            for name in alike
            if not math.isclose(sizes[name], wanted[name], rel_tol=1e-6)
        ]
        if wrong:
            what = f"The pixel sizes of the label image differ from those of its image ({'; '.join(wrong)})."
            yield level.where, what, "Give the label image the scale and translation of its image."
