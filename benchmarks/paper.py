"""200 TB on 1 to 1000 nodes that join one write, on paper: the plan's own numbers, and costs that were measured."""

from __future__ import annotations

import math
from typing import Any

import attrs
import click

BYTES = 200e12
NODES = (1, 10, 100, 1000)


@attrs.frozen
class Costs:
    """What a node and a store can do.

    Attributes:
        cores: of a node. core_rate: bytes of pixels that a core reads, reduces, encodes and writes in a second
            (8 GiB in 28 s on two cores). network: bytes a second of a node, in each direction.
        ratio: of the bytes of pixels to those that are stored.
        puts, gets: requests a second that a store answers below one prefix. listed: keys in an answer of a LIST.
        answer: seconds that a small request takes.
        unit_puts, unit_gets: of each unit, counted on a server: its claim, its release and its note; the look at the
            claim, at the note, and three at the mark.
    """

    cores: int = 32
    core_rate: float = 150e6
    network: float = 3e9
    ratio: float = 2.0
    puts: float = 3500
    gets: float = 5500
    listed: int = 1000
    answer: float = 0.02
    unit_puts: int = 3
    unit_gets: int = 5


@attrs.frozen
class Case:
    """One way to store 200 TB.

    Attributes:
        name: for the table. units: of the plan. objects: chunks or shards of all levels. read: bytes that are read.
        images: over how many images, of a prefix each, they are spread.
    """

    name: str
    units: int
    objects: int
    read: float
    images: int = 1


def planned(name: str, shards: Any, images: int = 1) -> Case:
    """Plan a joint write of an image of its share of 200 TB of uint16, out of chunks like its shards."""
    import zarr

    from ome_ngff.store import Layout
    from ome_ngff.write.arguments import image_request

    side = round((BYTES / images / 2) ** (1 / 3))
    blocks = shards or (128, 128, 128)
    source = zarr.create_array({}, shape=(side,) * 3, chunks=blocks, dtype="uint16")
    layout = Layout.parse(chunks=(128, 128, 128), shards=shards)
    request = attrs.evolve(image_request(source, "never-written.zarr", axes="zyx", layout=layout), shared=True)
    plan = request.plan()
    objects = sum(
        math.prod(-(-n // c) for n, c in zip(level.shape, grid.cell, strict=True))
        for level, grid in zip(request.levels, request.grids, strict=True)
    )
    return Case(name, plan.units * images, objects * images, float(plan.bytes_read) * images, images)


def seconds(case: Case, nodes: int, costs: Costs) -> dict[str, float]:
    """Return what each limit alone would take, by its name; the largest is what a write takes."""
    data = case.read / costs.ratio
    waits = case.units * (costs.unit_puts + costs.unit_gets) * costs.answer
    return {
        "cores": case.read / (nodes * costs.cores * costs.core_rate) + waits / (nodes * costs.cores),
        "network": data / (nodes * costs.network),
        "PUT": (costs.unit_puts * case.units + case.objects) / (costs.puts * case.images),
        "GET": costs.unit_gets * case.units / (costs.gets * case.images),
        "LIST": 2 * nodes * case.units / case.images / costs.listed / costs.gets
        + 2 * case.units / case.images / costs.listed * costs.answer,
    }


@click.command()
def main() -> None:
    """Print a table: the time of each case by the number of nodes, and what limits it."""
    cases = [
        planned("one image, shards of 1 GiB", (512, 1024, 1024)),
        planned("one image, shards of 64 MiB", (256, 256, 512)),
        planned("1000 images, shards of 64 MiB", (256, 256, 512), images=1000),
        planned("one image, chunks of 4 MiB", None),
    ]
    click.echo(f"| 200 TB as | units | objects | {' | '.join(f'{n} nodes' if n > 1 else '1 node' for n in NODES)} |")
    click.echo("|---" * (3 + len(NODES)) + "|")
    for case in cases:
        cells = []
        for nodes in NODES:
            limits = seconds(case, nodes, Costs())
            name = max(limits, key=lambda word: limits[word])
            cells.append(f"{limits[name] / 3600:.2g} h ({name})")
        click.echo(f"| {case.name} | {case.units:,} | {case.objects:,} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
