"""Which well, field and plane of a plate each file is: by its name, by a pattern, or by a manifest."""

from __future__ import annotations

import glob
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs

from ..exceptions import AxesError, InputError, MissingError, OptionError
from ..spec import row_name
from ..store import nearest_place
from ..text import listed, warn
from .expansion import WORDS, table_rows, words_of
from .families import SUFFIXES
from .harmony import NAMES, Indexed, index_of_harmony
from .naming import axis_of
from .open import foreign_file
from .yokogawa import RECORDS, measured

_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_WELL = r"(?P<well>[A-Z]{1,2}\d{1,2})"
#: instruments, and how the paths of their files end
KNOWN = (
    (
        "Opera or Operetta",
        r"(?:^|/)r(?P<row>\d+)c(?P<column>\d+)f(?P<field>\d+)p(?P<z>\d+)-ch(?P<c>\d+)(?:sk(?P<t>\d+)fk\d+fl\d+)?\.(?i:tiff?)",
    ),
    (
        "CellVoyager (Yokogawa)",
        rf"(?:^|[/_]){_WELL}_T(?P<t>\d+)F(?P<field>\d+)L\d+A\d+Z(?P<z>\d+)C(?P<c>\d+)\.(?i:tiff?|png)",
    ),
    (
        "ImageXpress",
        rf"(?:(?:^|/)TimePoint_(?P<t>\d+)/)?(?:(?:^|/)?ZStep_(?P<z>\d+)/)?(?:[^/]*?_|(?<=/)|^){_WELL}(?=_[sw]\d)"
        rf"(?:_s(?P<field>\d+))?(?:_w(?P<c>\d+?))?(?:{_GUID})?\.(?i:tiff?)",
    ),
    (
        "Cytation",
        rf"(?:^|/){_WELL}_-?\d+_\d+_(?P<field>\d+)(?:Z(?P<z>\d+))?_(?P<c>[^/_]+)_(?P<t>-?\d+)\.(?i:tiff?)",
    ),
    (
        "Cytation (Gen5 before 3)",
        rf"(?:^|/){_WELL}_(?P<field>\d+)(?:Z(?P<z>\d+))?_(?P<c>[^/_]*[^/_\d][^/_]*)_\d+_(?P<t>\d+)_\d*\.(?i:tiff?)",
    ),
)  # fmt: skip
_ROLES = {"well": "well", "row": "row", "column": "column", "col": "column", "field": "field", "site": "field",
          "acquisition": "acquisition", "plate": "acquisition", "round": "acquisition"}  # fmt: skip
_VALUES = {"well": r"[A-Za-z]{1,2}\d{1,3}", "row": r"\d+|[A-Za-z]{1,2}", "c": r"\d+|[^/_]+?"}
_MOST_SHOWN = 3


@attrs.frozen
class PlaneFile:
    """Say what a file is.

    Attributes:
        path: of the file. well: its row and column, such as ("B", 3). field, acquisition: as they are called.
        at: its number, or the name of its channel, by axis. spans: where these stand in the path.
        words: arguments of `convert` for it alone. position: x and y of the stage, where a manifest has them.
        index: what the index of its instrument says of it.
    """

    path: str
    well: tuple[str, int]
    field: int | str = 0
    acquisition: int | None = None
    at: Mapping[str, int | str] = attrs.field(factory=dict)
    spans: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)
    words: Mapping[str, Any] = attrs.field(factory=dict)
    position: Mapping[str, float] = attrs.field(factory=dict)
    index: Indexed | None = None

    def renamed(self, axis_values: Mapping[str, int | str]) -> str:
        """Return the path that the plane of other numbers would have; in words where names do not say them."""
        if not self.spans:
            return ", ".join(f"{_CALLED[axis]} {value}" for axis, value in axis_values.items())
        name = self.path
        for axis, (low, high) in sorted(self.spans.items(), key=lambda item: -item[1][0]):
            value = axis_values.get(axis, self.at[axis])
            name = name[:low] + (value if isinstance(value, str) else f"{value:0{high - low}d}") + name[high:]
        return re.sub(_GUID, "*", os.path.basename(name) if set(axis_values) <= {"c"} else name)

    def channel(self) -> str:
        """Return the name of its channel: that in words, or the number with the letters before it."""
        value = self.at.get("c", "")
        if self.index and self.index.channel:
            return self.index.channel
        if isinstance(value, str):
            return value
        low, high = self.spans.get("c", (0, 0))
        found = re.search(r"[A-Za-z]*$", self.path[:low])
        return f"{found[0] if found else ''}{self.path[low:high] or value}"


