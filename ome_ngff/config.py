"""Settings of the process: attributes of this module's `config`, environment variables, or a `with` block.

>>> from ome_ngff import config
>>> with config.set(memory_target="1GB"):
...     config.memory_target
1000000000
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from .exceptions import OptionError
from .text import refuse_unknown

Given = TypeVar("Given")
Held = TypeVar("Held")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def in_child(reset: Callable[[], object]) -> Callable[[], object]:
    """Call a function in each process that is forked from this one; decorates what makes locks and threads anew."""
    if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
        os.register_at_fork(after_in_child=reset)
    return reset


def parse_bytes(value: str | int | float) -> int:
    """Turn "2GB", "512MiB" or a number into bytes (an int above zero).

    Raises:
        OptionError: the text is not a size.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([kmgt]?i?)b?\s*", value.lower(), re.ASCII)
        if match is None or match[2] not in _UNITS:
            raise OptionError(f"A size looks like 512MiB or 2GB (got {value!r}).")
        value = float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < 2**63:
        raise OptionError(f"A size is a number of bytes above zero (got {value!r}).")
    return int(value)


def _count(value: str | int) -> int:
    with suppress(TypeError, ValueError):
        if int(value) >= 1:
            return int(value)
    raise OptionError(f"A number of workers is a whole number above zero (got {value!r}).")


def _seconds(value: str | float) -> float:
    with suppress(TypeError, ValueError):
        if 0 < float(value) < 1e6:
            return float(value)
    raise OptionError(f"A patience is a number of seconds above zero (got {value!r}).")


def _options(value: str | Mapping[str, Any]) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(value) if isinstance(value, str) else value
        if isinstance(found, Mapping) and all(isinstance(name, str) for name in found):
            return dict(found)
    raise OptionError(f"store_options is a dict, or the text of one in JSON (got {value!r}).")


class _Setting(Generic[Given, Held]):
    """Hold a setting: parse what is assigned; begin with `OME_NGFF_<NAME>`, read at first use, or a default."""

    def __init__(self, default: Given, parse: Callable[[Given], Held]) -> None:
        self.default, self.parse = default, parse

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Config, owner: type | None = None) -> Held:
        if self.name not in instance._held:
            variable = f"OME_NGFF_{self.name.upper()}"
            try:
                instance._held[self.name] = self.parse(os.environ.get(variable, self.default))  # type: ignore[arg-type]
            except OptionError as error:
                raise OptionError(f"{variable} cannot be used: {error}") from None
        value: Held = instance._held[self.name]
        return value

    def __set__(self, instance: Config, value: Given) -> None:
        instance._held[self.name] = self.parse(value)


class Config:
    """What the engine may use. Every field can be set as an attribute and by `OME_NGFF_<NAME>`.

    Attributes:
        memory_target: bytes that all that is worked on at once may hold (default 512 MiB). A constant on purpose:
            the same job gives the same tasks on a laptop and on a node with a terabyte. Contrast is measured in
            16 MiB of pixels whatever the target, so that it is the same everywhere.
        task_target: bytes of pixels that one task should cover (default 128 MiB), so that progress moves and a resumed
            write repeats little; more, up to two memory targets, where pixels in memory can so be written in one pass.
        workers: threads that work at once (default: the number of cores).
        claim_patience: seconds of silence after which a process that helps to write an image (`join=True`) is taken for
            dead, and its work done by another (default 60).
        cache_store: directory for temporary arrays (default: the system's temporary directory).
        store_options: words for the stores behind all URLs, such as `{"endpoint_url": "http://localhost:9000"}`
            (default: none; as a variable of the environment in JSON).
    """

    __slots__ = ("_held",)

    memory_target = _Setting[str | float, int](512 * 2**20, parse_bytes)
    task_target = _Setting[str | float, int](128 * 2**20, parse_bytes)
    workers = _Setting[str | int, int](os.cpu_count() or 1, _count)
    claim_patience = _Setting[str | float, float](60.0, _seconds)
    cache_store = _Setting[str | Path, Path](tempfile.gettempdir(), lambda place: Path(place).absolute())

    store_options = _Setting[str | Mapping[str, Any], dict[str, Any]]({}, _options)

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    @contextmanager
    def set(self, **values: Any) -> Iterator[Config]:
        """Change settings inside a `with` block."""
        refuse_unknown([name for name in values if name not in _NAMES], _NAMES, "config")
        before = dict(self._held)
        try:
            for name, value in values.items():
                setattr(self, name, value)
            yield self
        finally:
            self._held.clear()
            self._held.update(before)

    def check(self) -> None:
        """Read all settings, so that none is found to be wrong when something has been done already.

        Raises:
            OptionError: a variable of the environment cannot be used.
        """
        for name in _NAMES:
            getattr(self, name)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in _NAMES} | {
            "store_options": sorted(self.store_options)
        }  # no keys
        return f"Config({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


_NAMES = [name for name, setting in vars(Config).items() if isinstance(setting, _Setting)]


#: the settings of this process
#:
#: :meta hide-value:
config = Config()
