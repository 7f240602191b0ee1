"""Progress of a write: a bar on the terminal, or a call per finished unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..exceptions import OptionError

Progress = bool | Callable[[int, int], object] | None


def check_progress(progress: object) -> None:
    """Raise `OptionError` where `progress` is not something that `counter` takes."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise OptionError(f"progress is True, False, None or a callable of (done, total) (got {progress!r}).")


@contextmanager
def counter(
    progress: Progress, done: int, total: int, size: int, what: str = "writing"
) -> Iterator[Callable[[], None]]:
    """Yield a function to be called after each unit.

    Args:
        progress: True for a bar, a callable that gets the units done and their total, or None for silence.
        done: units that were done before. total: all units. size: bytes that all units read.
        what: what is going on, for the bar.
    """
    if progress is None or progress is False:
        yield lambda: None
    elif progress is True:
        with _bar(done, total, size, what) as advance:
            yield advance
    else:
        report, state = progress, [done]
        report(done, total)

        def count() -> None:
            state[0] += 1
            report(state[0], total)

        yield count


@contextmanager
def _bar(done: int, total: int, size: int, what: str) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn(what), *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=size, completed=size * done // max(total, 1))
        yield lambda: bar.advance(task, size / max(total, 1))