_CALLED = {"c": "channel", "z": "z", "t": "t"}


def parse_well(text: str) -> tuple[str, int]:
    """Return row and column of "B03", "B/3", "b3" or "2/3" (row 2, column 3).

    Raises:
        OptionError: it is none of them.
    """
    found = re.fullmatch(r"([A-Za-z]{1,2})[/_ -]?0*([1-9][0-9]{0,2})|0*([1-9][0-9]?)/0*([1-9][0-9]{0,2})", text.strip())
    if found is None:
        raise OptionError(f"A well is B03, B3 or B/3 (got {text!r}).")
    return _row(found[1] or found[3]), int(found[2] or found[4])


def _row(text: str) -> str:
    return row_name(int(text) - 1) if text.isdecimal() else text.upper()


def found_planes(given: str) -> tuple[list[PlaneFile], str]:
    """Find the planes of a plate, and say in words what the input was taken for.

    Args:
        given: a manifest (.csv), a pattern of names with placeholders, or a folder, whose names are recognised.

    Raises:
        MissingError: there is no file. InputError: names are not understood. OptionError: a manifest is not.
    """
    if given.lower().endswith((".csv", ".tsv")) and os.path.isfile(given):
        planes = list(_listed(given))
        if not planes:
            raise MissingError(f"{given} lists no file.")
        return planes, f"{given}: a manifest of {len(planes)} files"
    if "{" in given:
        return _matching(given)
    if os.path.isdir(given):
        return _recognised(given)
    if not os.path.exists(given):
        raise MissingError(f"There is no {given}.{nearest_place(given)}")
    kind = foreign_file(given)
    raise InputError(
        f"{given} is {kind + ', and ' if kind else ''}neither a manifest (.csv), nor a folder, nor a pattern with "
        "placeholders such as 'r{row}c{column}f{field}p{z}-ch{channel}*.tiff'."
    )


# Names ---------------------------------------------------------------------------------------------------------------


def _matching(pattern: str) -> tuple[list[PlaneFile], str]:
    """Find the files whose paths a pattern fits; "*", "?" and "**" stand for what is not looked at."""
    groups = [_role(group) for group in re.findall(r"\{(\w+)\}", pattern)]
    if len(set(groups)) < len(groups) or not ("well" in groups or {"row", "column"} <= set(groups)):
        raise AxesError(f"The pattern {pattern!r} must name {{well}}, or {{row}} and {{column}}, and each once.")
    pattern = os.path.normpath(pattern)
    everything = "".join(
        "*" if part.startswith("{") else part if part in _WILD else glob.escape(part) for part in _parts(pattern)
    )
    files = sorted(path for path in glob.glob(everything, recursive=True) if os.path.isfile(path))
    expression = re.compile(_expression(pattern))
    found = [(file, expression.fullmatch(file.replace(os.sep, "/"))) for file in files]
    planes = [_plane(file, match) for file, match in found if match is not None]
    if not planes:
        others = f"; {os.path.basename(files[0])!r} is not like it" if files else ""
        raise MissingError(f"No file matches {pattern}{others}.")
    rest = len(files) - len(planes)
    return _settled(planes), f"{len(planes)} files match the pattern" + (f"; {rest} others left out" if rest else "")


