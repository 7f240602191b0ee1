"""Run actors step by step in every possible order, on a folder in memory.

A step is a call of the system: create, list, look at, rename or delete a file. An actor is a plain function: it is run
from its start for each of its steps, and is given what its earlier calls returned. Orders that lead to the same state
go on as one, which leaves some thousands of states of an astronomical number of orders.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import attrs

Actor = Callable[[], None]
Beliefs = frozenset[str]


class Stopped(BaseException):
    """End an actor at its next call; what it does to clean up is no call that is made."""


@attrs.frozen
class History:
    """Remember what the calls of an actor returned, what it believed in then, and whether it has ended."""

    results: tuple[Any, ...] = ()
    beliefs: Beliefs = frozenset()
    ended: bool = False


@attrs.frozen
class State:
    """Hold the files, each with its number, and the actors."""

    files: frozenset[tuple[str, int]]
    actors: tuple[History, ...]
    killed: int = 0


class Folder:
    """Stand in for `os`: one folder, whose files are empty.

    Attributes:
        files: those that are there, each with a number of its own. actor: the number of the one who is at work.
    """

    def __init__(self, believed: Callable[[], Beliefs]) -> None:
        self.believed = believed
        self.files: dict[str, int] = {}
        self.actor: int | None = None
        self._results: list[Any] = []
        self._position = self._wanted = 0
        self._beliefs: Beliefs | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def step(self, state: State, number: int, act: Actor) -> State:
        """Let an actor make one call in a state, and go on up to the next."""
        self.files, self.actor = dict(state.files), number
        self._results, self._position, self._beliefs = list(state.actors[number].results), 0, None
        self._wanted = len(self._results) + 1
        try:
            act()
            ended = True
        except Stopped:
            ended = False
        self.actor = None
        beliefs = self.believed() if self._beliefs is None else self._beliefs
        after = History(tuple(self._results), beliefs, ended)
        actors = (*state.actors[:number], after, *state.actors[number + 1 :])
        return State(frozenset(self.files.items()), actors, state.killed)

    def _call(self, call: Callable[[], Any]) -> Any:
        if self.actor is None:
            return call()
        if self._position == self._wanted:
            self._beliefs = self.believed() if self._beliefs is None else self._beliefs
            raise Stopped
        if self._position == len(self._results):
            try:
                self._results.append(call())
            except OSError as error:
                self._results.append(type(error))
        result = self._results[self._position]
        self._position += 1
        if isinstance(result, type):
            raise result
        return result

    def open(self, path: str, flags: int, mode: int) -> int:
        """Create a file."""
        assert flags & os.O_CREAT
        assert flags & os.O_EXCL
        name = os.path.basename(path)

        def create() -> int:
            if name in self.files:
                raise FileExistsError
            self.files[name] = 0 if self.actor is None else 1000 * (self.actor + 1) + self._position
            return 0

        return self._call(create)

    def close(self, _: int) -> None:
        """Do nothing: files are empty."""

    def listdir(self, _: object) -> tuple[str, ...]:
        """List all files at once, as most file systems do."""
        return self._call(lambda: tuple(sorted(self.files)))

    def lstat(self, path: str) -> SimpleNamespace:
        """Look at a file."""
        number = self._call(lambda: self.files[self._there(path)])
        return SimpleNamespace(st_mode=stat.S_IFREG, st_ino=number, st_mtime_ns=0)

    def unlink(self, path: str) -> None:
        """Delete a file."""
        self._call(lambda: self.files.pop(self._there(path)))

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        self._call(lambda: self.files.update({os.path.basename(new): self.files.pop(self._there(old))}))

    def _there(self, path: str) -> str:
        if os.path.basename(path) not in self.files:
            raise FileNotFoundError
        return os.path.basename(path)


class CarelessFolder(Folder):
    """List files one after the other: what is renamed meanwhile is missed under either name, as Btrfs may do."""

    def listdir(self, folder: object) -> tuple[str, ...]:
        """List the files that are there at the beginning and at the end."""
        early = super().listdir(folder)
        return self._call(lambda: tuple(name for name in early if name in self.files))


def explore(folder: Folder, actors: Sequence[Actor], *, kills: int = 0) -> Iterator[State]:
    """Return every state that actors can come to, where so many of them may be killed at any time."""
    first = State(frozenset(folder.files.items()), (History(),) * len(actors))
    seen, ahead = {first}, [first]
    while ahead:
        state = ahead.pop()
        yield state
        for number, actor in enumerate(state.actors):
            if not actor.ended:
                after = [folder.step(state, number, actors[number])]
                if state.killed < kills:
                    dead = attrs.evolve(actor, beliefs=frozenset(), ended=True)
                    rest = (*state.actors[:number], dead, *state.actors[number + 1 :])
                    after.append(State(state.files, rest, state.killed + 1))
                ahead += [new for new in after if new not in seen]
                seen.update(after)
