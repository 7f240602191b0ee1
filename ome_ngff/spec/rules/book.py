"""What a rule of the specification is: its words, and below them the check that they stand for.

    @AXES.must("axes-unique", 'The values MUST be unique across all "name" fields.', at=..., wrong=...)
    def _unique(axes, where):
        if ...:
            yield where, "what was wanted (and what came)", "the way out"

`RULES` has all of them by id, with a wrong example each: the tests and the documentation read it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeGuard

import attrs

from ...exceptions import Finding

Faults = Iterator[tuple[str, str, str]]
Check = Callable[..., Faults]
Severity = Literal["error", "warning", "note"]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@attrs.frozen
class Rule:
    """State one rule.

    Attributes:
        id: stable name, such as "axes-order".
        severity: "error" for a MUST, "warning" for a SHOULD, "note" for what is worth knowing.
        words: the sentence of the specification.
        kind: kind of document that the rule speaks of.
        at: place in the sample document of this kind where the example stands; what the sample has there is right.
        wrong: value there that breaks the rule, or `MISSING` where it is wrong that there is none.
        form: without this form the part cannot be asked about anything else.
        check: yields where, what and the way out for each fault; takes any JSON value.
    """

    id: str
    severity: Severity
    words: str
    kind: str
    at: str
    wrong: Any
    form: bool
    check: Check = attrs.field(repr=False)


RULES: dict[str, Rule] = {}


class Rules:
    """Hold the rules about one part of a document, in the order in which they are asked.

    Args:
        kind: kind of document that has this part, as `Format.findings` takes it.
        book: where the rules are registered.
    """

    def __init__(self, kind: str, book: dict[str, Rule] = RULES) -> None:
        self.kind = kind
        self._book = book
        self._rules: list[Rule] = []

    def must(self, id: str, words: str, *, at: str, wrong: Any, form: bool = False) -> Callable[[Check], Check]:
        """Register the decorated check as an error."""
        return self._registered("error", id, words, at, wrong, form)

    def should(self, id: str, words: str, *, at: str, wrong: Any) -> Callable[[Check], Check]:
        """Register the decorated check as a warning."""
        return self._registered("warning", id, words, at, wrong, False)

    def note(self, id: str, words: str, *, at: str, wrong: Any) -> Callable[[Check], Check]:
        """Register the decorated check as a note."""
        return self._registered("note", id, words, at, wrong, False)

    def __call__(self, *part: Any) -> Iterator[Finding]:
        """Yield what is wrong with a part; the arguments are those of the checks."""
        for rule in self._rules:
            found = False
            for where, what, hint in rule.check(*part):
                found = True
                yield Finding(rule.severity, rule.id, where, what, hint)
            if found and rule.form:
                return

    def _registered(
        self, severity: Severity, id: str, words: str, at: str, wrong: Any, form: bool
    ) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            self._book[id] = Rule(id, severity, words, self.kind, at, wrong, form, check)
            self._rules.append(self._book[id])
            return check

        return register


# How a check asks a value that it does not trust -------------------------------------------------------------------


class Entry(NamedTuple):
    """Name one object of a list: where it stands, and the object."""

    where: str
    value: Mapping[str, Any]


def is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    """Tell whether JSON would write the value as a list."""
    return isinstance(value, (list, tuple))


def is_objects(value: Any) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    """Tell whether the value is a list of objects and has at least one."""
    return is_list(value) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def is_integer(value: Any, least: int | None = None) -> TypeGuard[int]:
    """Tell whether the value is an integer (a bool is not) and not below `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether the value is a number that a float can hold: no bool, no NaN, no infinity."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def entries(value: Any, where: str) -> list[Entry]:
    """Return the objects of a list, each with its place; what is no object, or in no list, is left out."""
    items = value if is_list(value) else ()
    return [Entry(f"{where}[{index}]", item) for index, item in enumerate(items) if isinstance(item, Mapping)]


def part_of(value: Any, key: str) -> Any:
    """Return `value[key]`, or None where there is no such thing."""
    return value.get(key) if isinstance(value, Mapping) else None
