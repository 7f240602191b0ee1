"""Several images in one file: what is inside is told before, and all of them can be written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner, Result
from helpers import attributes, document, every_file, pixels_by_tensorstore
from ome_zarr_models import v04, v05
from test_inputs import KINDS, SHAPE, volume

from ome_ngff.cli import main
from ome_ngff.convert import convert, describe_input, open_input, verify
from ome_ngff.exceptions import ExistsError, InputError, MissingError, NgffError, OptionError, StoreError
from ome_ngff.inputs import tiff_ome
from ome_ngff.read import validate

STACK = volume((3, 40, 50))


def run(*words: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    """Three positions of an experiment, as Bio-Formats writes them into one OME-TIFF; one has two channels."""
    path = tmp_path / "experiment.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for i, plane in enumerate(STACK):
            channels: dict[str, Any] = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}
            said = {"Name": f"Position {i}", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25 * (i + 1)}
            pixels = np.stack([plane, plane // 2]) if i == 1 else plane
            writer.write(pixels, photometric="minisblack", metadata=said | (channels if i == 1 else {"axes": "YX"}))
    return path


def test_what_is_inside_is_told_with_axes_sizes_and_channels(positions: Path) -> None:
    found = describe_input(positions)
    assert (found.kind, [(image.series, image.name) for image in found.images]) == (
        "a TIFF file", [(0, "Position 0"), (1, "Position 1"), (2, "Position 2")],
    )  # fmt: skip
    first, second, _ = found.images
    assert (first.shape, second.shape, second.dtype) == ((40, 50), (2, 40, 50), "uint16")
    assert [(axis.name, axis.pixel, axis.unit) for axis in second.axes] == [
        ("c", None, None), ("y", 0.5, "micrometer"), ("x", 0.5, "micrometer"),
    ]  # fmt: skip
    assert [channel.label for channel in second.channels] == ["DAPI", "GFP"]


def test_a_file_is_parsed_once_for_all_of_its_images(positions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    opened = tifffile.TiffFile.__init__

    def counting(self: Any, *words: Any, **options: Any) -> None:
        made.append(1)
        opened(self, *words, **options)

    monkeypatch.setattr(tifffile.TiffFile, "__init__", counting)
    assert len(describe_input(positions).images) == 3
    assert len(made) == 1


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_input_is_described(kind: str, tmp_path: Path) -> None:
    where = KINDS[kind](tmp_path, volume())
    (image,) = describe_input(where, axes="zyx").images
    opened = open_input(where, axes="zyx")
    assert (image.shape, image.dtype, image.name, image.note) == (SHAPE, "uint16", opened.name, None)
    assert {axis.name: axis.pixel for axis in image.axes if axis.pixel} == (opened.scale or {})
    (image,) = describe_input(where).images
    assert image.shape == SHAPE


def test_axes_that_a_file_does_not_say_are_a_note(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    (image,) = describe_input(tmp_path / "a.npy").images
    assert ([axis.name for axis in image.axes], image.shape) == (["?"] * 3, STACK.shape)
    assert re.search(r"does not say what its dimensions are.*axes=zyx", image.note or "")
    shown = run("info", tmp_path / "a.npy")
    assert shown.exit_code == 0
    assert re.search(r"Warning: .* say --axes zyx, cyx or tyx", shown.stderr)


def test_arrays_with_names_inside_are_listed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw/one"], file["two"] = STACK[0], STACK[1]
        file["two"].attrs["element_size_um"] = [2.0, 0.5, 0.5]
    np.savez(tmp_path / "a.npz", raw=STACK[0], mask=STACK[1] > 9)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name in ("p", "q"):
        group.create_array(name, data=STACK[0])
    for name, wanted in (("a.h5", ["raw/one", "two"]), ("a.npz", ["raw", "mask"]), ("a.zarr", ["p", "q"])):
        images = describe_input(tmp_path / name).images
        assert [image.inner for image in images] == wanted
        assert {image.shape for image in images} == {(40, 50)}
    sized = describe_input(tmp_path / "a.h5").images[1]
    assert [axis.pixel for axis in sized.axes] == [0.5, 0.5]
    assert [image.inner for image in describe_input(f"{tmp_path / 'a.npz'}::mask").images] == ["mask"]


def test_info_shows_what_is_inside_a_file(positions: Path) -> None:
    shown = run("info", positions)
    lines = shown.stdout.splitlines()
    assert lines[0] == f"{positions}: a TIFF file, 3 images"
    assert lines[5].split("  ")[1:3] == ["--series 1", "Position 1"]
    assert lines[5].endswith("y 0.5 micrometer, x 0.5 micrometer   DAPI, GFP")
    said = json.loads(run("info", positions, "--json").stdout)
    assert said == describe_input(str(positions)).to_dict()


def test_info_of_one_image_shows_its_axes_and_channels(positions: Path, tmp_path: Path) -> None:
    where = KINDS["tiff-imagej"](tmp_path, volume())
    shown = run("info", where).stdout
    assert shown.startswith(f"{where}: a TIFF file\nname 'image', uint16\n\naxes\n")
    assert re.search(r"z +space +6\n", shown)


def test_nothing_there_is_the_same_error_as_before(tmp_path: Path) -> None:
    assert "There is no" in run("info", tmp_path / "nothing").stderr
    with pytest.raises(MissingError):
        describe_input(tmp_path / "nothing.tif")
    (tmp_path / "a.tif").write_bytes(b"II*\0 broken")
    with pytest.raises(InputError, match=r"a\.tif cannot be read as a TIFF file"):
        describe_input(tmp_path / "a.tif")


# One of several ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("always")
def test_one_of_several_images_is_told_in_one_line(positions: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 of 3 images; series=1, or series='all' in convert$"):
        assert open_input(positions).name == "Position 0"
    said = run("write", positions, tmp_path / "a.zarr")
    assert said.stderr == f"Warning: {positions}: 1 of 3 images; --series 1, or --series all\n"
    assert run("write", positions, tmp_path / "b.zarr", "--series", 0).stderr == ""
    said = run("labels", positions, tmp_path / "a.zarr")
    assert said.stderr == f"Warning: {positions}: 1 of 3 images; --series 1\n"


def test_planes_with_several_images_each_warn_once(tmp_path: Path) -> None:
    for z in range(3):
        with tifffile.TiffWriter(tmp_path / f"z{z}.ome.tif", ome=True) as writer:
            for plane in (STACK[z], STACK[z, :20]):
                writer.write(plane, metadata={"axes": "YX"})
    with pytest.warns(UserWarning, match="1 of 2 images") as told:
        image = open_input(tmp_path / "z?.ome.tif")
    np.testing.assert_array_equal(image.data[...], STACK)
    assert len(told) == 1


# All of them ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fmt", "models"), [("0.4", v04), ("0.5", v05)])
def test_all_images_become_a_collection(positions: Path, tmp_path: Path, fmt: str, models: Any) -> None:
    output = tmp_path / "all.zarr"
    (done,) = convert(positions, output, series="all", fmt=fmt, scale_factors=[2])
    assert (done.input, done.output) == (str(positions), str(output))
    assert document(output)["bioformats2raw.layout"] == 3
    assert document(output / "OME")["series"] == ["0", "1", "2"]
    for number, name in enumerate(["Position 0", "Position 1", "Position 2"]):
        plane = STACK[number]
        wanted = np.stack([plane, plane // 2]) if number == 1 else plane
        np.testing.assert_array_equal(pixels_by_tensorstore(output / str(number))[0], wanted)
        (multiscale,) = document(output / str(number))["multiscales"]
        scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
        assert (multiscale["name"], scale[-2:]) == (name, [0.25 * (number + 1), 0.5])
    assert validate(output).valid
    models.bioformats2raw.BioFormats2Raw.from_zarr(zarr.open_group(output, mode="r"))


def test_all_images_become_a_collection_in_one_file(positions: Path, tmp_path: Path) -> None:
    convert(positions, tmp_path / "all.zarr", series="all", scale_factors=[2])
    convert(positions, tmp_path / "all.ozx", series="all", scale_factors=[2])
    report = validate(tmp_path / "all.ozx", data=True)
    assert (report.kind, report.valid, report.seen["images"]) == ("bioformats2raw", True, 3)
    for number in range(3):
        image, same = (open_input(tmp_path / name, series=number) for name in ("all.ozx", "all.zarr"))
        assert (image.name, image.scale) == (same.name, same.scale)
        np.testing.assert_array_equal(image.data[...], same.data[...])
    before = every_file(tmp_path)
    with pytest.raises(ExistsError, match="already exists"):
        convert(positions, tmp_path / "all.ozx", series="all")
    with pytest.raises(OptionError, match="which is written in one go; leave out resume"):
        convert(positions, tmp_path / "all.ozx", series="all", resume=True)
    assert every_file(tmp_path) == before


def test_many_images_of_a_file_cost_no_more_parsing_than_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    opened, parsed = tifffile.TiffFile.__init__, ElementTree.fromstring
    monkeypatch.setattr(tifffile.TiffFile, "__init__", lambda *a, **k: (made.append("file"), opened(*a, **k))[1])
    monkeypatch.setattr(tiff_ome.ElementTree, "fromstring", lambda xml: (made.append("xml"), parsed(xml))[1])
    counts = []
    for count in (2, 9):
        with tifffile.TiffWriter(tmp_path / f"{count}.ome.tif", ome=True) as file:
            for i in range(count):
                file.write(np.full((16, 17), i, "uint8"), compression="zlib", metadata={"axes": "YX"})
        made.clear()
        convert(tmp_path / f"{count}.ome.tif", tmp_path / f"{count}.zarr", series="all")
        counts.append(sorted(made))
        assert [pixels_by_tensorstore(tmp_path / f"{count}.zarr" / str(i))[0].max() for i in range(count)] == [
            *range(count)
        ]
    assert counts[0] == counts[1]


def test_the_command_writes_all_and_resumes_and_refuses(positions: Path, tmp_path: Path) -> None:
    words = ("write", positions, tmp_path / "all.zarr", "--series", "all")
    assert run(*words).exit_code == 0
    before = every_file(tmp_path / "all.zarr")
    refused = run(*words)
    assert refused.exit_code == 2
    assert re.search("already holds a collection; pass --overwrite to .* or --resume", refused.stderr)
    assert run(*words, "--resume").exit_code == 0
    assert every_file(tmp_path / "all.zarr") == before
    assert run(*words, "--overwrite").exit_code == 0
    assert every_file(tmp_path / "all.zarr").keys() == before.keys()


def test_a_collection_is_not_one_before_all_is_there(
    positions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr("ome_ngff.inputs.conversion.write_collection_metadata", broken)
        with pytest.raises(OSError, match="no disk"):
            convert(positions, tmp_path / "all.zarr", series="all")
    assert "bioformats2raw.layout" not in json.dumps([p.read_text() for p in tmp_path.glob("all.zarr/zarr.json")])
    convert(positions, tmp_path / "all.zarr", series="all", resume=True)
    assert validate(tmp_path / "all.zarr").valid


def test_a_collection_is_read_series_by_series_and_copied(positions: Path, tmp_path: Path) -> None:
    convert(positions, tmp_path / "one.zarr", series="all")
    assert [image.series for image in describe_input(tmp_path / "one.zarr").images] == [0, 1, 2]
    assert open_input(tmp_path / "one.zarr", series=2).name == "Position 2"
    with pytest.raises(InputError, match="has no series '3'"):
        open_input(tmp_path / "one.zarr", series=3)
    convert(tmp_path / "one.zarr", tmp_path / "two.zarr", series="all")
    for number in "012":
        one, two = (pixels_by_tensorstore(tmp_path / name / number)[0] for name in ("one.zarr", "two.zarr"))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        pytest.param("image.zarr", ExistsError, "is an image, .* needs a group of its own", id="image"),
        pytest.param("other.zarr", StoreError, "has 7, not of these images", id="other-group"),
        pytest.param("all.tif", StoreError, "would be a folder of Zarr", id="ending"),
    ],
)
def test_what_stands_in_the_way_of_a_collection_is_refused(
    name: str, error: type[NgffError], message: str, positions: Path, tmp_path: Path
) -> None:
    convert(positions, tmp_path / "image.zarr", series=0)
    zarr.open_group(tmp_path / "other.zarr", mode="w").create_group("7")
    before = every_file(tmp_path)
    with pytest.raises(error, match=message):
        convert(positions, tmp_path / name, series="all", overwrite=True)
    assert every_file(tmp_path) == before


def test_the_xml_of_the_file_describes_the_whole_collection(positions: Path, tmp_path: Path) -> None:
    convert(positions, tmp_path / "all.zarr", series="all")
    kept = (tmp_path / "all.zarr" / "OME" / "METADATA.ome.xml").read_text("utf-8")
    with tifffile.TiffFile(positions) as tiff:
        assert kept == tiff.ome_metadata
    assert len(list((tmp_path / "all.zarr").rglob("METADATA.ome.xml"))) == 1
    sources = [attributes(tmp_path / "all.zarr" / number)["ome_ngff"]["source"] for number in "012"]
    assert [source["series"] for source in sources] == ["0", "1", "2"]
    assert validate(tmp_path / "all.zarr").findings == ()


def test_a_dry_run_shows_every_image_of_a_collection(positions: Path, tmp_path: Path) -> None:
    shown = json.loads(run("write", positions, tmp_path / "a.zarr", "--series", "all", "--dry-run", "--json").stdout)
    assert [(each["name"], each["output"]) for each in shown] == [
        (f"Position {number}", str(tmp_path / "a.zarr" / str(number))) for number in range(3)
    ]
    assert not (tmp_path / "a.zarr").exists()


def test_collections_are_made_of_many_files_too(positions: Path, tmp_path: Path) -> None:
    words = ([positions], tmp_path / "out")
    (planned,) = convert(*words, series="all", dry_run=True)
    assert (planned.outline or {})["images"] == 3
    for state in ("written", "skipped"):
        (done,) = convert(*words, series="all")
        assert (done.state, done.output) == (state, str(tmp_path / "out" / "experiment.ome.zarr"))
    assert validate(done.output).valid


def test_a_collection_is_compared_with_its_file(positions: Path, tmp_path: Path) -> None:
    output = tmp_path / "all.zarr"
    convert(positions, output, series="all", scale_factors=[])
    assert [digest.path for digest in verify(positions, output, series="all")] == ["0/0", "1/0", "2/0"]
    zarr.open_array(output / "2" / "0", mode="r+")[3, 4] = 1
    with pytest.raises(StoreError):
        verify(positions, output, series="all")