def _role(group: str) -> str:
    role = _ROLES.get(group.lower()) or axis_of(group)
    if role not in (*_ROLES.values(), "t", "c", "z"):
        raise AxesError(f"{{{group}}} is not well, row, column, field, acquisition, channel, z or t.")
    return role


def _expression(pattern: str) -> str:
    found = ""
    parts = _parts(pattern)
    for part, more, after in zip(parts, [*parts[1:], ""], [*parts[2:], "", ""], strict=True):
        if part.startswith("{"):
            role, joined = _role(part[1:-1]), not more and after.startswith("{")
            if joined and role != "row":
                raise AxesError(f"{part}{after} in a pattern cannot be told apart; put what is between them there.")
            found += rf"(?P<{role}>{'[A-Za-z]{1,2}' if joined else _VALUES.get(role, '[0-9]+')})"
        else:
            found += _WILD.get(part, re.escape(part))
    return found


_WILD = {"**/": "(?:.*/)?", "*": "[^/]*?", "?": "[^/]"}


def _parts(pattern: str) -> list[str]:
    """Split a pattern into placeholders, wildcards, and the text between them, in which a bracket is one."""
    return re.split(r"(\{\w+\}|\*\*/|\*|\?)", pattern.replace(os.sep, "/"))


def _recognised(folder: str) -> tuple[list[PlaneFile], str]:
    """Find the files of a folder, and of those below it, that are named as an instrument names them."""
    files = [
        Path(os.path.relpath(os.path.join(here, name), folder)).as_posix()
        for here, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    ]
    best: tuple[str, list[PlaneFile]] = ("", [])
    for instrument, end in KNOWN:
        expression = re.compile(rf".*?(?:{end})$")
        planes = [_plane(file, match) for file in sorted(files) if (match := expression.match(file))]
        best = (instrument, planes) if len(planes) > len(best[1]) else best
    instrument, planes = best
    if not files:
        raise MissingError(f"There is no image in {folder}.")
    if not planes:
        shown = f" (such as {files[0]!r})" if files else ""
        names = listed(list(dict.fromkeys(re.sub(r" \(Gen5.*", "", name) for name, _ in KNOWN)), comma=", ")
        raise InputError(
            f"The {len(files)} images in {folder}{shown} are not named as {names} name theirs; give a pattern, such as "
            f"'{os.path.join(folder, '{well}_f{field}_z{z}_c{channel}.tif')}'."
        )
    kept = _without_projections(planes)
    said = f"{folder}: {len(kept)} files named as {instrument} names them"
    said += f"; {len(planes) - len(kept)} projections left out" if len(kept) < len(planes) else ""
    others = Counter("thumbnails" if "_thumb" in file.lower() else "other images" for file in files)
    others.subtract({"other images": len(planes)})
    said += "".join(f"; {count} {what} left out" for what, count in sorted(others.items()) if count > 0)
    return _settled([_in_folder(folder, plane) for plane in kept]), said


def _settled(planes: Sequence[PlaneFile]) -> list[PlaneFile]:
    """Count fields from 0, as plates do, where names count from 1; look up what an index next to the files says."""
    shift = min(int(plane.field) for plane in planes) > 0
    known = {folder: _indexed(folder) for folder in {os.path.dirname(plane.path) for plane in planes}}
    return [
        attrs.evolve(
            plane,
            field=int(plane.field) - shift,
            index=known[os.path.dirname(plane.path)].get(os.path.basename(plane.path)),
        )
        for plane in planes
    ]


def _indexed(folder: str) -> dict[str, Indexed]:
    """Read what an instrument has left in a folder: what it says of each file, by its name; empty where it has not."""
    path = next((path for name in (*NAMES, RECORDS) if os.path.isfile(path := os.path.join(folder, name))), None)
    if path is None:
        return {}
    try:
        return dict(measured(folder) if path.endswith(RECORDS) else index_of_harmony(path))
    except (ElementTree.ParseError, ValueError) as error:
        warn(f"{path} is not understood and left out, so sizes and places of the images are not known: {error}")
        return {}


