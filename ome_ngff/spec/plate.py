"""Plates and their wells as values: names of rows and columns, which wells have images, fields and acquisitions."""

from __future__ import annotations

import re
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from ..exceptions import ExistsError, FormatError, OptionError
from ..text import list_of, listed, show
from .rules.book import is_alphanumeric, is_integer, part_of, path_fault, stated

#: rows and columns of the plates that are made, by their number of wells
PLATE_FORMATS = {6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24), 1536: (32, 48)}
_MOST_LINES = max(PLATE_FORMATS[1536])
_MOST_LETTERS = 100  # of the name of a row, a column or a field


@attrs.frozen
class Acquisition:
    """Describe a pass over a plate.

    Attributes:
        id: its number, from 0. name, description: for people. starttime, endtime: in seconds of the epoch.
        maximumfieldcount: most fields that a well has of it.
    """

    id: int
    name: str | None = None
    description: str | None = None
    starttime: int | None = None
    endtime: int | None = None
    maximumfieldcount: int | None = None

    @classmethod
    def parse(cls, given: Any) -> Acquisition:
        """Parse a number, or a dict of the specification.

        Raises:
            OptionError: it is neither.
        """
        if isinstance(given, cls):
            return given
        words = {"id": given} if is_integer(given) else given
        known = {field.name for field in attrs.fields(cls)}
        if not isinstance(words, Mapping) or not is_integer(words.get("id")) or not set(words) <= known:
            raise OptionError(f"An acquisition is a number, or a dict of {listed(sorted(known))} (got {show(given)}).")
        return cls(**words)

    @classmethod
    def counted(cls, number: int, count: int | None = None) -> Acquisition:
        """Return an acquisition of which nobody has said more than its fields do."""
        return cls(number, f"Acquisition {number}", maximumfieldcount=count)

    @classmethod
    def from_document(cls, part: Mapping[str, Any]) -> Acquisition:
        """Return what an object with an id says of an acquisition, as far as it can be one."""
        texts = {key: value for key in ("name", "description") if isinstance(value := part.get(key), str)}
        numbers = ("id", "starttime", "endtime", "maximumfieldcount")
        return cls(**texts, **{key: value for key in numbers if is_integer(value := part.get(key))})  # type: ignore[arg-type]

    def completed(self, other: Acquisition) -> Acquisition:
        """Return this acquisition with what another one says and it does not; the larger number of fields counts."""
        mine = {name: value for name, value in attrs.asdict(self).items() if value is not None}
        counts = [each.maximumfieldcount or 0 for each in (self, other)]
        return attrs.evolve(other, **mine | {"maximumfieldcount": max(counts) or None})

    def declared(self, there: Acquisition) -> Acquisition:
        """Return this acquisition with what one that is there knows besides.

        Raises:
            ExistsError: that one says something else.
        """
        unsaid = Acquisition.counted(self.id).name
        for key in ("name", "description", "starttime", "endtime"):
            mine, other = getattr(self, key), getattr(there, key)
            if None not in (mine, other) and mine != other and (key, other) != ("name", unsaid):
                raise ExistsError(
                    f"is a plate whose acquisition {self.id} has the {key} {show(other)}, not {show(mine)}"
                )
        return self.completed(there)


@attrs.frozen
class Field:
    """Point to a field of view: its path in the well, and the id of its acquisition, where it is said."""

    path: str
    acquisition: int | None = None


@attrs.frozen
class Well:
    """List the fields of a well, in their order."""

    fields: tuple[Field, ...] = ()

    def with_field(self, field: Field) -> Well:
        """Return the well with one more field, before the first with a higher name; it replaces one of its name."""
        fields = list(self.fields)
        places = {each.path: i for i, each in enumerate(fields)}
        if field.path in places:
            there = fields[places[field.path]]
            fields[places[field.path]] = there if field.acquisition is None else field
        else:
            insort(fields, field, key=lambda each: natural(each.path))
        return Well(tuple(fields))

    @property
    def counts(self) -> Counter[int]:
        """Number of fields by the id of the acquisition, of those that have one."""
        return Counter(field.acquisition for field in self.fields if field.acquisition is not None)

    @classmethod
    def from_document(cls, well: Any) -> Well:
        """Parse the `well` of a document.

        Raises:
            FormatError: the path of a field cannot be one.
        """
        found = _objects(part_of(well, "images"))
        for part in found:
            if path_fault(part.get("path")):
                raise FormatError(f"A field of a well cannot be used. {path_fault(part.get('path'))}")
        fields: dict[str, Field] = {}  # of one that is listed twice, the first counts
        for part in found:
            number = part.get("acquisition")
            fields.setdefault(part["path"], Field(part["path"], number if is_integer(number) else None))
        return cls(tuple(fields.values()))

    def to_document(self, before: Any = None) -> list[dict[str, Any]]:
        """Return the `images` of a well; what those `before` say, and a field knows nothing of, stays in them."""
        return _merged([stated(**attrs.asdict(field)) for field in self.fields], "path", before)


