"""Plates on an object store: any number of processes and threads, each document replaced on a condition."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from conftest import Server

from ome_ngff import (
    create_plate,
    open_image,
    open_plate,
    repair_plate,
    validate,
    write_field,
    write_image,
    write_labels,
)

PLATE = "s3://cells/screen.zarr"
WORDS: dict[str, Any] = {"axes": "yx", "axes_units": "um", "chunks": 8, "scale_factors": [2]}
WRITER = """
import sys
import numpy as np
from ome_ngff import write_field
for column in range(1, 3):
    for number in range(2):
        pixels = np.full((16, 16), ord(sys.argv[2]) + 10 * column + number, "uint16")
        well = f"{sys.argv[2]}/{column}"
        write_field(pixels, sys.argv[1], well, number, axes="yx", axes_units="um", chunks=8, scale_factors=[2])
"""


def test_processes_and_threads_fill_a_plate_on_an_object_store(server: Server) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, PLATE, row]) for row in "AB"]

    def fill(place: tuple[int, int]) -> None:
        column, number = place
        write_field(np.full((16, 16), ord("C") + 10 * column + number, "uint16"), PLATE, ("C", column), number, **WORDS)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(fill, product((1, 2), (0, 1))))
    assert [process.wait(120) for process in running] == [0, 0]
    plate = open_plate(PLATE)
    assert (plate.rows, plate.columns, plate.plate.field_count) == (("A", "B", "C"), ("1", "2"), 2)
    assert plate.map(lambda image: int(image.images[0].data.max().compute())) == {
        f"{row}/{column}/{number}": ord(row) + 10 * column + number
        for row, column, number in product("ABC", (1, 2), (0, 1))
    }
    assert validate(PLATE).findings == ()
    assert not [key for key in sorted(server.keys()) if ".ome_ngff" in key]


def test_a_plate_on_an_object_store_is_labelled_mended_and_replaced(server: Server) -> None:
    pixels = np.arange(256, dtype="uint16").reshape(16, 16)
    create_plate(PLATE, "6-well", acquisitions=[{"id": 0, "name": "day 0"}])
    write_field(pixels, PLATE, "B3", **WORDS)
    write_labels(pixels % 5, PLATE, well="B3", name="nuclei")
    assert list(open_image(f"{PLATE}::B/3/0").labels) == ["nuclei"]
    write_image(pixels, f"{PLATE}::A/1/0", **WORDS)
    assert open_plate(PLATE).unlisted() == ("A/1/0",)
    assert repair_plate(PLATE) == ("A/1/0",)
    server.forget()
    assert list(open_plate(PLATE).fields) == ["A/1", "B/3"]
    assert server.counts("zarr.json")["GET"] == 3
    create_plate(PLATE, "12-well", overwrite=True)
    assert [key for key in sorted(server.keys()) if key.endswith("zarr.json")] == ["screen.zarr/zarr.json"]
