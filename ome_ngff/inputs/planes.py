"""What the names of planes count: numbers, channels, the groups of a pattern; GUIDs and time stamps only accompany."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import attrs

from ..exceptions import AxesError, InputError
from .naming import axis_of

_GUID = re.compile(r"([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})")
_MOMENT = re.compile(r"(?<!\d)(\d{8}[T_-]\d{6})(?!\d)")  # a date with a time of day
_STAMP = 6  # digits, at least, of a date, a time of day, or the seconds since 1970
_DYES = re.compile(
    r"dapi|hoechst\d*|draq\d|sytox\w*|[em]?[gyrcb]fp|m(cherry|scarlet|orange|plum|kate)\d*|tdtomato|venus|fitc|tritc"
    r"|te?xa?s?red|cy\d|(alexa(fluor)?|af|atto|dylight|cf|sir)\d+|bf|bright(field)?|phase|dic|trans(mitted)?"
    r"|(far)?red|green|blue|yellow|orange|cyan|magenta",
    re.IGNORECASE,
)


@attrs.frozen
class Planes:
    """Hold the files of an image of planes, in C order over `grid`.

    Attributes:
        names: the files. grid: how many there are along each axis that is counted.
        axes: those axes; None where the names do not say. channels: what the names call the channels they count.
    """

    names: tuple[str, ...]
    grid: tuple[int, ...]
    axes: tuple[str | None, ...]
    channels: tuple[str, ...] | None


def planes_by_pattern(names: Sequence[str], pattern: str) -> Planes:
    """Find what a pattern such as "r{row}c{column}f{field}-ch{c}sk{t}" counts in the name of each file.

    Raises:
        AxesError: the pattern names no axis, or something that counts and is none.
        InputError: a name does not match, or planes are missing.
    """
    groups = re.findall(r"\{([A-Za-z_]\w*)\}", pattern)
    if len(set(groups)) < len(groups) or re.search(r"[{}]", re.sub(r"\{[A-Za-z_]\w*\}", "", pattern)):
        raise AxesError(f"The pattern {pattern!r} must name each number once, in braces, as in 'c{{c}}_z{{z}}'.")
    expression, rows = re.compile(_expression(pattern)), []
    for name in sorted(names):
        start = 0 if "/" in pattern else len(name) - len(PurePath(name).name)
        found = expression.search(name.replace("\\", "/"), start)
        if found is None:
            raise InputError(f"{name!r} does not match the pattern {pattern!r}; narrow the glob.")
        ends = [0, *itertools.chain(*map(found.span, groups)), len(name)]
        rows.append([name[low:high] for low, high in itertools.pairwise(ends)])
    named = {2 * i + 1: axis_of(group) for i, group in enumerate(groups)}
    for at, group in zip(named, groups, strict=True):
        values = sorted({row[at] for row in rows})
        if named[at] not in ("t", "c", "z") and len(values) > 1:
            shown = ", ".join(values[:5])
            raise AxesError(f"{{{group}}} is {shown}, but one image has one of them; narrow the glob.")
    axes = {at: axis for at, axis in named.items() if axis in ("t", "c", "z")}
    if not axes or len(set(axes.values())) < len(axes):
        raise AxesError(f"The pattern {pattern!r} must name t, c or z, each once.")
    return _arranged(rows, list(axes), tuple(axes.values()))


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern: each group is a number or, where there is none, a word."""
    parts, found = re.split(r"\{(\w+)\}", pattern), ""
    for i, part in enumerate(parts):
        end = "" if i + 1 < len(parts) and parts[i + 1][:1].isalnum() else r"(?![A-Za-z0-9])"
        found += rf"(?P<{part}>\d+|[A-Za-z][A-Za-z0-9]*?{end})" if i % 2 else re.escape(part)
    return found


