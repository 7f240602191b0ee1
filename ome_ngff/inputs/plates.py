"""Plates made from files: each field, or each well that is stitched, is one conversion of a batch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs

from ..exceptions import InputError
from ..image import NgffImage, stitched
from ..text import listed
from ..write import FieldPlace, create_plate
from . import verification
from .arrange import even_step
from .batch import Batch
from .conversion import DraftedImage
from .drafting import adjusted, drafted_image
from .expansion import Item
from .open import open_input
from .originals import Original
from .planes import Planes, line_of
from .sequence import open_planes
from .wells import PlaneFile, found_planes

Lines = Mapping[str, Sequence[int | str]]
_MOST_NAMED = 5


@attrs.frozen
class FieldFiles:
    """Hold the files of a field, and what its planes count.

    Attributes:
        planes: the files. lines: values along each axis that is counted, in their order.
    """

    planes: tuple[PlaneFile, ...]
    lines: Lines = attrs.field(hash=False)

    @property
    def missing(self) -> str:
        """The planes that the field lacks, in words; empty where it has all."""
        there = {tuple(plane.at.get(axis) for axis in self.lines) for plane in self.planes}
        lost = [place for place in itertools.product(*self.lines.values()) if place not in there]
        shown = []
        for place in lost[:_MOST_NAMED]:
            likeness = [sum(p.at.get(a) == v for a, v in zip(self.lines, place, strict=True)) for p in self.planes]
            plane = self.planes[likeness.index(max(likeness))]
            shown.append(plane.renamed(dict(zip(self.lines, place, strict=True))))
        more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
        return f"{', '.join(shown)}{more}" if lost else ""

    def open(self, where: str, name: str, series: Any, axes: Any) -> NgffImage:
        """Open the field, lazily.

        Raises:
            InputError: planes are missing, or differ.
        """
        if self.missing:
            raise InputError(f"Planes of {name} are missing: {self.missing}.")
        first = self.planes[0]
        if not self.lines:
            image = open_input(first.path, series=series, axes=axes)
        elif any("://" in plane.path for plane in self.planes):
            raise InputError(f"{first.path} is behind a URL, where a file has to be a whole field; download it first.")
        else:
            places = {tuple(plane.at[axis] for axis in self.lines): plane for plane in self.planes}
            ordered = [places[place] for place in itertools.product(*self.lines.values())]
            folder = os.path.commonpath([os.path.dirname(os.path.abspath(plane.path)) for plane in ordered])
            names = tuple(os.path.relpath(plane.path, folder) for plane in ordered)
            seen = {plane.at.get("c"): plane.channel() for plane in reversed(ordered)}
            channels = tuple(seen[value] for value in self.lines["c"]) if "c" in self.lines else None
            grid = tuple(map(len, self.lines.values()))
            image = open_planes(folder, Planes(names, grid, tuple(self.lines), channels), where, name, series, axes)
        image = self._indexed(image)
        position = {axis: at for axis, at in first.position.items() if axis in image.dims}
        moved = {**(image.translation or {}), **position} if position else image.translation
        return attrs.evolve(image, name=name, translation=moved)

    def _indexed(self, image: NgffImage) -> NgffImage:
        first = next((plane.index for plane in self.planes if plane.index), None)
        if first is None:
            return image
        heights = {plane.at.get("z"): plane.index.height for plane in self.planes if plane.index}
        known = [heights[z] for z in self.lines.get("z", ()) if heights.get(z) is not None]
        step = even_step([height for height in known if height is not None])
        scale = {**first.scale, **({"z": step} if step and "z" in self.lines else {})}
        return attrs.evolve(
            image,
            scale={**(image.scale or {}), **scale},
            axes_units={**(image.axes_units or {}), **dict.fromkeys(scale, "micrometer")},
            translation={**(image.translation or {}), **(first.position if first.scale else {})},
        )


@attrs.frozen
class FieldItem(Item):
    """Name one field of a plate, or one stitched well: the files, and where it goes.

    Attributes:
        plate: the group of the plate. well: path of the well. field, acquisition: as `write_field` has them.
        files: those of each field; of one, unless a well is stitched. overlap: as in `stitched`.
    """

    plate: str = attrs.field(kw_only=True)
    well: str = attrs.field(kw_only=True)
    field: str = attrs.field(kw_only=True)
    acquisition: int | None = attrs.field(kw_only=True)
    files: tuple[FieldFiles, ...] = attrs.field(kw_only=True, hash=False, repr=False)
    overlap: Literal["last", "mean"] | None = attrs.field(kw_only=True, default=None)

    @property
    def size(self) -> int:
        paths = [plane.path for each in self.files for plane in each.planes]
        return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))

    def draft(self, *, overwrite: bool, **words: Any) -> DraftedImage:
        """Parse the conversion; the arguments are those of `drafted`."""
        image, plate = self.open(words), self.from_here(self.plate)
        place = FieldPlace.of(plate, self.well, self.field, self.acquisition, words.get("fmt"), overwrite=overwrite)
        original = Original.of(self.files[0].planes[0].path, image, words.get("series"))
        rest = {key: value for key, value in words.items() if key not in ("series", "axes", "scale", "axes_units")}
        draft = drafted_image(image, self.input, place.target, original, **{"omero": True, "labels": False, **rest})
        return attrs.evolve(draft, request=place.listed(draft.request))

    def open(self, words: Mapping[str, Any]) -> NgffImage:
        """Open the field, or the fields of a well that is stitched as one; pixel sizes that are said hold for each."""
        name, images = f"{self.well}/{self.field}", []
        for each in self.files:
            said = {**words, **each.planes[0].words}
            image = each.open(self.input, name, said.get("series"), said.get("axes"))
            images.append(adjusted(image, scale=said.get("scale"), axes_units=said.get("axes_units")))
        return images[0] if self.overlap is None else stitched(images, self.overlap, f"the well {self.well}")

    def verify(self, words: Mapping[str, Any]) -> None:
        """Compare the image with its files."""
        place = FieldPlace.of(self.from_here(self.plate), self.well, self.field, self.acquisition, None)
        verification.compared(self.open(words), self.input, place.target, None)


def plate_batch(
    given: str | os.PathLike[str],
    plate: str | os.PathLike[str],
    *,
    layout: str | None = None,
    name: str | None = None,
    fmt: Any = None,
    overlap: Literal["last", "mean"] | None = None,
    dry_run: bool = False,
) -> Batch:
    """Find the fields of a plate in files, and make the plate where its layout or name is said.

    Args:
        given: a manifest, a pattern with placeholders, or a folder. plate: the group of the plate.
        layout: of the physical plate, such as "96-well"; None takes the rows and columns that have images.
        overlap: stitches the fields of each well: "last" or "mean", as in `stitched`. dry_run: makes nothing.

    Raises:
        MissingError: there is no file. InputError: names are not understood, or two files are one plane.
        OptionError: a manifest is not understood. ExistsError: there is something else than this plate.
    """
    planes, said = found_planes(os.fspath(given))
    items = list(_items(planes, os.fspath(plate), overlap))
    first = items[0]
    FieldPlace.of(first.plate, first.well, first.field, first.acquisition, fmt)
    if (layout or name) and not dry_run:
        create_plate(plate, *_layout(layout), name=name, fmt=fmt)
    wells = list(dict.fromkeys(item.well for item in items))
    counts = f"{len(wells)} wells ({listed(wells, 4, ', ')}), {len(items)} {'images' if overlap else 'fields'}"
    lacking = [item for item in items if any(each.missing for each in item.files)]
    note = f"; {len(lacking)} of them lack planes" if lacking else ""
    return Batch(tuple(items), (f"{said}: {counts}{note}",), scattered=True)


def _layout(layout: str | None) -> tuple[Any, ...]:
    rows, _, columns = (layout or "").partition("x")
    return (int(rows), int(columns)) if rows.isdecimal() and columns.isdecimal() else (layout,)


def _items(planes: Sequence[PlaneFile], plate: str, overlap: Literal["last", "mean"] | None) -> Iterator[FieldItem]:
    acquisitions = sorted({plane.acquisition or 0 for plane in planes})
    numbers = [plane.field for plane in planes if isinstance(plane.field, int)]
    room = max(numbers, default=0) + 1
    for index, acquisition in enumerate(acquisitions):
        mine = [plane for plane in planes if (plane.acquisition or 0) == acquisition]
        lines = _lines(mine)
        wells: dict[tuple[int, str, int], dict[int | str, list[PlaneFile]]] = {}
        for plane in mine:
            row, column = plane.well
            wells.setdefault((len(row), row, column), {}).setdefault(plane.field, []).append(plane)
        for (_, row, column), fields in sorted(wells.items()):
            files = {
                field: _files(fields[field], lines, f"{row}/{column}, field {field}")
                for field in sorted(fields, key=lambda field: (isinstance(field, str), field))
            }
            more = {"plate": plate, "well": f"{row}/{column}", "acquisition": acquisition, "overlap": overlap}
            if overlap:
                yield _item(str(index), tuple(files.values()), more)
                continue
            for field, each in files.items():
                called = str(field + index * room) if isinstance(field, int) else field
                yield _item(called, (each,), more)


def _item(field: str, files: tuple[FieldFiles, ...], more: Mapping[str, Any]) -> FieldItem:
    planes = [plane for each in files for plane in each.planes]
    count = f" and {len(planes) - 1} more" if len(planes) > 1 else ""
    output = f"{more['plate'].rstrip('/')}/{more['well']}/{field}"
    return FieldItem(f"{planes[0].path}{count}", output, planes[0].words, field=field, files=files, **more)


def _lines(planes: Sequence[PlaneFile]) -> Lines:
    """Return the values along each axis that an acquisition counts: what one field has, the others have to have."""
    found: dict[str, Sequence[Any]] = {}
    for axis in "tcz":
        values: list[Any] = list(dict.fromkeys(plane.at[axis] for plane in planes if axis in plane.at))
        if all(isinstance(value, int) for value in values):
            values = list(line_of(sorted(values), axis != "c"))
        if len(values) > 1 or (axis == "c" and values):
            without = next((plane.path for plane in planes if axis not in plane.at), None)
            if without is not None:
                raise InputError(f"{without!r} says no {axis}, and other planes of the plate do; say it of all.")
            found[axis] = values
    return found


def _files(planes: Sequence[PlaneFile], lines: Lines, where: str) -> FieldFiles:
    """Put the planes of a field together.

    Raises:
        InputError: two are the same.
    """
    places: dict[tuple[Any, ...], PlaneFile] = {}
    for plane in planes:
        twin = places.setdefault(tuple(plane.at.get(axis) for axis in lines), plane)
        if twin is not plane:
            raise InputError(
                f"{twin.path!r} and {plane.path!r} are the same plane of {where}; tell them apart by channel, z or t."
            )
        if plane.words != planes[0].words:
            raise InputError(
                f"The manifest says other things of {plane.path!r} than of {planes[0].path!r}, both planes of {where}; "
                "series, axes, scale and the like are those of the whole field."
            )
    return FieldFiles(tuple(planes), lines)