@attrs.frozen
class Plate:
    """Describe a plate: its physical layout, and which of its wells have images.

    Attributes:
        rows, columns: all names, in their order. wells: paths of the wells with images, such as "B/3", in their order.
        acquisitions: by id. name: of the plate. field_count: most fields of a well.
        grows: whether nobody has said what the layout is, so that it follows from the wells.
    """

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    wells: tuple[str, ...] = ()
    acquisitions: tuple[Acquisition, ...] = ()
    name: str | None = None
    field_count: int | None = None
    grows: bool = False

    @classmethod
    def of(
        cls, rows: Any = "A-H", columns: Any = 12, *, name: str | None = None, acquisitions: Iterable[Any] | None = None
    ) -> Plate:
        """Parse the layout of a plate without images.

        Args:
            rows: "A-H", a number of rows, or their names; "384-well" for a plate of 6 to 1536 wells, or None for those
                up to the last well with images, both with `columns` left out.
            columns: "1-12" or "01-12", a number of columns, or their names.
            name: of the plate. acquisitions: numbers, dicts or values.

        Raises:
            OptionError: it is not a layout.
        """
        wells = re.fullmatch(r"(\d+)[- ]?wells?", rows) if isinstance(rows, str) else None
        if wells:
            if int(wells[1]) not in PLATE_FORMATS or columns not in (12, None):
                known = listed([str(number) for number in PLATE_FORMATS], comma=", ")
                raise OptionError(f"A plate has {known} wells, and no columns besides (got {show(rows)}).")
            rows, columns = PLATE_FORMATS[int(wells[1])]
        found = [
            Acquisition.parse(each) for each in list_of([] if acquisitions is None else acquisitions, "acquisitions")
        ]
        if len({each.id for each in found}) < len(found):
            raise OptionError(f"Each acquisition has an id of its own (got {listed([str(a.id) for a in found])}).")
        ordered = tuple(sorted(found, key=lambda each: each.id))
        if rows is None and columns in (12, None):
            return cls(acquisitions=ordered, name=name, grows=True)
        return cls(_lines(rows, "rows", row_name), _lines(columns, "columns", _column_name), (), ordered, name)

    @property
    def ordered(self) -> tuple[str, ...]:
        """Paths of the wells with images, row by row."""
        return tuple(sorted(self.wells, key=self._at))

    def _at(self, well: str) -> tuple[int, int]:
        row, _, column = well.partition("/")
        return self.rows.index(row), self.columns.index(column)

    def place(self, well: Any) -> str:
        """Return the path of a well: of "B/3", of "B3" where that can be one well only, or of ("B", 3).

        Numbers of columns count, not the zeros before them: "B03" is "B/3" with a column 3, or wells in one.

        Raises:
            FormatError: the plate has no such well.
        """
        text = "/".join(map(str, well)) if isinstance(well, tuple) else well
        if isinstance(text, str) and "/" not in text:
            known = [(row, self._column(text.removeprefix(row))) for row in self.rows if text.startswith(row)]
            names = [f"{row}/{column}" for row, column in known if column in self.columns]
            found = re.fullmatch(r"([A-Z]{1,2})(\d+)", text)
            if found and (self.grows or not names):
                names = [f"{found[1]}/{found[2]}"]
            text = names[0] if len(names) == 1 else text
        row, _, column = text.partition("/") if isinstance(text, str) else ("", "", "")
        if not (is_name(row) and is_name(column)):
            raise FormatError(f"A well is row/column, as in 'B/3' or 'B3' (got {show(well)}).")
        column = self._column(column)
        if not self.grows and not (row in self.rows and column in self.columns):
            raise FormatError(
                f"The plate has no well {row}/{column}: it has the rows {_span(self.rows)} and the columns "
                f"{_span(self.columns)}."
            )
        return f"{row}/{column}"

    def _column(self, name: str) -> str:
        """Return the column of a name, or the one of the same number; of a plate that grows, one that has wells."""
        if name in self.columns or not re.fullmatch("[0-9]+", name):
            return name
        known = {well.partition("/")[2] for well in self.wells} if self.grows else self.columns
        same = [each for each in known if re.fullmatch(f"0*{name.lstrip('0')}", each)]
        return same[0] if len(same) == 1 else name

    def with_well(self, path: str, well: Well) -> Plate:
        """Return the plate once a well has these fields: what it lists and counts only ever grows."""
        rows, columns, wells = self.rows, self.columns, list(self.wells)
        if self.grows:
            rows, columns = (_implied({each.split("/")[i] for each in (*wells, path)}) for i in (0, 1))
        if path not in wells:
            insort(wells, path, key=attrs.evolve(self, rows=rows, columns=columns)._at)
        known = {each.id: each for each in self.acquisitions}
        for number, count in well.counts.items():
            counted = Acquisition.counted(number, count)
            known[number] = known.get(number, counted).completed(counted)
        found, count = tuple(known[number] for number in sorted(known)), max(self.field_count or 1, len(well.fields))
        return attrs.evolve(
            self, rows=rows, columns=columns, wells=tuple(wells), acquisitions=found, field_count=count
        )  # fmt: skip

    def declared(self, there: Plate) -> Plate:
        """Return this layout with what a plate that is there knows besides.

        Raises:
            ExistsError: that one is another plate.
        """
        known = {each.id: each for each in there.acquisitions}
        for each in self.acquisitions:
            known[each.id] = each.declared(known.get(each.id, each))
        lines = (("rows", self.rows, there.rows), ("columns", self.columns, there.columns)) if not self.grows else ()
        for what, mine, others in lines:
            if set(others) - set(mine) if there.grows else mine != others:
                raise ExistsError(f"is a plate with the {what} {_span(others)}, not {_span(mine)}")
        if self.name is not None and there.name not in (None, self.name) and not there.grows:
            raise ExistsError(f"is the plate {show(there.name)}, not {show(self.name)}")
        acquisitions = tuple(known[number] for number in sorted(known))
        found = attrs.evolve(there, acquisitions=acquisitions, name=self.name or there.name)
        return found if self.grows else attrs.evolve(found, rows=self.rows, columns=self.columns, grows=False)

    # Documents -----------------------------------------------------------------------------------------------------

    @classmethod
    def from_document(cls, plate: Any, *, grows: bool = False) -> Plate:
        """Parse the `plate` of a document.

        Raises:
            FormatError: its rows, columns and wells are not understood.
        """
        lines: list[list[Any]]
        lines = [[part.get("name") for part in _objects(part_of(plate, what))] for what in ("rows", "columns")]
        rows, columns = (tuple(str(name) if is_integer(name) else name for name in names) for names in lines)
        if any(map(path_fault, (*rows, *columns))):
            raise FormatError(f"The rows and columns of a plate have names (got {show(rows)} and {show(columns)}).")
        wells: dict[str, None] = {}
        known_rows, known_columns = {*rows}, {*columns}
        for part in _objects(part_of(plate, "wells")):
            path: Any = part.get("path")
            row, _, column = path.partition("/") if isinstance(path, str) else ("", "", "")
            if row not in known_rows or column not in known_columns:
                raise FormatError(f"A well of a plate is a row and a column of it, as in 'A/1' (got {show(path)}).")
            wells[path] = None
        parts = [part for part in _objects(part_of(plate, "acquisitions")) if is_integer(part.get("id"))]
        acquisitions = map(Acquisition.from_document, parts)
        name, count = part_of(plate, "name"), part_of(plate, "field_count")
        return cls(
            rows, columns, tuple(wells), tuple(acquisitions),
            name if isinstance(name, str) else None, count if is_integer(count) else None, grows,
        )  # fmt: skip

    def to_document(self, before: Any = None) -> dict[str, Any]:
        """Return the `plate` of a document; what the one `before` says, and a plate knows nothing of, stays in it."""
        places = [(path, *self._at(path)) for path in self.wells]
        wells = [{"path": path, "rowIndex": row, "columnIndex": column} for path, row, column in places]
        acquisitions = [stated(**attrs.asdict(each)) for each in self.acquisitions]
        parts = {
            "columns": _merged([{"name": name} for name in self.columns], "name", part_of(before, "columns")),
            "rows": _merged([{"name": name} for name in self.rows], "name", part_of(before, "rows")),
            "wells": _merged(wells, "path", part_of(before, "wells")),
            "acquisitions": _merged(acquisitions, "id", part_of(before, "acquisitions")) or None,
            "name": self.name,
            "field_count": self.field_count,
        }
        return {**(before if isinstance(before, Mapping) else {}), **stated(**parts)}


