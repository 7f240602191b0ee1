"""Words of messages: names that are close, sizes, lists, values cut short."""

from __future__ import annotations

import difflib
import json
import reprlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from typing import Any

from .exceptions import OptionError


def nearest_word(word: str, known: Iterable[str], alike: float = 0.6) -> str:
    """Return " Did you mean 'x'?" for the known word most like `word`, or an empty string; `alike` is at most 1."""
    folded = {str(k).casefold(): str(k) for k in known}
    close = difflib.get_close_matches(str(word).casefold(), folded, n=1, cutoff=alike)
    return f" Did you mean {folded[close[0]]!r}?" if close else ""


def refuse_unknown(unknown: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise `OptionError` for the first of the `unknown` words, naming the nearest known one."""
    for word in unknown:
        known = list(known)
        raise OptionError(
            f"{where} does not know {word!r}.{nearest_word(word, known)} Known: {', '.join(sorted(known))}."
        )


_silent: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silent() -> Iterator[None]:
    """Let `warn` say nothing, in this thread alone: for files of many that only repeat what the first one said."""
    before = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(before)


def warn(message: str) -> None:
    """Warn at the line outside this package that led here."""
    if _silent.get():
        return
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and (
        frame.f_globals.get("__name__", "").partition(".")[0] == __package__ or frame.f_code.co_filename[:1] == "<"
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def counted(n: int, what: str) -> str:
    """Write how many there are of something: 1 well, 2 wells."""
    return f"{n} {what}{'s' * (n != 1)}"


def by(lengths: Sequence[int]) -> str:
    """Write lengths: 64 x 256 x 256."""
    return " x ".join(map(str, lengths))


def size(n: float) -> str:
    """Write a number of bytes: 70.1 KiB."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if n < 1024 or unit == "TiB":
            break
        n /= 1024
    return f"{n:.0f} {unit}" if n >= 100 or unit == "B" else f"{n:.1f} {unit}"


_short = reprlib.Repr()
_short.maxlevel, _short.maxstring, _short.maxother, _short.maxlong = 3, 60, 60, 60


def show(value: Any) -> str:
    """Write a value for a message, shortened where it is long or deep."""
    try:
        return _short.repr(value)
    except ValueError:  # Python refuses to write integers of thousands of digits
        return f"<{type(value).__name__} that is too long to write>"


def printable(text: str) -> str:
    """Return text from outside for a terminal: what is no letter to be seen, such as an escape, is spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def mapping_of(value: Any, what: str) -> dict[Any, Any]:
    """Return an argument that is a dict, copied; empty for None. Raise `OptionError` for anything else."""
    if value is None or isinstance(value, Mapping):
        return dict(value or {})
    raise OptionError(f"{what} is a dict (got {show(value)}).")


def list_of(value: Any, what: str) -> list[Any]:
    """Return an argument that is a list or anything like it, copied. Raise `OptionError` for anything else."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return list(value)
    raise OptionError(f"{what} is a list (got {show(value)}).")


def cut(text: str, most: int) -> str:
    """Return text for a person in one line of at most so many characters."""
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def listed(names: Sequence[str], most: int = 8, comma: str = ",") -> str:
    """Write names for a message, the first of them where there are many."""
    short = [name if len(name) <= 60 else f"{name[:60]}..." for name in names[:most]]
    return comma.join([*short, "..."] if len(names) > most else short)


def whole_number(value: Any) -> int | None:
    """Return a number that is whole, such as 2, 2.0 or NumPy's, as an int; None for anything else."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return int(value) if number and value // 1 == value else None


def same_json(a: Any, b: Any) -> bool:
    """Return whether two values are the same once written as JSON."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
