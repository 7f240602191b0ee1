"""Being killed at a step on the disk or in a store, within the process; and stores that count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from zarr.storage import MemoryStore

from ome_ngff.store import cells, staging


class Killed(BaseException):
    """What no code of ours catches."""


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Be killed at a step of a change: nothing moves, and nothing is stored in memory, from then on."""
    count = [0]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **words: Any) -> Any:
            count[0] += 1
            if count[0] > step:
                raise Killed
            return real(*args, **words)

        return call

    with monkeypatch.context() as patch:
        moves = {name: dying(getattr(os, name)) for name in ("rename", "replace", "link", "unlink")}
        for module in (cells, staging):  # locks go on, else each step would wait for one that is dead
            patch.setattr(module, "os", SimpleNamespace(**{**vars(os), **moves}))
        for name in ("set", "delete"):
            patch.setattr(MemoryStore, name, dying(getattr(MemoryStore, name)))
        yield count


def counted(monkeypatch: pytest.MonkeyPatch, *steps: tuple[Any, str]) -> SimpleNamespace:
    """Count the steps that are taken, methods of classes by their names, and be killed at the one numbered `last`."""
    count = SimpleNamespace(steps=0, last=None)

    def taken(step: Callable[..., None]) -> Callable[..., None]:
        def take(*given: Any) -> None:
            count.steps += 1
            if count.steps == count.last:
                raise Killed
            step(*given)

        return take

    for owner, name in steps:
        monkeypatch.setattr(owner, name, taken(getattr(owner, name)))
    return count


class Dying(MemoryStore):
    """Be killed at a step: nothing is written or deleted from then on."""

    steps: int = 0
    last: int | None = None

    def _step(self) -> None:
        self.steps += 1
        if self.last is not None and self.steps > self.last:
            raise Killed

    async def set(self, key: str, *rest: Any, **more: Any) -> None:
        self._step()
        await super().set(key, *rest, **more)

    async def delete(self, key: str) -> None:
        self._step()
        await super().delete(key)

    def contents(self) -> dict[str, bytes]:
        return {key: buffer.to_bytes() for key, buffer in self._store_dict.items()}


def dying(contents: dict[str, Any], last: int | None) -> Dying:
    store = Dying(dict(contents))
    store.last = last
    return store


def steps_of(contents: dict[str, Any], call: Callable[[Any], Any]) -> tuple[int, dict[str, bytes]]:
    """Return how many steps a call takes, and what it leaves."""
    whole = dying(contents, None)
    call(whole)
    return whole.steps, whole.contents()


def image_files(place: Any) -> dict[str, bytes]:
    """Return what a store holds but for the journal: the bytes by their keys."""
    if isinstance(place, Path):
        found = {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    else:
        found = {key: buffer.to_bytes() for key, buffer in place._store_dict.items()}
    return {key: content for key, content in found.items() if ".ome_ngff" not in key}


class Watched(MemoryStore):
    """Keep the keys that are read and written, as calls."""

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        self.got: list[str] = []
        self.put: list[str] = []

    def with_read_only(self, read_only: bool = False) -> Watched:
        return self

    async def get(self, key: str, *rest: Any, **more: Any) -> Any:
        self.got.append(key)
        return await super().get(key, *rest, **more)

    async def set(self, key: str, *rest: Any, **more: Any) -> None:
        self.put.append(key)
        await super().set(key, *rest, **more)