def natural(name: str) -> tuple[Any, ...]:
    """Return a key that puts names in the order of the numbers in them, and AA after Z."""
    parts = re.split("([0-9]+)", name)
    known = [part.lstrip("0") if i % 2 else part for i, part in enumerate(parts)]
    return (*((len(part), part) for part in known), (0, name))


def is_name(name: Any) -> bool:
    """Return whether a row, a column or a field can have this name, which is that of a folder, too."""
    return is_alphanumeric(name) and len(name) <= _MOST_LETTERS


def row_name(index: int) -> str:
    """Return the name of a row: A to Z, then AA, AB, ..."""
    return (row_name(index // 26 - 1) if index > 25 else "") + chr(ord("A") + index % 26)


def _column_name(index: int) -> str:
    return str(index + 1)


def _row_index(name: str) -> int:
    return -1 + sum((ord(letter) - ord("A") + 1) * int(26**i) for i, letter in enumerate(reversed(name)))


def _lines(given: Any, what: str, name_of: Callable[[int], str]) -> tuple[str, ...]:
    names: Any = None
    span = re.fullmatch(r"([A-Z]{1,2}|\d{1,3})-([A-Z]{1,2}|\d{1,3})", given) if isinstance(given, str) else None
    if is_integer(given, 1) and given <= _MOST_LINES:
        names = [name_of(i) for i in range(given)]
    elif span and span[1].isdigit() == span[2].isdigit():
        index, name = (int, f"{{:0{len(span[1])}}}".format) if span[1].isdigit() else (_row_index, row_name)
        names = [name(i) for i in range(index(span[1]), index(span[2]) + 1)]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        names = [str(name) if is_integer(name) else name for name in given]
    if not names or not all(map(is_name, names)) or len(set(names)) < len(names):
        raise OptionError(
            f"The {what} of a plate are a span such as 'A-H' or '1-12', a number up to {_MOST_LINES}, or names of "
            f"letters and digits, each once (got {show(given)})."
        )
    return tuple(names)


def _implied(names: set[str]) -> tuple[str, ...]:
    """Return the rows or columns that a plate has at least, given some: those before them in the alphabet, too."""
    filled: Iterable[str] = ()
    if all(re.fullmatch("[A-Z]{1,2}", name) for name in names):
        filled = map(row_name, range(max(map(_row_index, names)) + 1))
    elif all(re.fullmatch(r"\d{1,3}", name) for name in names):
        width = len(min(names, key=len)) if any(name.startswith("0") for name in names) else 1
        filled = (f"{number:0{width}}" for number in range(1, max(map(int, names)) + 1))
    found = tuple(islice(filled, _MOST_LINES))
    return found if names <= set(found) else tuple(sorted(names, key=natural))


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list in a document, of which a plate has thousands."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, (list, tuple)) else []


def _span(names: Sequence[str]) -> str:
    return f"{names[0]} to {names[-1]}" if len(names) > 1 else listed(names)


def _merged(parts: list[dict[str, Any]], key: str, before: Any) -> list[dict[str, Any]]:
    """Return dicts with what those of the same key have said before, and they do not."""
    known = {str(part.get(key)): part for part in _objects(before)}
    return [{**known.get(str(part[key]), {}), **part} for part in parts]
