"""A rule of the specification: a check, whose docstring is the sentence that it implements.

    @AXES.must("axes-unique", at=..., wrong=...)
    def _unique(axes, where):
        'The values MUST be unique across all "name" fields.'
        if ...:
            yield where, "what was wanted (and what came)", "the way out"

`RULES` has all rules by id, each with a wrong example, for the tests and the documentation.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeGuard

import attrs

from ...exceptions import Finding
from ...text import show

Faults = Iterator[tuple[str, str, str]]
Check = Callable[..., Faults]
Severity = Literal["error", "warning", "note"]


MISSING: Final = attrs.NOTHING


@attrs.frozen
class Rule:
    """A rule of the specification.

    Attributes:
        id: stable name, such as "axes-order".
        severity: "error" for a MUST, "warning" for a SHOULD, "note" for what is worth knowing.
        words: the sentence of the specification.
        kind: kind of document that the rule applies to.
        at: place of the example in the sample document of this kind, where the sample itself is right.
        wrong: value that breaks the rule there, or `MISSING` if leaving the value out breaks it.
        form: whether the other rules for this part apply only if this one is kept.
        since, until: the first and the last version that has the rule.
        check: takes any JSON value, and yields where, what and hint for each fault.
    """

    id: str
    severity: Severity
    words: str
    kind: str
    at: str
    wrong: Any
    form: bool
    check: Check = attrs.field(repr=False)
    since: str = ""
    until: str = "~"

    def holds(self, version: str) -> bool:
        """Return whether a version has the rule."""
        return self.since <= version <= self.until


RULES: dict[str, Rule] = {}


class Rules:
    """The rules for one part of a document, in the order in which they are checked.

    Args:
        kind: kind of document that has this part, as in `Format.findings`.
        book: dict in which the rules are registered.
        versions: `since` and `until` of the rules that do not state their own.
    """

    def __init__(self, kind: str, book: dict[str, Rule] = RULES, **versions: str) -> None:
        self.kind, self._versions = kind, versions
        self._book = book
        self._rules: list[Rule] = []

    def must(self, id: str, words: str = "", **example: Any) -> Callable[[Check], Check]:
        """Register the decorated check as an error; without `words`, its docstring has the sentence."""
        return self._registered("error", id, words, **example)

    def should(self, id: str, words: str = "", **example: Any) -> Callable[[Check], Check]:
        """Register the decorated check as a warning."""
        return self._registered("warning", id, words, **example)

    def note(self, id: str, words: str = "", **example: Any) -> Callable[[Check], Check]:
        """Register the decorated check as a note."""
        return self._registered("note", id, words, **example)

    def __call__(self, *part: Any, version: str | None = None) -> Iterator[Finding]:
        """Check a part, given as the arguments of the checks, and yield the findings; `version` leaves rules out."""
        for rule in self._rules if version is None else [rule for rule in self._rules if rule.holds(version)]:
            found = False
            for where, what, hint in rule.check(*part):
                found = True
                yield Finding(rule.severity, rule.id, where, what, hint)
            if found and rule.form:
                return

    def _registered(
        self, severity: Severity, id: str, words: str, *, at: str, wrong: Any, form: bool = False, **versions: str
    ) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            sentence = words or re.sub(r"\n\s*", " ", check.__doc__ or "").strip()
            held = {**self._versions, **versions}
            self._book[id] = Rule(id, severity, sentence, self.kind, at, wrong, form, check, **held)
            self._rules.append(self._book[id])
            return check

        return register


# Questions that a check can ask of any JSON value ------------------------------------------------------------------


class Entry(NamedTuple):
    """An object in a list, and its place."""

    where: str
    value: Mapping[str, Any]


def is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    """Return whether JSON would write the value as a list."""
    return isinstance(value, (list, tuple))


def is_objects(value: Any) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    """Return whether the value is a list of at least one object, and of nothing else."""
    return is_list(value) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def is_integer(value: Any, least: int | None = None) -> TypeGuard[int]:
    """Return whether the value is an integer, not a bool, and at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether the value is a finite number that a float can hold; a bool is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def entries(value: Any, where: str) -> list[Entry]:
    """Return the objects in a list, each with its place; empty if the value is not a list."""
    items = value if is_list(value) else ()
    return [Entry(f"{where}[{index}]", item) for index, item in enumerate(items) if isinstance(item, Mapping)]


def stated(**parts: Any) -> dict[str, Any]:
    """Return the parts of a document that are not None."""
    return {key: value for key, value in parts.items() if value is not None}


def part_of(value: Any, key: str) -> Any:
    """Return `value[key]`, or None if the value is not an object with this key."""
    return value.get(key) if isinstance(value, Mapping) else None


def path_fault(path: Any, *, climb: bool = False) -> str:
    """Return what is wrong with a value as a relative path, or an empty string.

    Args:
        path: any JSON value.
        climb: allow "..", for paths that may lead to any group of the same store.
    """
    if not isinstance(path, str):
        return f"A path must be a string (got {show(path)})."
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]|\w+://", path):
        return f"A path must be relative to its group (got {show(path)})."
    names = re.split(r"[/\\]", path.rstrip("/") if climb else path)
    if climb:
        names = [name for name in names if name not in ("..", ".")] or ["here"]
    if ".." in names:
        return f"A path must lead to something below its group (got {show(path)})."
    if any(name.strip(".") == "" for name in names):
        return f"A path must consist of names with '/' between them (got {show(path)})."
    return ""


RESERVED = frozenset(["zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"])


def name_fault(path: str) -> str:
    """Return what keeps a relative path from being that of something new, or an empty string."""
    for name in path.split("/"):
        if name in RESERVED or name.startswith(".ome_ngff"):
            return f"{show(name)} is the name of something else in a store."
        if "\\" in name or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            return f"A name has no backslashes and no control characters (got {show(name)})."
        if len(name.encode()) > 200:
            return f"A name is at most 200 bytes long (got {len(name.encode())} in {show(name)})."
    return ""


def is_alphanumeric(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch("[A-Za-z0-9]+", name) is not None
