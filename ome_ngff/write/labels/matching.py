"""The levels that labels must have so that they line up with those of their image."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...exceptions import LabelError
from ...spec import Scale, Transformation, Translation

Shape = tuple[int, ...]
Numbers = tuple[float, ...]


@attrs.frozen
class ReferenceLevels:
    """Say which levels labels must have so that they line up with those of their image.

    Attributes:
        image: where the image is.
        shapes: of all levels, along the axes of the labels. scales, translations: those of the image, likewise.
        ladder: factors relative to level 0, for each further level; None where they are no whole numbers.
    """

    image: str
    shapes: tuple[Shape, ...]
    scales: tuple[Numbers, ...]
    translations: tuple[Numbers, ...]
    ladder: tuple[Shape, ...] | None

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
            if self.ladder is None:
                raise LabelError(
                    f"The image {self.image} has {_levels(self.shapes)}: no whole factors lead from one to the next. "
                    "Make the labels' levels without inventing values, such as with dask_utils.resize(..., order=0, "
                    "anti_aliasing=False), and pass them to write_multiscale_labels."
                )
            return self.ladder
        first = self.shapes[0]
        theirs = [first, *(tuple(-(-n // f) for n, f in zip(first, factors, strict=True)) for factors in ladder)]
        near = len(theirs) == len(self.shapes) and all(
            all(leads(n, f, w) for n, f, w in zip(first, factors, wanted, strict=True))
            for factors, wanted in zip(ladder, self.shapes[1:], strict=True)
        )
        if not near:
            raise LabelError(
                f"The image {self.image} has {_levels(self.shapes)}, the labels would have {_levels(theirs)}. Leave "
                "out scale_factors and scaler to make the image's."
            )
        return ladder

    def transformations(self, scale: Sequence[float], translation: Sequence[float]) -> list[list[Transformation]]:
        """Place levels as those of the image lie, where level 0 has this pixel size and position."""
        found: list[list[Transformation]] = []
        for sizes, starts in zip(self.scales, self.translations, strict=True):
            there = zip(sizes, starts, scale, translation, self.scales[0], self.translations[0], strict=True)
            placed = [
                (size, start) if (own, begin) == (first, origin)
                else (size / first * own, begin + (start - origin) / first * own)
                for size, start, own, begin, first, origin in there
            ]  # fmt: skip
            found.append([Scale([size for size, _ in placed]), Translation([start for _, start in placed])])
        return found


def leads(full: int, factor: int, part: int) -> bool:
    """Tell whether a factor leads from a length to another one, the last window kept or left out."""
    return part in (-(-full // factor), max(1, full // factor))


def _levels(shapes: Sequence[Sequence[int]]) -> str:
    listed = ", ".join("x".join(map(str, shape)) for shape in shapes)
    return f"{len(shapes)} level{'s' * (len(shapes) > 1)} ({listed})"