def _without_projections(planes: Sequence[PlaneFile]) -> list[PlaneFile]:
    """Leave out what lies next to a stack of its channel: without a number of the plane, or with the number 0."""
    stacks = {plane.at.get("c") for plane in planes if "z" in plane.at}
    numbered = [plane for plane in planes if "z" in plane.at or plane.at.get("c") not in stacks]
    lowest = {plane.at.get("z") for plane in numbered}
    in_folders = all("ZStep_" in plane.path for plane in numbered if "z" in plane.at)
    return [plane for plane in numbered if not (in_folders and plane.at.get("z") == 0 and len(lowest) > 1)]


def _in_folder(folder: str, plane: PlaneFile) -> PlaneFile:
    path = os.path.join(folder, plane.path)
    more = len(path) - len(plane.path)
    spans = {axis: (low + more, high + more) for axis, (low, high) in plane.spans.items()}
    return attrs.evolve(plane, path=path, spans=spans)


def _plane(path: str, match: re.Match[str]) -> PlaneFile:
    said = {role: text for role, text in match.groupdict().items() if text is not None}
    well = parse_well(said["well"] if "well" in said else f"{said['row']}/{said['column']}")
    counted = {axis: said[axis] for axis in "tcz" if axis in said and not said[axis].startswith("-")}
    acquisition = int(said["acquisition"]) if "acquisition" in said else None
    at = {axis: int(text) if text.isdecimal() else text for axis, text in counted.items()}
    spans = {axis: match.span(axis) for axis in counted}
    return PlaneFile(path, well, int(said.get("field", 0)), acquisition, at, spans)


# Manifests -----------------------------------------------------------------------------------------------------------

_COLUMNS = ("input", "well", "row", "column", "field", "acquisition", "channel", "z", "t", "x", "y")
_ALSO = {"file": "input", "path": "input", "site": "field", "c": "channel", "time": "t", "plane": "z", "col": "column"}


def _listed(table: str) -> Iterator[PlaneFile]:
    """Read a manifest: a CSV with the columns input and well (or row and column), and others where wanted."""
    folder = os.path.dirname(table)
    for line, cells in table_rows(table, (*_COLUMNS, *WORDS), _ALSO):
        try:
            if not cells.get("input"):
                raise OptionError("there is no input")
            where = cells["input"]
            whole = cells.get("well") or f"{cells.get('row', '')}/{cells.get('column', '')}"
            numbers = {name: _number(cells[name], name) for name in ("acquisition", "z", "t") if cells.get(name)}
            channel, field = cells.get("channel", ""), cells.get("field") or "0"
            if not field.isalnum():
                raise OptionError(f"a field is a number, or letters and digits (got {field!r})")
            at: dict[str, int | str] = {axis: numbers[axis] for axis in "zt" if axis in numbers}
            at |= {"c": int(channel) if channel.isdecimal() else channel} if channel else {}
            position = {axis: _position(cells[axis], axis) for axis in "xy" if cells.get(axis)}
            yield PlaneFile(
                where if "://" in where else os.path.join(folder, where),
                parse_well(whole),
                int(field) if field.isdecimal() else field,
                numbers.get("acquisition"),
                at,
                words=words_of(cells),
                position=position,
            )
        except ValueError as error:
            raise OptionError(f"Line {line} of {table}: {error}") from None
        except OptionError as error:
            raise OptionError(f"Line {line} of {table}: {error}") from None


def _position(text: str, what: str) -> float:
    if not math.isfinite(float(text)):
        raise OptionError(f"{what} is a finite number (got {text!r})")
    return float(text)


def _number(text: str, what: str) -> int:
    if not text.isdecimal():
        raise OptionError(f"{what} is a whole number (got {text!r})")
    return int(text)
