"""Make the stores of this folder: `python tests/data/unfinished/make.py`, from a checkout of version 0.1.0.

It was run with version 0.1.0 and is kept for the record. Nobody runs it again: later versions have to finish what 0.1.0
left unfinished, and make exactly what it would have made. It reaches into modules as they were in 0.1.0.

For every case of `tests/unfinished.py` there is `<case>.unfinished.zip`, the folder as a killed process left it, with
the temporary array in `cache` where there was one; and the same call undisturbed as `<expected>.expected.zip`, which
cases may share. The process dies as it is about to note a unit, whose chunks are on disk then; `STOPS` says where it
dies elsewhere. The name of the write in its mark, else drawn at random, is fixed, and so is what a ZIP holds beside the
files, so that each run makes the same bytes.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import NAMESPACE_URL, uuid5

HERE = Path(__file__).parent
STOPS = {
    "replacing-begun": "ome_ngff.existing.clear",  # the mark is there, and all of the old image
    "one-unit": "ome_ngff.journal.finish",  # all chunks are there; nothing was noted, because one unit is no journal
    "labels-unregistered": "ome_ngff.journal.forget_units",  # the metadata are there; the image does not list them yet
    "command-line-unmeasured": "ome_ngff.journal.forget_units",  # the metadata are there; `omero` is not
}
STRAYS = {"zarr-v2": "image.zarr/0/2/2.0123456789abcdef0123456789abcdef.partial"}  # half a chunk that Zarr had begun


def main() -> None:
    """Make all stores."""
    sys.path.insert(0, str(HERE.parents[1]))
    unfinished, ome_ngff = (importlib.import_module(name) for name in ("unfinished", "ome_ngff"))
    assert ome_ngff.__version__ == "0.1.0", ome_ngff.__version__
    for file in HERE.glob("*.zip"):
        file.unlink()
    for name, case in unfinished.CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            whole, half = Path(folder) / "whole", Path(folder) / "half"
            for place in (whole, half):
                place.mkdir()
                case.before(place)
            case.start(whole)
            with killed(name, 0 if name in STOPS else len(case.noted)):
                case.start(half)
            if name in STRAYS:
                (half / STRAYS[name]).parent.mkdir(parents=True, exist_ok=True)
                (half / STRAYS[name]).write_bytes(b"half")
            store(packed(half, unfinished.PLACE, unfinished.CACHE), HERE / f"{name}.unfinished.zip")
            store(packed(whole, unfinished.PLACE), HERE / f"{case.expected}.expected.zip")


@contextmanager
def killed(name: str, after: int) -> Iterator[None]:
    """Let a function of 0.1.0 die in place of a call, once it was called so often; what then comes up is swallowed."""
    module, _, function = STOPS.get(name, "ome_ngff.journal.note").rpartition(".")
    wanted = getattr(importlib.import_module(module), function)
    calls: list[int] = []

    def dies(*arguments: Any) -> None:
        calls.append(len(calls))
        if len(calls) > after:
            raise KeyboardInterrupt
        wanted(*arguments)

    with patch(f"{module}.{function}", dies), patch("ome_ngff.journal.uuid4", lambda: uuid5(NAMESPACE_URL, name)):
        with suppress(KeyboardInterrupt, AssertionError):  # of Python, and of a command line that failed
            yield
        assert len(calls) == after + 1, (name, len(calls))


def packed(folder: Path, *places: str) -> bytes:
    """Pack the files below some places in a folder."""
    paths = [path for place in places for path in sorted((folder / place).rglob("*")) if path.is_file()]
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in paths:
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            info.create_system = 3
            archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return content.getvalue()


def store(content: bytes, file: Path) -> None:
    """Write a file; what another case has written there is the same."""
    assert not file.exists() or file.read_bytes() == content, file
    file.write_bytes(content)


if __name__ == "__main__":
    main()