def planes_by_name(names: Sequence[str], axes: Sequence[str] | None) -> Planes:
    """Find what the names of files count.

    Args:
        names: the files. axes: as the caller has named them, those that are counted first.

    Raises:
        InputError: the names are not alike, or planes are missing. AxesError: it is not known what counts what.
    """
    names = sorted(names)
    tokens = [_tokens(name) for name in names]
    word = _word(tokens, names, axes is not None and "c" in axes)
    rows = [_parts(each, word) for each in tokens]
    columns = list(zip(*rows, strict=True))
    differing = [i for i, column in enumerate(columns) if len({text.lower() for text in column}) > 1]
    counting = [i for i in differing if not _GUID.fullmatch(columns[i][0])]
    rest = [i for i in counting if not _is_stamp(columns[i])]
    if len(rest) < len(counting) and len(set(zip(*(columns[i] for i in rest), strict=True))) == len(names):
        counting = rest  # time stamps
    counting = _told(counting, columns, names, axes)
    said: Sequence[str | None] = [
        "t" if _MOMENT.fullmatch(columns[i][0])
        else _axis_before("".join(rows[0][:i])) if _is_number(columns[i]) else "c"
        for i in counting
    ]  # fmt: skip
    if axes is not None:
        said = list(axes)[: len(counting)]
    elif len(counting) > 1 and (None in said or len(set(said)) < len(said)):
        spare = iter([axis for axis in "tcz" if axis not in said])
        shown = {i: axis or next(spare, "field") for i, axis in zip(counting, said, strict=True)}
        only = [i for i in differing if i not in shown]  # which a pattern has to leave out
        low = max((i + 1 for i in only if i < counting[0]), default=0)
        high = min((i for i in only if i > counting[-1]), default=len(rows[0]))
        pattern = "".join(f"{{{shown[i]}}}" if i in shown else rows[0][i] for i in range(low, high))
        pattern = str(PurePath(pattern).with_suffix("")) if high == len(rows[0]) else pattern
        raise AxesError(
            f"{len(counting)} numbers count in names like {names[0]!r}; say what each is, as in axes='czyx', or by a "
            f"pattern, as in axes='{pattern}'."
        )
    return _arranged(rows, counting, said)


def _is_number(column: Sequence[str]) -> bool:
    return all(text.isdecimal() for text in column)


def _is_stamp(column: Sequence[str]) -> bool:
    return bool(_MOMENT.fullmatch(column[0])) or (_is_number(column) and min(map(len, column)) >= _STAMP)


def _is_whole(token: str) -> bool:
    return bool(_GUID.fullmatch(token) or _MOMENT.fullmatch(token))


def _tokens(name: str) -> list[str]:
    """Cut a name into words, what is between them, GUIDs, and dates with a time of day."""
    found: list[str] = []
    for part in filter(None, itertools.chain(*map(_MOMENT.split, _GUID.split(name)))):
        found += [part] if _is_whole(part) else re.findall(r"[A-Za-z0-9]+|[^A-Za-z0-9]+", part)
    return found


def _alike(token: str) -> str:
    return "*" if _GUID.fullmatch(token) else re.sub(r"\d+", "#", token).lower()


def _word(tokens: Sequence[Sequence[str]], names: Sequence[str], channels: bool) -> int | None:
    """Return which token is the name of a channel; None where numbers alone tell the files apart.

    Raises:
        InputError: the names are not alike.
    """
    texts = [tuple(map(_alike, each)) for each in tokens]
    usual = Counter(texts).most_common(1)[0][0]
    like = names[texts.index(usual)]
    columns = list(zip(*tokens, strict=True)) if len({len(each) for each in tokens}) == 1 else []
    differing = [i for i, column in enumerate(columns) if len({_alike(token) for token in column}) > 1]
    dyes = [i for i, column in enumerate(columns) if len(set(column)) > 1 and all(map(_DYES.fullmatch, column))]
    if dyes and differing in ([], dyes):
        return dyes[0]
    if len(differing) == 1 and channels and all(token[:1].isalnum() for token in columns[differing[0]]):
        return differing[0]
    odd = [name for name, text in zip(names, texts, strict=True) if text != usual]
    if odd or not any("#" in token for token in usual):
        way_out = ", or name the channels, as in axes='cyx'" if len(differing) == 1 and not channels else ""
        what = f"{odd[0]!r} is not like {like!r}" if odd else f"{like!r} has no number"
        raise InputError(f"Planes need numbered names, all alike: {what}; narrow the glob{way_out}.")
    return None


