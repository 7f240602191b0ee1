"""Writing to S3, on a server of this machine: against bare PUTs of the same bytes, and the same through s3fs.

The ways take turns, so that what else the machine does meets all of them. Needs
`moto[server]` and s3fs.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

SERVER = Path(__file__).parents[1] / "tests" / "s3" / "server.py"
WORDS: dict[str, Any] = {"axes": "zyx", "chunks": (64, 128, 128), "scale_factors": [2, 4], "omero": False}


def image(planes: int = 64) -> np.ndarray[Any, Any]:
    """Make pixels of a noisy volume: 2 MiB a plane."""
    made = np.empty((planes, 1024, 1024), "uint16")
    for number, plane in enumerate(made):
        plane[:] = np.random.default_rng(number).poisson(40, plane.shape) + np.linspace(0, 400, 1024)
    return made


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call takes, and those of the processor in this process."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def bare(pixels: dict[str, bytes], url: str) -> None:
    """Send objects by ten PUTs at once."""
    import obstore

    store = obstore.store.from_url(url, client_options={"allow_http": True})

    async def send_all() -> None:
        left = iter(pixels.items())

        async def send() -> None:
            for key, content in left:
                await obstore.put_async(store, key, content, use_multipart=False)

        await asyncio.gather(*(send() for _ in range(10)))

    asyncio.run(send_all())


def compare(rounds: int, delay: float, faults: Path) -> None:
    """Let all ways take turns, and print the medians of their times and of their ratios."""
    from zarr.storage import FsspecStore

    from ome_ngff import write_image

    faults.write_text(json.dumps({"delay": delay}))
    pixels = image()
    with tempfile.TemporaryDirectory() as folder:
        write_image(pixels, f"{folder}/a", **WORDS)
        files = {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
        ways: dict[str, Callable[[int], object]] = {
            "bare": lambda n: bare(files, f"s3://cells/bare{delay}{n}"),
            "ours": lambda n: write_image(pixels, f"s3://cells/ours{delay}{n}", **WORDS),
            "s3fs": lambda n: write_image(pixels, FsspecStore.from_url(f"s3://cells/s3fs{delay}{n}"), **WORDS),
            "codec": lambda n: write_image(pixels, f"{folder}/{n}", **WORDS),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                found[name].append(timed(lambda way=way, number=number: way(number)))  # type: ignore[misc]
    walls = {name: [wall for wall, _ in times[1:]] for name, times in found.items()}
    print(f"delay {delay * 1000:.0f} ms, {len(files)} objects, {sum(map(len, files.values())) / 2**20:.0f} MiB stored")
    for name, times in found.items():
        wall, processor = statistics.median(walls[name]), statistics.median(p for _, p in times[1:])
        print(f"  {name:6} {wall:6.2f} s, {processor:5.2f} s of the processor")
    allowed = [1.5 * b + c for b, c in zip(walls["bare"], walls["codec"], strict=True)]
    print(f"  ours / (1.5 bare + codec): {ratio(walls['ours'], allowed):.2f}")
    print(f"  s3fs / ours: {ratio(walls['s3fs'], walls['ours']):.2f}")


def ratio(these: list[float], those: list[float]) -> float:
    """Return the median of the ratios of what ran in the same round."""
    return statistics.median(a / b for a, b in zip(these, those, strict=True))


def peak() -> None:
    """Print the peak of memory of a process that writes 0.5 GiB, above what it holds before."""
    from ome_ngff import config, write_image

    pixels = image(256)
    write_image(pixels[:2, :64, :64], "s3://cells/warm", axes="zyx", scale_factors=[2], omero=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_image(pixels, "s3://cells/peak", **WORDS)
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    target = config.memory_target / 2**20
    print(f"0.5 GiB: {used:.0f} MiB above the start, with a memory target of {target:.0f} MiB")


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each way takes its turn.")
def main(rounds: int) -> None:
    """Write to S3, on a server of this machine, in several ways."""
    with tempfile.TemporaryDirectory() as folder:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        server = subprocess.Popen([sys.executable, str(SERVER)], **pipes)
        try:
            print(folder, file=server.stdin, flush=True)
            while not (Path(folder) / "address").exists():
                time.sleep(0.05)
            keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
            os.environ |= {**keys, "AWS_ENDPOINT_URL": (Path(folder) / "address").read_text()}
            import boto3

            boto3.resource("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).create_bucket(Bucket="cells")
            for delay in (0, 0.02):
                compare(rounds, delay, Path(folder) / "faults.json")
            subprocess.run([sys.executable, "-c", "from benchmarks.cloud import peak; peak()"], check=True)
        finally:
            server.kill()
            server.wait()
