"""What other processes do in the tests of claims; imports little, so that they start fast."""

from __future__ import annotations

import time
from pathlib import Path

from ome_ngff.store.claims import Claims
from ome_ngff.store.slots import FolderSlots


def add_one_each(folder: Path, times: int) -> None:
    """Add to the number in a file, again and again."""
    for _ in range(times):
        with Claims(FolderSlots(folder)).alone("lock"):
            number = int((folder / "number").read_text())
            (folder / "number").write_text(str(number + 1))


def queue_up(folder: Path, names: int, me: int) -> None:
    """Be alone at each of some names, and write down who was in before."""
    for name in map(str, range(names)):
        with Claims(FolderSlots(folder)).alone(name, 2.0):
            before = (folder / f"{name}-list").read_text()
            (folder / f"{name}-list").write_text(f"{before}{me}")


def hold_until_told(folder: Path, patience: float) -> None:
    """Hold a lock until there is a file `leave`."""
    with Claims(FolderSlots(folder)).alone("lock", patience):
        (folder / "held").touch()
        while not (folder / "leave").exists():
            time.sleep(0.01)