def _parts(tokens: Sequence[str], word: int | None) -> list[str]:
    """Cut numbers out of words; the name of a channel, a GUID and a date with its time stay whole."""
    found: list[str] = []
    for i, token in enumerate(tokens):
        whole = i == word or _is_whole(token)
        found += [token] if whole else [part for part in re.split(r"(\d+)", token) if part]
    return found


def _told(
    counting: list[int], columns: Sequence[Sequence[str]], names: Sequence[str], axes: Sequence[str] | None
) -> list[int]:
    """Return the parts that count: all that differ, or the one that is enough where `axes` has room for one alone."""
    if not counting:
        raise InputError(f"Two planes have the same number: {names[0]!r} and {names[1]!r}.")
    if axes is None or len(counting) == 1 or len(axes) >= 2 + len(counting):
        return counting
    alone = [i for i in counting if len(set(columns[i])) == len(names)]
    if not alone or len(axes) < 3:
        raise AxesError(f"{len(counting)} numbers count in names like {names[0]!r}; axes= must name each, first.")
    return alone[:1]


def _axis_before(text: str) -> str | None:
    """Return the axis that the word before a number names: "img_c", "tile Z=", "_w" (of wavelength), "Frame"."""
    found = re.search(r"([A-Za-z]+)[^A-Za-z0-9]*$", text)
    if found is None:
        return None
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", found[1])
    axes = [axis_of("c" if word.lower() in ("w", "wl") else word) for word in (found[1], parts[-1])]
    return next((axis for axis in axes if axis in ("t", "c", "z")), None)


def _arranged(rows: Sequence[Sequence[str]], counting: Sequence[int], axes: Sequence[str | None]) -> Planes:
    def value(text: str, number: bool) -> Any:
        return int(text) if number else text

    numbers = [_is_number([row[i] for row in rows]) for i in counting]
    places: dict[tuple[Any, ...], Sequence[str]] = {}
    for row in rows:
        place = tuple(value(row[i], number) for i, number in zip(counting, numbers, strict=True))
        if place in places:
            raise InputError(f"Two planes have the same number: {''.join(places[place])!r} and {''.join(row)!r}.")
        places[place] = row
    lines = [
        line_of(sorted(set(column), key=lambda v: v if number else v.casefold()), number and axis != "c")
        for column, number, axis in zip(zip(*places, strict=True), numbers, axes, strict=True)
    ]
    if math.prod(map(len, lines)) > len(places):
        missing = (place for place in itertools.product(*lines) if place not in places)
        shown = ", ".join(_renamed(rows[0], counting, place) for place in itertools.islice(missing, 5))
        more = math.prod(map(len, lines)) - len(places) - 5
        raise InputError(f"Planes are missing: {shown}{f' and {more} more' if more > 0 else ''}.")
    names = tuple("".join(places[place]) for place in itertools.product(*lines))
    channels = None
    if "c" in axes:
        at, line = counting[axes.index("c")], lines[axes.index("c")]
        texts = {value(row[at], numbers[axes.index("c")]): row for row in rows}
        before = [re.search(r"[A-Za-z]*[ _-]?$", "".join(texts[each][:at])) for each in line]
        channels = tuple(
            f"{found[0] if found and str(each).isdecimal() else ''}{texts[each][at]}"
            for each, found in zip(line, before, strict=True)
        )
    return Planes(names, tuple(map(len, lines)), tuple(axes), channels)


def line_of(values: Sequence[Any], steady: bool) -> Sequence[Any]:
    """Return all numbers from the first to the last, in the largest step that includes every one.

    Channels and words need not follow each other, and time stamps do not.
    """
    if not steady or len(values) < 2:
        return values
    step = math.gcd(*(after - before for before, after in itertools.pairwise(values)))
    whole = range(values[0], values[-1] + 1, step)
    return whole if len(whole) <= 100 * len(values) else values


def _renamed(row: Sequence[str], counting: Sequence[int], place: Sequence[Any]) -> str:
    """Put other numbers, padded to the width of the old ones, or words into a name."""
    parts = ["*" if _GUID.fullmatch(part) else part for part in row]
    for i, each in zip(counting, place, strict=True):
        parts[i] = each if isinstance(each, str) else f"{each:0{len(parts[i])}d}"
    return "".join(parts)
