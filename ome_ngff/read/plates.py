"""`open_plate`: wells and fields of a plate by their names, each image opened when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any, Literal

import attrs
from zarr.storage import StorePath

from ..config import config
from ..exceptions import FormatError, InputError, MissingError, NgffError, StoreError
from ..image import Multiscales
from ..show import Preview, look_at_plate, table, tag
from ..spec import Acquisition, Field, Plate, Well, is_integer, is_name, natural
from ..store import Target, attributes_below, children_of, find_target, readable
from ..text import counted, listed, show, warn
from .mosaics import Overview, overview_of, stitched_well
from .open import open_image
from .stored import held, refuse_missing

_MOST_ROWS, _MOST_COLUMNS, _MOST_FIELDS = 16, 24, 20  # that are shown: a plate of 384 wells is shown whole


def open_plate(store: Any, *, store_options: Mapping[str, Any] | None = None) -> StoredPlate:
    """Open a plate of any version and of any writer: one document is read.

    Args:
        store: a path, a URL, a zip file, a mapping, a Zarr group or store. store_options: as in `write_image`.

    Returns:
        The wells by name. `plate["B/3"][0]` is the image of field 0, opened when it is asked for.

    Raises:
        MissingError: there is nothing. InputError: it is not a plate. FormatError: it is not understood.
    """
    target = find_target(readable(getattr(store, "target", store), store_options))
    return StoredPlate(target, plate_of(target))


def is_plate(store: Any) -> bool:
    """Return whether a plate stands at a place; False where there is nothing."""
    with suppress(NgffError, OSError):
        return "plate" in find_target(readable(store)).plate_document
    return False


def plate_of(target: Target) -> Plate:
    """Return what a group says of the plate that it is; for what is raised see `open_plate`."""
    refuse_missing(target)
    target.refuse_change()
    document = target.plate_document
    if not isinstance(document.get("plate"), Mapping):
        raise InputError(f"{target} is not a plate of OME-Zarr (it has {held(document)}).")
    try:
        return Plate.from_document(document["plate"], grows=target.said.get("grows") is True)
    except FormatError as error:
        raise FormatError(f"{target}: {error}") from None


class StoredPlate(Mapping[str, "StoredWell"]):
    """Hold the wells of a plate by their paths, in the order of the plate: row by row.

    Attributes:
        target: its group. plate: what it says of itself.
    """

    def __init__(self, target: Target, plate: Plate) -> None:
        self.target, self.plate = target, plate

    @property
    def name(self) -> str | None:
        """Name of the plate."""
        return self.plate.name

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of all rows, with and without images."""
        return self.plate.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, with and without images."""
        return self.plate.columns

    @cached_property
    def wells(self) -> tuple[str, ...]:
        """Paths of the wells with images, row by row."""
        return self.plate.ordered

    @property
    def acquisitions(self) -> tuple[Acquisition, ...]:
        """Acquisitions, by id."""
        return self.plate.acquisitions

    @cached_property
    def fields(self) -> dict[str, tuple[Field, ...]]:
        """Fields of each well by its path; all wells are asked at the same time.

        Raises:
            MissingError: the plate lists wells that are not there.
        """
        if self._missing:
            raise MissingError(f"{self._missing}.")
        return self._there

    @cached_property
    def _there(self) -> dict[str, tuple[Field, ...]]:
        return {path: well.fields for path, well in wells_below(self.target, self.wells).items()}

    @property
    def _missing(self) -> str:
        """What wells the plate lists but does not have, in words."""
        missing = [path for path in self.wells if path not in self._there]
        return f"The plate {self.target} lists wells that are not there: {listed(missing, 9, ', ')}" if missing else ""

    def map(self, function: Callable[[Multiscales], Any], *, acquisition: int | None = None) -> dict[str, Any]:
        """Call a function with the image of each field, in as many threads as `config.workers`.

        Args:
            function: takes a `Multiscales`. acquisition: whose fields; None takes all.

        Returns:
            What it returns by path, such as "B/3/0", in the order of the plate. What it raises, with a note of the
            path, ends all.
        """
        paths = [f"{w}/{f.path}" for w, fs in self.fields.items() for f in fs if acquisition in (None, f.acquisition)]

        def call(path: str) -> Any:
            try:
                return function(_image(self.target, path))
            except Exception as error:
                error.add_note(f"This was raised at the field {path} of {self.target}.")
                raise

        with ThreadPoolExecutor(config.workers) as pool:
            return dict(zip(paths, pool.map(call, paths), strict=True))

    def overview(
        self, level: int | Literal["auto"] = "auto", acquisition: int | None = None, field: int | str = 0
    ) -> Multiscales:
        """Lay one field of each well into the rows and columns of the plate, as a lazy image of one level.

        Args:
            level: of each field; "auto" is the coarsest that all have.
            acquisition: whose fields; None takes all. field: which of them, counted from 0, or its name.

        Returns:
            The image; wells without images are 0, and small ones lie in the upper left of their place.

        Raises:
            MissingError: no well has such a field, or a field has no such level. InputError: they have other axes.
        """
        return self.seen(level, acquisition, field).image

    def seen(
        self, level: int | Literal["auto"] = "auto", acquisition: int | None = None, field: int | str = 0
    ) -> Overview:
        """Return the overview with the names of its rows and columns, and which wells are seen."""
        if self._missing:
            warn(f"{self._missing}; they are not seen.")
        return overview_of(self.target, self.plate, self._there, level, acquisition, field)

    def preview(
        self,
        *,
        level: int | Literal["auto"] = "auto",
        acquisition: int | None = None,
        field: int | str = 0,
        channels: Sequence[int | str] | None = None,
        projection: Literal["max", "middle"] = "max",
        time: int = 0,
        bar: bool = True,
    ) -> Preview:
        """Draw the overview, with the names of rows and columns; wells without images are crossed out.

        Args:
            level, acquisition, field: as in `overview`. channels, projection, time, bar: as in `Multiscales.preview`.
        """
        seen = self.seen(level, acquisition, field)
        return look_at_plate(seen, channels=channels, projection=projection, time=time, bar=bar)

    def stitch(
        self,
        well: str | tuple[str, str | int],
        acquisition: int | None = None,
        overlap: Literal["last", "mean"] = "last",
    ) -> Multiscales:
        """Lay the fields of a well by their positions into one lazy image of one level.

        Positions are the translations of the fields, rounded to whole pixels, with a warning where they are between.

        Args:
            well: as in "B/3". acquisition: whose fields; needed where the well has those of several.
            overlap: what is seen where fields overlap: the "last" one, or the "mean".

        Raises:
            KeyError: the plate has no images of the well. ScaleError: pixel sizes differ.
            InputError: the fields do not fit, or nothing says where they lie.
        """
        found = self[well]
        return stitched_well(self.target, found.path, found.fields, acquisition, overlap)

    def unlisted(self) -> tuple[str, ...]:
        """Return the paths of fields that are there, and that the plate or their well does not list."""
        return tuple(f"{well}/{field.path}" for well, field in unlisted_fields(self.target, self.plate))

    def __getitem__(self, well: str | tuple[str, str | int]) -> StoredWell:
        try:
            path = self._place(well)
        except FormatError as error:
            raise KeyError(str(error)) from None
        if path not in self.wells:
            there = listed(self.wells, comma=", ") or "none"
            raise KeyError(f"The plate {self.target} has no images of the well {path}; it has {there}.")
        known = self.__dict__.get("_there")
        found = {p: well.fields for p, well in wells_below(self.target, [path]).items()} if known is None else known
        if path not in found:
            raise MissingError(f"The plate {self.target} lists the well {path}, which is not there.")
        return StoredWell(self.target, path, Well(found[path]))

    def _place(self, well: object) -> str:
        """Return the path of a well that can be there: one that is listed, by whatever name, and none that is new."""
        written = "/".join(map(str, well)) if isinstance(well, tuple) else well
        if isinstance(written, str) and written in self.wells:
            return written
        return attrs.evolve(self.plate, grows=False).place(well)

    def __contains__(self, well: object) -> bool:
        with suppress(FormatError):
            return self._place(well) in self.wells
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self.wells)

    def __len__(self) -> int:
        return len(self.wells)

    def __repr__(self) -> str:
        size = f"{len(self.rows)} x {len(self.columns)}"
        return f"<plate {show(self.name)} of {size}: {counted(len(self), 'well')} with images>"

    def _repr_html_(self) -> str:
        rows, columns = self.rows[:_MOST_ROWS], self.columns[:_MOST_COLUMNS]
        wells = set(self.wells)
        marks = [(row, *("\u25cf" if f"{row}/{column}" in wells else "\u00b7" for column in columns)) for row in rows]
        size = f" of {len(self.rows)} x {len(self.columns)}: {counted(len(self), 'well')} with images"
        left_out = "" if (rows, columns) == (self.rows, self.columns) else f"The first {len(rows)} x {len(columns)}."
        return tag("div", tag("b", f"Plate {self.name or ''}".strip()), size, table(("", *columns), marks), left_out)


class StoredWell(Mapping[str, Multiscales]):
    """Hold the fields of a well by their names; numbers do as well.

    Attributes:
        path: of the well in the plate, such as "B/3". fields: what the well says of each.
    """

    def __init__(self, target: Target, path: str, well: Well) -> None:
        self._target, self.path, self.fields = target, path, well.fields

    def __getitem__(self, field: str | int) -> Multiscales:
        if str(field) not in self:
            raise KeyError(f"The well {self.path} has no field {field}; it has {listed(list(self), comma=', ')}.")
        return _image(self._target, f"{self.path}/{field}")

    def __contains__(self, field: object) -> bool:
        return any(str(field) == each.path for each in self.fields)

    def __iter__(self) -> Iterator[str]:
        return (field.path for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        return f"<well {self.path}: fields {listed(list(self), comma=', ') or 'none'}>"

    def _repr_html_(self) -> str:
        rows = [(f.path, "" if f.acquisition is None else str(f.acquisition)) for f in self.fields[:_MOST_FIELDS]]
        more = f"and {len(self) - _MOST_FIELDS} more" if len(self) > _MOST_FIELDS else ""
        said = f": {counted(len(self), 'field')}"
        return tag("div", tag("b", f"Well {self.path}"), said, table(("field", "acquisition"), rows), more)


def _image(target: Target, path: str) -> Multiscales:
    return open_image(StorePath(target.store, target.key(path)))


def wells_below(target: Target, paths: tuple[str, ...] | list[str]) -> dict[str, Well]:
    """Read the documents of wells of a plate, all at the same time; one that is not there is left out."""
    found = zip(paths, attributes_below(target, paths), strict=True)
    documents = {path: target.fmt.unwrap(attributes) for path, attributes in found if attributes is not None}
    return {path: _well(target, path, document) for path, document in documents.items()}


def _well(target: Target, path: str, document: Mapping[str, Any]) -> Well:
    try:
        return Well.from_document(document.get("well"))
    except FormatError as error:
        raise FormatError(f"The well {path} of {target}: {error}") from None


def unlisted_fields(target: Target, plate: Plate) -> list[tuple[str, Field]]:
    """Find the images that stand where fields do, and are not listed; with the acquisition that they state, if any.

    A store is asked for one list for the plate, for each row and for each well; one that cannot list has none.
    """
    return [(well, field) for well, field, state in fields_beside(target, plate) if state != "incomplete"]


def fields_beside(target: Target, plate: Plate) -> list[tuple[str, Field, str]]:
    """Find what `unlisted_fields` does, and fields that are incomplete.

    Returns:
        The well, the field, and "incomplete", "field" if the image says that it was written as one, or "image".
    """
    if not target.store.supports_listing:
        return []
    try:
        rows = [name for name in children_of(target, [""])[0] if name in plate.rows or (plate.grows and is_name(name))]
        columns = zip(rows, children_of(target, rows), strict=True)
        wells = [(row, name) for row, names in columns for name in names if name in plate.columns or plate.grows]
        paths = sorted(("/".join(well) for well in wells if all(map(is_name, well))), key=natural)
        known = {path: well.fields for path, well in wells_below(target, paths).items()}
        below = zip(paths, children_of(target, paths), strict=True)
    except (StoreError, NotImplementedError):
        return []
    found = []
    for well, names in below:
        there = {field.path for field in known.get(well, ()) if well in plate.wells}
        found += [(well, name) for name in sorted(filter(is_name, names - there), key=natural)]
    fields = []
    for (well, name), attributes in zip(found, _readable_below(target, ["/".join(f) for f in found]), strict=True):
        image = attrs.evolve(target, attributes=attributes)
        ours, incomplete = "acquisition" in image.said, image.mark is not None
        if (incomplete and ours) or (image.is_image and not {"image-label"} & image.document.keys()):
            number = image.said.get("acquisition")
            listed_as = {field.path: field for field in known.get(well, ())}.get(name)
            field = listed_as or Field(name, number if is_integer(number, 0) else None)
            fields.append((well, field, "incomplete" if incomplete else "field" if ours else "image"))
    return fields


def _readable_below(target: Target, paths: list[str]) -> list[dict[str, Any] | None]:
    """Return what `attributes_below` does, and None of those that cannot be read, which are no fields of anybody."""
    try:
        return attributes_below(target, paths)
    except StoreError:
        return [None] if len(paths) == 1 else [found for path in paths for found in _readable_below(target, [path])]
