"""What all tests share: fixtures from the registries, the settings of Hypothesis, a home for compiled kernels."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers import InUnits
from hypothesis import HealthCheck, settings

from ome_ngff.engine import run
from ome_ngff.engine.surroundings import active_client
from ome_ngff.format import Format, format_implementations
from ome_ngff.methods import Method, Methods
from ome_ngff.store import Holder

# Kernels are compiled once for all workers, runs and environments; numba's cache knows the source and the Python.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "numba"))

# The same examples for everybody, so that a failure can be repeated. `--hypothesis-profile=thorough` looks further, and
# `brief` is for those who have seen them.
_patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("quick", max_examples=25, derandomize=True, **_patient)
settings.register_profile("brief", max_examples=10, derandomize=True, **_patient)
settings.register_profile("thorough", max_examples=1000, **_patient)
settings.load_profile("quick")

_ONE_OF = 6  # cases of a test


# Thousands of small files come and go. On a disk with ext4 each new one waits while those that have just gone are
# looked through; so they live in memory where there is enough of it, and nobody has said --basetemp.
_MEMORY, _ENOUGH = Path("/dev/shm"), 8 * 2**30
if _MEMORY.is_mount() and shutil.disk_usage(_MEMORY).free > _ENOUGH:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--brief", action="store_true", help=f"run every other test, and of its cases one in {_ONE_OF}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--brief"):
        tests = [item.nodeid.partition("[")[0] for item in items]
        every_other, cases = {*list(dict.fromkeys(tests))[::2]}, Counter[str]()
        kept = []
        for item, test in zip(items, tests, strict=True):
            if test in every_other and cases[test] % _ONE_OF == 0:
                kept.append(item)
            cases[test] += 1
        config.hook.pytest_deselected(items=[*({*items} - {*kept})])
        items[:] = kept


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave alone what stays to the end: modules, and thousands of tests."""
    gc.collect()
    gc.freeze()


WRITABLE = [pytest.param(member.method, id=member.value) for member in Methods if not member.method.in_memory]


@pytest.fixture(scope="session", params=WRITABLE)
def any_method(request: pytest.FixtureRequest) -> Method:
    """Each method that an image can be written with, from the registry."""
    return request.param


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    """A place in memory that no other test uses, as a URL: fsspec has one memory for the whole process."""
    return f"memory://{tmp_path.name}"


@pytest.fixture(scope="session", params=[pytest.param(f, id=str(f.version)) for f in format_implementations()])
def any_format(request: pytest.FixtureRequest) -> Format:
    """Each version of the format, from the registry."""
    return request.param


@pytest.fixture(autouse=True)
def count_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `InUnits` know of each unit that is done, and of how many there are."""
    note = Holder.note

    def counted(self: Holder, what: str) -> None:
        note(self, what)
        if self in InUnits.of:
            InUnits.of[self].done += 1

    def begun(job: Any, done: set[str], progress: Any, end: Any) -> None:
        if isinstance(progress, InUnits):
            progress.begin(job.holder, len(done), job.plan.units, by_calls=active_client() is not None)
        run(job, done, progress, end)

    monkeypatch.setattr(Holder, "note", counted)
    monkeypatch.setattr("ome_ngff.write.execution.run", begun)
