"""What the pages show besides doctests, which Sphinx runs: commands, and the Python of the README and of clusters."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from helpers import migrating

import ome_ngff
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
    for path in re.findall(r"(?:tests|ome_ngff|docs|benchmarks)/[\w/]+\.(?:pyi?|md)", text):
        assert (ROOT / path).exists(), path


def is_call(code: str) -> bool:
    try:
        body = ast.parse(code, mode="eval").body
    except SyntaxError:
        return False
    return not isinstance(body, (ast.Name, ast.Constant)) and "..." not in code


@pytest.mark.parametrize(("title", "axes"), [("From ngio", "czyx"), ("From iohub", "tczyx")])
def test_the_calls_that_replace_those_of_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, axes: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shape = (1, 2, 4, 32, 32)[-len(axes) :]
    known = {"axes": axes, "scale": {"z": 1, "y": 0.5, "x": 0.5}, "axes_units": "micrometer", "scale_factors": [2]}
    ome_ngff.write_image(np.ones(shape, "uint16"), "image.zarr", channel_names=["DAPI", "GFP"], **known)  # type: ignore[arg-type]
    ome_ngff.write_labels(np.ones(shape[-3:], "uint8"), "image.zarr", "nuclei", axes="zyx")
    ome_ngff.write_field(np.ones(shape, "uint16"), "plate.zarr", "B/3", axes=axes)
    names = {name: getattr(ome_ngff, name) for name in ome_ngff.__all__}
    pixels = np.zeros((*shape[: len(axes) - 4], 1, *shape[-3:]), "uint16")
    names |= {"pixels": pixels, "mask": np.ones(shape[-3:], "uint8"), "other": "other.zarr", "k": 1}
    names["array"] = np.ones(shape if "t" in axes else shape[1:], "uint16")
    calls = sorted(filter(is_call, migrating(f"## {title}", -1)), key=lambda code: code.startswith("delete"))
    assert len(calls) > 15
    for number, code in enumerate(calls):
        new = code.startswith("write_image") or code == 'write_labels(mask, store, "nuclei")'
        store = "image.zarr"
        if new:
            store = f"{number}.zarr"
            if "labels" in code:
                ome_ngff.write_image(names["mask"], store, axes="zyx")
        elif re.search("plate|field", code):
            store = "plate.zarr"
        opened = {"image": ome_ngff.open_image("image.zarr"), "plate": ome_ngff.open_plate("plate.zarr")}
        field = {"field": 1} if "write_field" in code else {}
        said = code.replace("field=0", "field=1") if field else code
        assert eval(said, {**names, **opened, "store": store}) is not NotImplemented, code


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("title", ["From bioformats2raw", "From ngff-zarr"])
def test_the_options_that_replace_those_of_others_are_taken(title: str) -> None:
    with tifffile.TiffWriter("two.ome.tif") as tiff:
        for name in ("first", "second"):
            tiff.write(np.zeros((4, 64, 64), "uint16"), metadata={"axes": "ZYX", "Name": name})
    tifffile.imwrite("time.ome.tif", np.zeros((2, 4, 64, 64), "uint16"), metadata={"axes": "TZYX"})
    options = [code for code in migrating(f"## {title}", -1) if code.startswith("-")]
    assert len(options) > 10
    for option in options:
        words = shlex.split(option)
        if "into" in option or (len(words) == 1 and words[0] not in ("--no-omero", "--overwrite", "-q", "-v", "-vv")):
            continue  # named, not shown
        source = "two.ome.tif" if "series" in option else "time.ome.tif" if "t=" in option else "cells.ome.tif"
        done = CliRunner().invoke(main, ["write", source, "new.ome.zarr", "--dry-run", *words])
        assert done.exit_code == 0, (option, done.output)
