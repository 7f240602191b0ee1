"""What is written, by whom, and what is asked of it: the table of targets."""

from __future__ import annotations

from typing import Any

import attrs

from .data import AXES, FACTORS, SIZES

BRICK = (64, 256, 256)


@attrs.frozen
class Run:
    """Say one way to write one data set; what is None is left to the library.

    Attributes:
        who: the library, as worker.py names it; "floor" encodes the chunks that ours would write, and nothing else.
        data: name of the data set. method: as the library calls it. chunks, shards: of the full size. codec: "zstd:3".
    """

    who: str
    data: str
    method: str | None = None
    chunks: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None
    codec: str | None = None

    def job(self, size: str) -> dict[str, Any]:
        """Return the command for worker.py."""

        def shrunk(lengths: tuple[int, ...] | None) -> list[int] | None:
            return None if lengths is None else [n // SIZES[size] for n in lengths]

        axes = AXES[self.data]
        return {
            "axes": axes,
            "factors": [{axis: f for axis in axes if axis in "zyx"} for f in FACTORS[self.data]],
            "labels": self.data == "labels",
            "method": self.method,
            "chunks": shrunk(self.chunks),
            "shards": shrunk(self.shards),
            "codec": self.codec,
        }

    def __str__(self) -> str:
        words = [self.method or "default method"]
        for name, lengths in (("chunks", self.chunks), ("shards", self.shards)):
            if lengths is not None:
                words.append(f"{name} {'x'.join(map(str, lengths))}")
        return ", ".join([*words, self.codec or "default codec"])


@attrs.frozen
class Case:
    """Compare two runs, or one run with a limit: `at_most` and `times` are those of `table.Row`."""

    title: str
    ours: Run
    reference: Run | None = None
    at_most: tuple[float, ...] = ()
    times: float | None = None


def floors() -> list[Case]:
    """Compare with the time that the codec alone takes; no method is the default, which the peers meet, too."""
    floor = Run("floor", "volume", "local_mean", BRICK)
    cube, shard = (64, 64, 64), (256, 256, 256)
    targets = [("local_mean", "local_mean", (1.35, 1.2)), ("resize", None, (1.8,)), ("gaussian", "gaussian", (1.8,))]
    return [
        *(
            Case(f"volume, {name}, to the codec floor", Run("ours", "volume", method, BRICK), floor, at_most)
            for name, method, at_most in targets
        ),
        Case(
            "volume, local_mean, in shards, to their floor",
            Run("ours", "volume", "local_mean", cube, shard),
            Run("floor", "volume", "local_mean", cube, shard),
            (1.6,),
        ),
        Case(
            "volume, local_mean, zstd:3, to its floor",
            Run("ours", "volume", "local_mean", BRICK, codec="zstd:3"),
            Run("floor", "volume", "local_mean", BRICK, codec="zstd:3"),
        ),
    ]


# library, what of it, its method, how many times faster we want to be
DEFAULTS = [
    ("ngff-zarr", "default", None, 15.0),
    ("ngff-zarr", "fastest", "dask_bin_shrink", 4.0),
    ("ome-zarr", "default", None, 8.0),
    ("ome-zarr", "fastest", "nearest", 4.0),
]


def peers() -> list[Case]:
    """Compare with the peers: everyone's defaults, with and without equal chunks; then the same codec."""
    cases = []
    for chunks, said in ((None, "all defaults"), (BRICK, "defaults, equal chunks")):
        for who, which, method, times in DEFAULTS:
            ours, other = Run("ours", "volume", chunks=chunks), Run(who, "volume", method, chunks)
            cases.append(Case(f"volume, {said}, {who}'s {which}", ours, other, times=times))
    for who, which, method, _ in DEFAULTS:
        if which == "fastest":
            ours = Run("ours", "volume", "local_mean", BRICK, codec="zstd:3")
            other = Run(who, "volume", method, BRICK, codec="zstd:3")
            cases.append(Case(f"volume, zstd:3, equal chunks, {who}'s {which}", ours, other, times=1.6))
    mode = Run("ngff-zarr", "labels", "dask_image_mode", BRICK)
    cases.append(Case("labels, mode, ngff-zarr's", Run("ours", "labels", chunks=BRICK), mode, times=5.0))
    for who in ("ome-zarr", "ngff-zarr"):
        cases.append(Case(f"slide, all defaults, {who}'s", Run("ours", "slide"), Run(who, "slide")))
    cases.append(Case("small images, each", Run("ours", "small"), None, (12.0,)))
    for who in ("ome-zarr", "ngff-zarr"):
        cases.append(Case(f"small images, each, {who}'s", Run("ours", "small"), Run(who, "small")))
    return cases


CASES = [*floors(), *peers()]
