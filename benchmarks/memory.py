"""How much memory a write takes at its peak: two sizes of image, made lazily, each in a process of its own."""

from __future__ import annotations

import math
from typing import Any

import click

from ome_ngff import config

from .cases import BRICK, Run
from .data import brick_shape, data_file, volume_shape
from .fleet import Failed
from .options import Settings, measuring
from .table import Row, Table

# What may come on top of the memory target: the interpreter, libraries, compiled kernels.
ALLOWANCE_MIB = 250


def measure(settings: Settings, who: str, shape: tuple[int, ...], chunks: tuple[int, ...]) -> dict[str, Any] | None:
    """Return what one write at the library's defaults, but for equal chunks, took; None where it did not work."""
    brick = data_file("brick", settings.size, settings.fleet.cache)
    with settings.fleet.start(who) as worker:
        if worker is None:
            return None
        try:
            worker.ask("lazy", brick=str(brick), shape=shape, chunks=chunks)
            job = Run(who, "volume", chunks=BRICK).job(settings.size)
            return worker.write(job, settings.fleet.scratch)
        except Failed as error:
            click.echo(f"{who} is left out:\n{error}", err=True)
            return None


def _gib(shape: tuple[int, ...]) -> str:
    """Return the size of an image of uint16."""
    return f"{2 * math.prod(shape) / 2**30:.3g} GiB"


def tables(settings: Settings) -> list[Table]:
    """Measure peak memory: 0.5 GiB and 8 GiB, aligned and planes into bricks; and the peers, at 0.5 GiB."""
    small = volume_shape(settings.size)
    large = (4 * small[0], 2 * small[1], 2 * small[2])
    names = {shape: _gib(shape) for shape in (small, large)}  # 0.5 GiB and 8 GiB, at full size
    limit = round(config.memory_target / 2**20) + ALLOWANCE_MIB
    rows: list[Row] = []
    runs: list[tuple[str, ...]] = []

    def run(who: str, layout: str, shape: tuple[int, ...]) -> float | None:
        click.echo(f"memory: {who}, {layout}, {names[shape]}", err=True)
        chunks = brick_shape(settings.size) if layout == "aligned" else (1, *shape[1:])
        found = measure(settings, who, shape, chunks)
        if found is None:
            return None
        peak, seconds, files, mib = (f"{found[name]:.0f}" for name in ("peak", "seconds", "files", "mib"))
        runs.append((names[shape], layout, who, peak, seconds, files, mib))
        return float(found["peak"])

    layouts = [layout for layout in ("aligned", "planes into bricks") if settings.wants(f"memory, {layout}")]
    for layout in layouts:
        peaks = {shape: run("ours", layout, shape) for shape in names}
        for shape, peak in peaks.items():
            if peak is not None:
                rows.append(Row(f"memory, {layout}, {names[shape]}", peak, "MiB", at_most=(limit,)))
        before, after = peaks.values()
        if before is not None and after is not None:
            rows.append(Row(f"memory, {layout}, {names[large]} to {names[small]}", after, "MiB", before, (1.1,)))
        if layout == "aligned" and (mine := peaks[small]) is not None:
            for who in ("ome-zarr", "ngff-zarr"):
                if (theirs := run(who, layout, small)) is not None:
                    rows.append(Row(f"memory, {layout}, {names[small]}, {who}'s", mine, "MiB", theirs, peer=True))
    heads = ("image", "source", "who", "peak MiB", "seconds", "files", "MiB")
    return [Table.of("Peak memory, one write each", rows), Table("All runs for memory", heads, runs)] if runs else []


main = measuring(tables)
