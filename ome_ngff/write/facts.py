"""What is said of frames, such as when they were taken: one line of JSON for each, in a file of the image's group."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from numbers import Real
from typing import Any

import attrs

from ..exceptions import OptionError
from ..store import FRAMES, Holder, read_bytes

_UNEVEN = 0.05  # of a step: what times may differ by that are still regular


@attrs.define
class Steps:
    """Look at times one by one: whether they are regular, and the step between them."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0
    shortest: float = math.inf
    longest: float = -math.inf

    def add(self, time: Any) -> None:
        """Look at the next time; what is not a number makes them irregular."""
        number = float(time) if isinstance(time, Real) and not isinstance(time, bool) else math.nan
        if self.count:
            self.shortest, self.longest = min(self.shortest, number - self.last), max(self.longest, number - self.last)
        else:
            self.first = number
        self.last, self.count = number, self.count + 1
        if math.isnan(number):
            self.longest = math.inf

    @property
    def step(self) -> float | None:
        """The step, if all steps are the same but for a twentieth; None where there is none."""
        if self.count < 2:
            return None
        step = (self.last - self.first) / (self.count - 1)
        regular = step > 0 and self.longest - step <= _UNEVEN * step and step - self.shortest <= _UNEVEN * step
        return float(f"{step:.12g}") if regular else None


@attrs.define(eq=False)
class FactLog:
    """Write what is said of frames, once these are complete.

    Attributes:
        holder: writes the group. names: of the axes. axis: number of the one that grows.
        lines: of the file; in a folder, where they are added, the last ones.
    """

    holder: Holder
    names: tuple[str, ...]
    axis: int
    lines: bytes = b""
    _steps: Steps = attrs.field(factory=Steps)
    _waiting: dict[int, dict[tuple[int, ...], dict[str, Any]]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, holder: Holder, names: tuple[str, ...], axis: int, length: int) -> FactLog:
        """Read what is said of the time points that are complete, `length` of them; other lines are taken away."""
        found, target = cls(holder, names, axis), holder.target
        stored = read_bytes(target, FRAMES) or b""
        kept: list[bytes] = []
        last = -1
        for line in stored.splitlines(keepends=True):
            with suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                now = said[names[axis]]
                if line.endswith(b"\n") and now < length:
                    kept.append(line)
                    if now > last and "time" in said:
                        found._steps.add(said["time"])
                        last = now
        found.lines = b"".join(kept)
        if found.lines != stored:
            holder.put(FRAMES, found.lines)
        return found

    @property
    def name(self) -> str:
        """Name of the file; empty where nothing is said."""
        return FRAMES if self.lines else ""

    @property
    def step(self) -> float | None:
        """Time from one time point to the next, where that is regular."""
        return self._steps.step if self.names[self.axis] == "t" else None

    def parsed(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is said of a frame as JSON.

        Raises:
            OptionError: it cannot be that, or has the name of an axis.
        """
        taken = sorted(set(facts) & set(self.names))
        if taken:
            raise OptionError(f"{taken[0]!r} says which frame it is; give what is said of it another name.")
        try:
            said: dict[str, Any] = json.loads(json.dumps(facts, default=_plain, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise OptionError(f"What is said of a frame is written as JSON, which {facts!r} is not: {error}") from None
        return said

    def add(self, index: tuple[int, ...], said: dict[str, Any]) -> None:
        """Hold what is said of a frame until its time point is complete."""
        if said:
            self._waiting.setdefault(index[self.axis], {})[index] = said

    def publish(self, old: int, new: int) -> None:
        """Write what is said of the time points that will be complete."""
        lines = ""
        for frames in (self._waiting.pop(now) for now in range(old, new) if now in self._waiting):
            times = [said["time"] for _, said in sorted(frames.items()) if "time" in said]
            for time in times[:1]:
                self._steps.add(time)
            for index, said in sorted(frames.items()):
                lines += json.dumps({**dict(zip(self.names, index, strict=False)), **said}) + "\n"
        if lines:
            self.lines = (self.lines if self.holder.target.folder is None else b"") + lines.encode()
            self.holder.append(FRAMES, lines.encode(), self.lines)


def _plain(value: Any) -> Any:
    """Return what JSON has for numbers and arrays of NumPy, and for dates."""
    for word in ("tolist", "isoformat"):
        if hasattr(value, word):
            return getattr(value, word)()
    raise TypeError(f"{type(value).__name__} is not known there")
