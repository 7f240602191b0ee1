"""What the pages show besides doctests, which Sphinx runs: commands, and the Python of the README and of clusters."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from ome_ngff.cli import main

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("quickstart", "write", "read", "clusters", "facility"))]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    stack = np.random.default_rng(0).poisson(100, (6, 64, 64)).astype("uint16")
    size = {"PhysicalSizeX": 0.11, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.11, "PhysicalSizeYUnit": "µm"}
    for name in ("cells", "tissue"):
        tifffile.imwrite(f"{name}.ome.tif", stack, metadata={"axes": "ZYX", **size})
    tifffile.imwrite("plain.tif", stack, photometric="minisblack")
    tifffile.imwrite("nuclei.tif", (stack > 110).astype("uint8"), imagej=True, metadata={"axes": "ZYX"})
    np.save("stack.npy", np.zeros((64, 512, 512), "uint16"))
    return tmp_path


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Return the commands of a page, each with the output that it shows of them."""
    for block in blocks(page, "console"):
        yield from re.findall(r"^\$ ome-ngff (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)


def comparable(output: str) -> str:
    """Leave out of an output what another version of a codec would change: stored bytes and ratios; and spaces."""
    return " ".join(re.sub(r"[\d.]+ [KM]iB +[\d.]+  |[\d.]+ KiB$", "", output, flags=re.MULTILINE).split())


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str) -> None:
    shown = list(commands(page))
    assert shown
    for command, output in shown:
        done = CliRunner().invoke(main, shlex.split(command))
        assert done.exit_code == 0, (command, done.output)
        if output:
            assert comparable(done.output) == comparable(output)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("page", ["README.md", "docs/clusters.md"])
def test_the_python_of_a_page_runs(page: str) -> None:
    from distributed import Client, LocalCluster

    names = {"image": np.zeros((4, 64, 64), "uint16"), "huge": np.zeros((4, 64, 64), "uint16")}
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster:
        for block in blocks(page, "python"):
            here = block.replace("tcp://scheduler:8786", cluster.scheduler_address).replace("s3://bucket/", "")
            exec(compile(here, page, "exec"), names)
        client = names.pop("client")
        assert isinstance(client, Client)
        client.close()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in re.findall(r"(?:tests|ome_ngff|docs|benchmarks)/[\w/]+\.\w+", text):
        assert (ROOT / path).exists(), path
