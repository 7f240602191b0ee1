"""How long the plan of a very large image takes, and how much memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile

import click

from .fleet import HERE
from .options import Settings, measuring
from .table import Row, Table

TITLE = "plan of a 100 TiB image, shards of 1 GiB"

# The shape is 100 TiB of uint16, the chunks of the source are its shards: 102 400 of them.
PLAN = """
import json, sys, time
import dask.array as da
from benchmarks.worker import peak_mib
from ome_ngff.store import Layout
from ome_ngff.write.arguments import image_request
image = da.zeros((25600, 32768, 65536), chunks=(512, 1024, 1024), dtype="uint16")
begin = time.perf_counter()
layout = Layout.parse(chunks=(128, 128, 128), shards=(512, 1024, 1024))
plan = image_request(image, sys.argv[1], axes="zyx", layout=layout).plan()
text = str(plan)
print(json.dumps({"seconds": time.perf_counter() - begin, "mib": peak_mib(), "units": plan.units, "text": text}))
"""


def tables(settings: Settings) -> list[Table]:
    """Plan the writing of 100 TiB."""
    if not settings.wants(TITLE):
        return []
    answers = []
    for _ in range(settings.rounds):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", PLAN, f"{folder}/image.zarr"]
            done = subprocess.run(command, cwd=HERE.parent, check=True, capture_output=True, text=True)
        answers.append(json.loads(done.stdout))
    click.echo(answers[-1]["text"], err=True)
    seconds, mib = (statistics.median(answer[name] for answer in answers) for name in ("seconds", "mib"))
    return [
        Table.of(
            f"Plan, {answers[-1]['units']} units",
            [Row(TITLE, seconds, "s", at_most=(2.0,)), Row(f"{TITLE}: memory", mib, "MiB", at_most=(500.0,))],
        )
    ]


main = measuring(tables)
