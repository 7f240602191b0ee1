"""What labels take over from the image that they belong to: axes, pixel sizes, position, levels, chunks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import attrs

from ...exceptions import LabelError
from ...read import StoredImage
from ...spec import (
    SPATIAL,
    Axes,
    AxesLike,
    Axis,
    PerAxis,
    Placement,
    Scale,
    Translation,
    UnitsLike,
    is_image,
    parse_numbers,
    parse_units,
)
from ...store import Layout, Target

Shape = tuple[int, ...]
Numbers = tuple[float, ...]


@attrs.frozen
class ReferenceLevels:
    """Hold the geometry of an image, which its labels have to line up with; no pixels are read.

    Attributes:
        image: where the image is. axes: its axes, or those that labels have. chunks: lengths of a chunk of level 0.
        shapes, scales, translations: of each level, one number per axis.
        ladder: factors of each further level relative to level 0; 0 where they are not whole numbers.
    """

    image: str
    axes: tuple[Axis, ...]
    chunks: Shape
    shapes: tuple[Shape, ...]
    scales: tuple[Numbers, ...]
    translations: tuple[Numbers, ...]
    ladder: tuple[Shape, ...]

    @classmethod
    def of(cls, target: Target) -> ReferenceLevels | None:
        """Read the geometry of an image, or of one whose write is under way; None where there is no image.

        Of several multiscales, labels belong to the first, which is the one that viewers show.

        Raises:
            LabelError: the group is a plate, a well or the group of the labels.
            NgffError: the image cannot be understood, or a level of it is not there; see `StoredImage.of`.
        """
        if not is_image(target.image_document):
            _refuse_group(target)
            return None
        found = StoredImage.of(target, unfinished=True)
        return cls.of_stored(found)

    @classmethod
    def of_stored(cls, found: StoredImage) -> ReferenceLevels:
        """Return the geometry of an image whose levels are open."""
        axes = Axes(found.metadata.axes, ndim=found.arrays[0].ndim).items
        shapes = tuple(tuple(array.shape) for array in found.arrays)
        placed = [found.geometry(k) for k in range(len(shapes))]
        scales = tuple(tuple(scale) for scale, _ in placed)
        ladder = tuple(
            tuple(map(_factor, axes, shapes[0], shape, scales[0], scale))
            for shape, scale in zip(shapes[1:], scales[1:], strict=True)
        )
        translations = tuple(tuple(translation) for _, translation in placed)
        return cls(str(found.target), axes, tuple(found.arrays[0].chunks), shapes, scales, translations, ladder)

    @property
    def names(self) -> list[str]:
        """Names of the axes."""
        return [axis.name for axis in self.axes]

    def complete(
        self,
        shape: Sequence[int],
        layout: Layout,
        axes: AxesLike | None = None,
        scale: PerAxis | None = None,
        translation: PerAxis | None = None,
        axes_units: UnitsLike | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of a write of labels of this shape, completed: what is given wins, axis by axis.

        Raises:
            LabelError: axes or shape contradict the image, or a unit is given without its pixel size.
        """
        given = Axes(axes, ndim=len(shape)) if axes is not None else None
        own = self._along(self._matched(shape) if given is None else self._named(given, shape), shape)
        sizes, starts = parse_numbers(scale, own.axes, "scale"), parse_numbers(translation, own.axes, "translation")
        units = parse_units(axes_units, own.axes)
        return {
            "axes": [
                own._axis(name, axis, units.get(name), sized=name in sizes)
                for name, axis in zip(own.names, given or [None] * len(shape), strict=True)
            ],
            "axes_units": None,
            "scale": {**dict(zip(own.names, own.scales[0], strict=True)), **sizes},
            "translation": {**dict(zip(own.names, own.translations[0], strict=True)), **starts},
            "layout": own._stored(layout),
            "reference": own,
        }

    def _along(self, at: Sequence[int], shape: Sequence[int]) -> ReferenceLevels:
        """Return the levels of labels of a shape, whose axes are those at these places."""

        def picked(rows: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
            return tuple(tuple(row[i] for i in at) for row in rows)

        (axes,), (chunks,) = picked([self.axes]), picked([self.chunks])
        shapes = tuple(tuple(map(min, shape, level)) for level in picked(self.shapes))
        scales, translations, ladder = map(picked, (self.scales, self.translations, self.ladder))
        return ReferenceLevels(self.image, axes, chunks, shapes, scales, translations, ladder)

    def _axis(self, name: str, given: Axis | None, unit: str | None, *, sized: bool) -> Axis:
        """Complete an axis whose pixel size is given (`sized`) or taken over, and then in the unit of the image."""
        mine = self.axes[self.names.index(name)]
        unit = unit or (given.unit if given else None) or mine.unit
        if not sized and mine.unit is not None and unit != mine.unit:
            raise LabelError(
                f"The labels are to be in {unit!r} along {name}, but the pixel size of the image {self.image} is "
                f"in {mine.unit!r}. Give their scale, too, or leave out the unit."
            )
        return attrs.evolve(mine, unit=unit, orientation=(given.orientation if given else None) or mine.orientation)

    def _named(self, given: Axes, shape: Sequence[int]) -> list[int]:
        names = self.names
        foreign = [name for name in given.names if name not in names]
        if foreign:
            raise LabelError(
                f"The labels have the axis {foreign[0]!r}, but the image {self.image} has the axes {','.join(names)}."
            )
        at = [names.index(name) for name in given.names]
        if not self._fits(shape, at):
            raise LabelError(
                f"The labels have {_lengths(given.names, shape)}, but the image {self.image} has "
                f"{_lengths(names, self.shapes[0])}; labels are as long along each axis, or 1 where it is not y or x."
            )
        return at

    def _matched(self, shape: Sequence[int]) -> list[int]:
        """Find the axes of labels by their lengths: all as long as those of the image, else some of length 1."""
        names, first = self.names, self.shapes[0]
        ways = [
            way
            for way in itertools.combinations(range(len(first)), len(shape))
            if {"y", "x"} & set(names) <= {names[i] for i in way}
            and sum(self.axes[i].type == "space" for i in way) >= 2
            and self._fits(shape, way)
        ]
        equal = [sum(n == first[i] for i, n in zip(way, shape, strict=True)) for way in ways]
        ways = [way for way, count in zip(ways, equal, strict=True) if count == max(equal)]
        if not ways:
            raise LabelError(
                f"Labels of the shape {tuple(shape)} do not fit the image {self.image}, which has "
                f"{_lengths(names, first)}. They are as long along each axis, or 1 where it is not y or x; give axes= "
                "if they lack some."
            )
        in_doubt = set().union(*ways).difference(*(set(ways[0]) & set(way) for way in ways))
        if len(ways) > 1 and any(first[i] > 1 for i in in_doubt):
            choices = " or ".join(repr("".join(names[i] for i in way)) for way in ways)
            raise LabelError(
                f"Labels of the shape {tuple(shape)} fit the image {self.image}, which has "
                f"{_lengths(names, first)}, in several ways; give axes={choices}."
            )
        return list(ways[-1])

    def _fits(self, shape: Sequence[int], at: Sequence[int]) -> bool:
        """Return whether each length is that of the image, or 1 along an axis that labels may lack."""
        first = self.shapes[0]
        return all(
            n == first[i] or (n == 1 and self.axes[i].name not in ("y", "x")) for n, i in zip(shape, at, strict=True)
        )

    def _stored(self, layout: Layout) -> Layout:
        """Take over the chunks, unless chunks, or shards that they may not divide, are given."""
        optional = any(option.get("chunks") or option.get("shards") not in (None, "auto") for option in layout.options)
        if optional or layout.chunks is not None or layout.shards not in (None, "auto"):
            return layout
        return attrs.evolve(layout, chunks=dict(zip(self.names, self.chunks, strict=True)))

    def refuse_other(self, shapes: Sequence[Sequence[int]]) -> None:
        """Raise `LabelError` where levels that are given are not of these shapes."""
        found = tuple(tuple(shape) for shape in shapes)
        if found != self.shapes:
            raise LabelError(
                f"The image {self.image} has {_levels(self.shapes)}, the labels have {_levels(found)}. write_labels "
                "makes levels that line up."
            )

    def fitting(self, ladder: Sequence[Shape] | None) -> Sequence[Shape]:
        """Return the ladder that was asked for, once it leads to these shapes, or else the image's own.

        Raises:
            LabelError: it leads to others, or no whole factors lead to them.
        """
        if ladder is None:
            if not all(map(all, self.ladder)):
                raise LabelError(
                    f"The image {self.image} has {_levels(self.shapes)}: no whole factors lead from one to the next. "
                    "Make the labels' levels without inventing values, such as with dask_utils.resize(..., order=0, "
                    "anti_aliasing=False), and pass them to write_multiscale_labels."
                )
            return self.ladder
        first = self.shapes[0]
        theirs = [first, *(tuple(-(-n // f) for n, f in zip(first, factors, strict=True)) for factors in ladder)]
        near = len(theirs) == len(self.shapes) and all(
            all(map(_leads, first, factors, wanted)) for factors, wanted in zip(ladder, self.shapes[1:], strict=True)
        )
        if not near:
            raise LabelError(
                f"The image {self.image} has {_levels(self.shapes)}, the labels would have {_levels(theirs)}. Leave "
                "out scale_factors and scaler to make the image's."
            )
        return ladder

    def transformations(self, scale: Sequence[float], translation: Sequence[float]) -> list[list[Placement]]:
        """Place levels like those of the image, where level 0 has this pixel size and position."""
        found: list[list[Placement]] = []
        for sizes, starts in zip(self.scales, self.translations, strict=True):
            there = zip(sizes, starts, scale, translation, self.scales[0], self.translations[0], strict=True)
            placed = [
                (size, start) if (own, begin) == (first, origin)
                else (size / first * own, begin + (start - origin) / first * own)
                for size, start, own, begin, first, origin in there
            ]  # fmt: skip
            found.append([Scale([size for size, _ in placed]), Translation([start for _, start in placed])])
        return found


def _leads(full: int, factor: int, part: int) -> bool:
    """Return whether a factor leads from a length to another one, the last window kept or left out."""
    return part in (-(-full // factor), max(1, full // factor))


def _factor(axis: Axis, full: int, part: int, first: float, size: float) -> int:
    """Return the whole number of pixels of level 0 per pixel of a level, from lengths and pixel sizes; 0 for none."""
    if axis.name not in SPATIAL:
        return int(full == part)
    guesses = [round(ratio) for ratio in (size / first if first else 1.0, full / part) if math.isfinite(ratio)]
    return next((factor for factor in guesses if factor > 0 and _leads(full, factor, part)), 0)


def _refuse_group(target: Target) -> None:
    """Raise `LabelError` for a group that holds no labels of its own."""
    for key, what in {
        "plate": "a plate; write labels into one of its fields, such as A/1/0",
        "well": "a well; write labels into one of its fields, such as 0",
        "labels": "the group of an image's labels; write labels into the image, one level up",
    }.items():
        if key in target.image_document:
            raise LabelError(f"{target} is {what}.")


def _lengths(names: Sequence[str], shape: Sequence[int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in zip(names, shape, strict=True))


def _levels(shapes: Sequence[Sequence[int]]) -> str:
    listed = ", ".join("x".join(map(str, shape)) for shape in shapes)
    return f"{len(shapes)} level{'s' * (len(shapes) > 1)} ({listed})"
