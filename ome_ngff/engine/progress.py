"""Progress: a bar where somebody looks at a terminal or a notebook, a line now and then in a log, or a call."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import attrs

from ..exceptions import OptionError
from ..text import size

Progress = bool | Callable[[int, int], object] | None
LINE_SECONDS, BAR_SECONDS = 10.0, 0.5
_WIDTH = 30  # of a bar of text


def check_progress(progress: object) -> None:
    """Raise `OptionError` where `progress` is not something that `metered` takes."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise OptionError(f"progress is True, False, None or a callable of (done, total) (got {progress!r}).")


@attrs.define(eq=False)
class Meter:
    """Count what is done, on any thread.

    Attributes:
        done: of `total`. what: is going on. told: is called with both on the thread that made the meter.
    """

    done: int
    total: int
    what: str = ""
    told: Callable[[int, int], object] | None = None
    _moved: Callable[[int], object] | None = None
    _begun: int = attrs.field(init=False)
    _said: int = attrs.field(init=False, default=-1)
    _start: float = attrs.field(init=False, factory=lambda: time.monotonic())
    _owner: int = attrs.field(init=False, factory=threading.get_ident)
    _lock: threading.Lock = attrs.field(init=False, factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        self._begun = self.done

    def add(self, amount: int) -> None:
        """Count more."""
        with self._lock:
            self.done += amount
            if self._moved is not None:
                self._moved(self.done)
        self.show()

    def show(self) -> None:
        """Tell what is done, unless that has been told; on another thread, let the one that waits do it."""
        if self.told is not None and threading.get_ident() == self._owner and self._said != self.done:
            self._said = self.done
            self.told(self._said, self.total)

    def line(self, *, bar: bool = False) -> str:
        """Say what is done, how fast, and what time is left."""
        passed, share = time.monotonic() - self._start, self.done / max(self.total, 1)
        rate = (self.done - self._begun) / passed if passed > 0 else 0.0
        left = f", {_clock((self.total - self.done) / rate)} left" if rate and self.done < self.total else ""
        drawn = f" [{'#' * int(_WIDTH * share):<{_WIDTH}}]" if bar else ":"
        return f"{self.what}{drawn} {size(self.done)} of {size(self.total)} ({share:.0%}), {size(rate)}/s{left}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def metered(progress: Progress, done: int, total: int, what: str = "writing") -> Iterator[Meter]:
    """Yield a meter of bytes.

    Args:
        progress: True for a bar or lines, a callable that gets the bytes done and in all, or None for silence.
        done: bytes that were done before. total: all bytes. what: what is going on, for the bar.
    """
    if progress is True:
        with _shown(done, total, what) as meter:
            yield meter
    else:
        meter = Meter(done, total, what, progress or None)
        meter.show()
        yield meter


@contextmanager
def counter(
    progress: Progress, done: int, total: int, size: int, what: str = "writing"
) -> Iterator[Callable[[], None]]:
    """Yield a function to be called after each of some equal parts.

    Args:
        progress: as in `metered`, but a callable gets the parts done and in all.
        done, total: parts. size: bytes of all parts. what: what is going on, for the bar.
    """
    with metered(progress, *((done, total) if callable(progress) else (size * done // max(total, 1), size)), what) as m:
        yield lambda: m.add(1 if callable(progress) else size // max(total, 1))


@contextmanager
def _shown(done: int, total: int, what: str) -> Iterator[Meter]:
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter and find_spec("ipywidgets") is None:  # without which rich shows nothing
        with _said(Meter(done, total, what), BAR_SECONDS, sys.stdout, bar=True) as meter:
            yield meter
    elif not console.is_jupyter and not console.is_terminal:
        with _said(Meter(done, total, what), LINE_SECONDS, sys.stderr, bar=False) as meter:
            yield meter
    else:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn(what), *columns, console=console) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield Meter(done, total, what, moved=lambda now: bar.update(task, completed=now))


@contextmanager
def _said(meter: Meter, seconds: float, stream: Any, *, bar: bool) -> Iterator[Meter]:
    """Write a line at intervals, over the one before where it is a bar; nothing for what takes no longer than one."""
    ended, said = threading.Event(), threading.Event()

    def say() -> None:
        stream.write(f"\r{meter.line(bar=True)}   " if bar else f"{meter.line()}\n")
        stream.flush()

    def run() -> None:
        while not ended.wait(seconds):
            said.set()
            say()

    thread = threading.Thread(target=run, name="ome_ngff-progress", daemon=True)
    thread.start()
    try:
        yield meter
    finally:
        ended.set()
        thread.join()
        if bar or said.is_set():
            say()
        if bar:
            stream.write("\n")
