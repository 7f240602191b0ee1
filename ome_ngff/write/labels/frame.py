"""What labels take over from the image that they are laid on: axes, pixel sizes, position, levels, chunks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ...exceptions import LabelError
from ...read import StoredImage
from ...spec import SPATIAL, Axes, Axis, full_unit
from ...store import Target
from .matching import Numbers, ReferenceLevels, Shape, leads

if TYPE_CHECKING:
    from ...spec import AxesLike, PerAxis
    from ...store import Layout


@attrs.frozen
class Laid:
    """Hold the arguments of a write, completed by what the image knows; `pattern` is what the levels must be like."""

    axes: Any
    scale: Any
    translation: Any
    layout: Layout
    pattern: ReferenceLevels | None = None


@attrs.frozen
class Frame:
    """Hold what an image knows of its geometry; no pixels are read.

    Attributes:
        where: place of the image. axes: its axes. chunks: lengths of a chunk of level 0.
        shapes, scales, translations: of each level, one number per axis.
    """

    where: str
    axes: tuple[Axis, ...]
    chunks: Shape
    shapes: tuple[Shape, ...]
    scales: tuple[Numbers, ...]
    translations: tuple[Numbers, ...]

    @classmethod
    def of(cls, target: Target) -> Frame | None:
        """Read the frame of an image, or of one whose write is under way; None where there is no image.

        Of several multiscales, labels belong to the first, which is the one that viewers show.

        Raises:
            LabelError: the group is a plate, a well or the group of the labels.
            NgffError: the image cannot be understood, or a level of it is not there; see `StoredImage.of`.
        """
        document = target.document if target.mark is None else target.fmt.unwrap(target.mark.get("metadata") or {})
        if "multiscales" not in document:
            _refuse_group(target, document)
            return None
        found = StoredImage.of(target, unfinished=True)
        lies = [found.geometry(k) for k in range(len(found.arrays))]
        return cls(
            str(target),
            Axes(found.metadata.axes, ndim=found.arrays[0].ndim).items,
            tuple(found.arrays[0].chunks),
            tuple(tuple(array.shape) for array in found.arrays),
            tuple(tuple(scale) for scale, _ in lies),
            tuple(tuple(translation) for _, translation in lies),
        )

    def lay(
        self,
        shape: Sequence[int],
        layout: Layout,
        axes: AxesLike | None = None,
        scale: PerAxis | None = None,
        translation: PerAxis | None = None,
        axes_units: Mapping[str, str] | None = None,
    ) -> Laid:
        """Complete the arguments of a write of labels of this shape: what is given wins, axis by axis.

        Raises:
            LabelError: axes or shape contradict the image, or a unit is given for a pixel size that is not.
        """
        given = Axes(axes, ndim=len(shape)) if axes is not None else None
        at = self._matched(shape) if given is None else self._named(given, shape)
        names = [self.axes[i].name for i in at]
        own = [
            self._axis(i, said, (axes_units or {}).get(name), scale is None or name not in _said(scale, names))
            for i, said, name in zip(at, given or [None] * len(at), names, strict=True)
        ]
        return Laid(
            axes=own,
            scale=_completed(scale, names, [self.scales[0][i] for i in at]),
            translation=_completed(translation, names, [self.translations[0][i] for i in at]),
            layout=self._stored(layout, names, at),
            pattern=self._pattern(shape, at),
        )

    def _axis(self, at: int, said: Axis | None, unit: str | None, takes_size: bool) -> Axis:
        """Complete what is said of an axis.

        Raises:
            LabelError: the unit is another one than that of the pixel size that is taken over.
        """
        mine = self.axes[at]
        unit = full_unit(unit) or (said.unit if said else None) or mine.unit
        if takes_size and mine.unit is not None and unit != mine.unit:
            raise LabelError(
                f"The labels are to be in {unit!r} along {mine.name}, but the pixel size of the image {self.where} is "
                f"in {mine.unit!r}. Say their scale, too, or leave out the unit."
            )
        return attrs.evolve(mine, unit=unit, orientation=(said.orientation if said else None) or mine.orientation)

    def _named(self, given: Axes, shape: Sequence[int]) -> list[int]:
        """Give the place in the image of each axis that is named.

        Raises:
            LabelError: the image does not have it, or has another length there.
        """
        names = [axis.name for axis in self.axes]
        foreign = [name for name in given.names if name not in names]
        if foreign:
            raise LabelError(
                f"The labels have the axis {foreign[0]!r}, but the image {self.where} has the axes {','.join(names)}."
            )
        at = [names.index(name) for name in given.names]
        if not self._fits(shape, at):
            raise LabelError(
                f"The labels have {_lengths(given.names, shape)}, but the image {self.where} has "
                f"{_lengths(names, self.shapes[0])}; labels are as long along each axis, or 1 where it is not y or x."
            )
        return at

    def _matched(self, shape: Sequence[int]) -> list[int]:
        """Find the axes of labels by their lengths: those that are all there, else those of which some have length 1.

        Raises:
            LabelError: no axes of the image are as long, or there are several ways.
        """
        names, first = [axis.name for axis in self.axes], self.shapes[0]
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
                f"Labels of the shape {tuple(shape)} do not fit the image {self.where}, which has "
                f"{_lengths(names, first)}. They are as long along each axis, or 1 where it is not y or x; say axes= "
                "if they lack some."
            )
        in_doubt = set().union(*ways).difference(*(set(ways[0]) & set(way) for way in ways))
        if len(ways) > 1 and any(first[i] > 1 for i in in_doubt):
            choices = " or ".join(repr("".join(names[i] for i in way)) for way in ways)
            raise LabelError(
                f"Labels of the shape {tuple(shape)} fit the image {self.where}, which has "
                f"{_lengths(names, first)}, in several ways; say axes={choices}."
            )
        return list(ways[-1])

    def _fits(self, shape: Sequence[int], at: Sequence[int]) -> bool:
        """Tell whether each length is that of the image, or 1 along an axis that can be without meaning."""
        first = self.shapes[0]
        return all(
            n == first[i] or (n == 1 and self.axes[i].name not in ("y", "x")) for n, i in zip(shape, at, strict=True)
        )

    def _stored(self, layout: Layout, names: Sequence[str], at: Sequence[int]) -> Layout:
        """Take over the chunks, unless chunks, or shards that they may not divide, are given."""
        said = any(option.get("chunks") or option.get("shards") not in (None, "auto") for option in layout.options)
        if said or layout.chunks is not None or layout.shards not in (None, "auto"):
            return layout
        return attrs.evolve(layout, chunks={name: self.chunks[i] for name, i in zip(names, at, strict=True)})

    def _pattern(self, shape: Sequence[int], at: Sequence[int]) -> ReferenceLevels:
        shapes = tuple(tuple(min(n, s[i]) for n, i in zip(shape, at, strict=True)) for s in self.shapes)
        scales, translations = (
            tuple(tuple(numbers[i] for i in at) for numbers in of) for of in (self.scales, self.translations)
        )
        ladder = tuple(tuple(self._factor(k, i) for i in at) for k in range(1, len(self.shapes)))
        usable = all(all(factors) for factors in ladder)
        return ReferenceLevels(self.where, shapes, scales, translations, ladder if usable else None)

    def _factor(self, level: int, axis: int) -> int:
        """Give the whole number of pixels of level 0 per pixel of a level; 0 where there is none."""
        full, part = self.shapes[0][axis], self.shapes[level][axis]
        ratio = self.scales[level][axis] / self.scales[0][axis] if self.scales[0][axis] else 1.0
        if self.axes[axis].name not in SPATIAL:
            return int(full == part)
        guesses = [round(r) for r in (ratio, full / part) if math.isfinite(r)]
        return next((f for f in guesses if f > 0 and leads(full, f, part)), 0)


def _refuse_group(target: Target, document: Mapping[str, Any]) -> None:
    """Raise `LabelError` for a group that holds no labels of its own."""
    for key, what in {
        "plate": "a plate; write labels into one of its fields, such as A/1/0",
        "well": "a well; write labels into one of its fields, such as 0",
        "labels": "the group of an image's labels; write labels into the image, one level up",
    }.items():
        if key in document:
            raise LabelError(f"{target} is {what}.")


def _said(given: PerAxis, names: Sequence[str]) -> Sequence[str]:
    """Give the axes that values are given for."""
    return list(given) if isinstance(given, Mapping) else names


def _completed(given: Any, names: Sequence[str], known: Sequence[float]) -> Any:
    """Complete numbers by axis; others stay, to be checked where all are."""
    if given is None:
        given = {}
    return {**dict(zip(names, known, strict=True)), **given} if isinstance(given, Mapping) else given


def _lengths(names: Sequence[str], shape: Sequence[int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in zip(names, shape, strict=True))
