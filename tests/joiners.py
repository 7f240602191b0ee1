"""What other processes do in the tests of joined writes: make the same call, and count the units that they do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import ome_ngff
from ome_ngff import write_image
from ome_ngff.engine import sharing

SHAPE = (48, 70, 90)
WORDS: dict[str, Any] = {
    "axes": "zyx",
    "scale_factors": [{axis: 2**k for axis in "zyx"} for k in (1, 2, 3)],
    "chunks": 8,
    "method": "gaussian",
}
SMALL = {"memory_target": "400kB", "task_target": "50kB", "workers": 2}


def volume() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 4000, SHAPE).astype("uint16")


def join(place: str, told: str, patience: float) -> None:
    """Join the write, and write down each unit that is done here."""
    run = sharing.run_unit

    def counted(job: Any, *unit: int, **how: Any) -> int:
        done = run(job, *unit, **how)
        with open(told, "a") as file:
            file.write(f"{unit[0]}-{unit[1]}\n")
        return done

    sharing.run_unit = counted
    with ome_ngff.config.set(**SMALL, claim_patience=patience):
        write_image(volume(), place, join=True, **WORDS)
    Path(f"{told}.end").touch()


if __name__ == "__main__":
    join(sys.argv[1], sys.argv[2], float(sys.argv[3]))
