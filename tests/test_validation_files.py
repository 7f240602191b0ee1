"""The files that a hierarchy is stored in are judged: what metadata is written in, copies of it, and single files."""

from __future__ import annotations

import json
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from examples.hierarchies import build, sample
from helpers import every_file
from hierarchies import KNOWN, OF_LABELS, PIXELS, broken, files, put_file, with_file
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from ome_ngff import (
    StoreError,
    ValidationError,
    to_multiscales,
    to_ngff_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)
from ome_ngff.format import Format, FormatV04, FormatV05
from ome_ngff.writer import add_metadata

# Files of metadata ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, "byte order mark", id="a byte order mark"),
        pytest.param(lambda text: text.decode().encode("utf-16"), "not encoded in UTF-8", id="UTF-16"),
        pytest.param(
            lambda text: text.replace(b'"zarr_format"', b'"zarr_format": 1, "zarr_format"'), "zarr_format", id="twice"
        ),
    ],
)
@pytest.mark.parametrize("path", ["", "1/", "labels/cells/"], ids=["image", "level", "label image"])
def test_metadata_that_only_some_readers_take_is_found(any_format: Format, change: Any, said: str, path: str) -> None:
    names = {"zarr.json", ".zarray" if path == "1/" else ".zgroup"}
    (key,) = {f"{path}{name}" for name in names} & set(files("image", any_format))
    report = validate(with_file("image", any_format, key, change(files("image", any_format)[key])), data=True)
    (finding,) = report.findings
    assert (finding.rule, finding.where, finding.severity) == ("metadata-json", f"/{key}", "error")
    assert said in finding.what


def test_nan_in_metadata_is_found_in_groups_and_in_arrays(any_format: Format) -> None:
    whole = files("image", any_format)
    name = {2: ".zattrs", 3: "zarr.json"}[any_format.zarr_format]
    of_array = {**json.loads(whole.get(f"1/{name}", b"{}")), "attributes": {"_FillValue": float("nan")}}
    report = validate(with_file("image", any_format, f"1/{name}", json.dumps(of_array).encode()))
    assert [(f.rule, f.where) for f in report.findings] == [("metadata-json", f"/1/{name}")]
    of_group = whole[name].replace(b'"local_mean"', b'"local_mean", "gain": -Infinity')
    report = validate(with_file("image", any_format, name, of_group))
    assert [(f.rule, f.where) for f in report.findings] == [("json-values", "/: multiscales[0].gain")]


def test_our_writers_refuse_what_json_has_not_before_they_touch_the_disk(tmp_path: Path, any_format: Format) -> None:
    image = to_multiscales(to_ngff_image(PIXELS, list("czyx"), KNOWN["scale"]), [2])
    place = tmp_path / "a.zarr"
    write_image(PIXELS, place, fmt=any_format, scale_factors=[2], **KNOWN)
    before = every_file(place)
    for odd in (float("nan"), np.int64(3), {1, 2}):
        image.attributes = {"lab": {"gain": [odd]}}
        with pytest.raises(ValidationError, match=r"json-values\] lab.gain\[0\]"):
            to_ngff_zarr(place, image, version=any_format.version, overwrite=True)
        with pytest.raises(ValidationError, match="json-values"):
            add_metadata(place, {"omero": {"channels": [], "id": odd}})
    assert every_file(place) == before


def test_what_may_not_be_read_is_a_finding() -> None:
    class Locked(MemoryStore):
        async def get(self, key: str, *args: Any, **options: Any) -> Any:
            if key.startswith(("1/", "labels/zarr.json")):
                raise PermissionError(13, "Permission denied", key)
            return await super().get(key, *args, **options)

    fmt = FormatV05()
    report = validate(Locked(build(sample("image", fmt), fmt)._store_dict), data=True)
    assert {(f.rule, f.where) for f in report.findings} == {("zarr-readable", "/1"), ("zarr-readable", "/labels")}
    assert all("Permission denied" in f.what for f in report.findings)


def test_a_store_that_fails_at_any_moment_gives_findings_and_no_traceback(any_format: Format) -> None:
    answers = [10**6]  # of all copies of the store that Zarr makes

    def answer() -> None:
        answers[0] -= 1
        if answers[0] < 0:
            raise ConnectionError("lost")

    class Failing(MemoryStore):
        async def get(self, *args: Any, **options: Any) -> Any:
            answer()
            return await super().get(*args, **options)

        async def exists(self, key: str) -> bool:
            answer()
            return await super().exists(key)

    store = Failing(build(sample("image", any_format), any_format)._store_dict)
    assert validate(store, data=True).findings == ()
    for count in range(0, 10**6 - answers[0], 4):
        answers[0] = count
        report = validate(store, data=True)
        assert any("lost" in finding.what for finding in report.findings) or report.valid


# Consolidated metadata -----------------------------------------------------------------------------------------------


def consolidated(store: Any, fmt: Format) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is no part of Zarr v3
        zarr.consolidate_metadata(store, zarr_format=fmt.zarr_format)
    return store


def test_only_a_stale_copy_is_reported_with_the_paths_that_differ(any_format: Format) -> None:
    store = consolidated(build(sample("image", any_format), any_format), any_format)
    assert validate(store).findings == ()
    zarr.open_group(store, path="labels/by_hand", mode="r+", use_consolidated=False).attrs["lab"] = 3
    zarr.open_array(store, path="1", mode="r+").attrs["gain"] = 2
    zarr.create_group(store, path="labels/new", zarr_format=any_format.zarr_format)
    (finding,) = validate(store).findings
    assert (finding.rule, finding.severity) == ("consolidated-stale", "warning")
    assert "/1, /labels/by_hand, /labels/new" in finding.what
    assert "zarr.consolidate_metadata" in finding.hint


def test_a_copy_that_lists_a_deleted_array_is_stale(any_format: Format) -> None:
    """It is found although no document names the array."""
    nodes = {**sample("image", any_format), "/old": {}, "/old/pixels": sample("image", any_format)["/1"]}
    store = consolidated(build(nodes, any_format), any_format)
    assert validate(store).findings == ()
    for key in [key for key in store._store_dict if key.startswith("old/pixels/")]:
        del store._store_dict[key]
    (finding,) = validate(store).findings
    assert finding.what.endswith("differs from /old/pixels.")


def test_a_copy_of_other_attributes_of_the_root_is_found() -> None:
    fmt = FormatV04()
    store = consolidated(build(sample("image", fmt), fmt), fmt)
    attributes = {**fmt.wrap(sample("image", fmt)["/"]["document"]), "lab": 3}
    put_file(store, ".zattrs", json.dumps(attributes).encode())
    (finding,) = validate(store).findings
    assert finding.what.endswith("differs from /.")


@pytest.mark.parametrize(
    "copy", ["7", "[1]", '{"metadata": 3}', '{"metadata": {"0": {}, "": 1}}', '{"kind": "inline"}']
)
def test_a_copy_that_makes_no_sense_is_a_finding(any_format: Format, copy: str) -> None:
    key = {2: ".zmetadata", 3: "zarr.json"}[any_format.zarr_format]
    content = json.loads(copy)
    if key == "zarr.json":
        content = {**json.loads(files("image", any_format)[key]), "consolidated_metadata": content}
    report = validate(with_file("image", any_format, key, json.dumps(content).encode()))
    assert broken(report) == {"consolidated-stale"}


def test_our_writers_leave_no_copy_that_is_not_true(tmp_path: Path, any_format: Format) -> None:
    """Zarr-Python reads shapes and groups from the copy, so what it says is what people see."""
    place = tmp_path / "a.zarr"
    labels = np.ones(PIXELS.shape[1:], "uint8")

    def seen(path: str = "") -> zarr.Group:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return zarr.open_group(place, path=path, mode="r")

    write_image(PIXELS, place, fmt=any_format, scale_factors=[2], **KNOWN)
    consolidated(place, any_format)
    write_labels(labels, place, "cells", scale_factors=[2], **OF_LABELS)
    assert "labels/cells/1" in seen()
    consolidated(place, any_format)
    write_image(PIXELS[:, :, 3:], place, scale_factors=[2], overwrite=True, **KNOWN)
    assert seen()["0"].shape == PIXELS[:, :, 3:].shape
    consolidated(place, any_format)
    add_metadata(
        place,
        {"omero": {"channels": [{"color": "FF0000", "window": dict.fromkeys(("min", "max", "start", "end"), 1)}] * 2}},
    )
    assert validate(place, strict=True, data=True).findings == ()


def test_a_group_in_hand_does_not_write_its_copy_back(tmp_path: Path, any_format: Format) -> None:
    place = tmp_path / "p.zarr"
    zarr.create_group(place / "field", zarr_format=any_format.zarr_format)
    zarr.create_group(place, zarr_format=any_format.zarr_format)
    consolidated(place, any_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(place, mode="r+")
    assert group.metadata.consolidated_metadata is not None
    write_image(PIXELS, group, scale_factors=[2], **KNOWN)
    group.attrs["lab"] = 3
    assert group["0"].shape == PIXELS.shape
    assert broken(validate(place)) == set()


@pytest.mark.parametrize("above", ["", "A", "A/1"])
def test_a_write_below_a_plate_takes_the_copies_above_it_away(any_format: Format, above: str) -> None:
    store = build(sample("plate", any_format), any_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(store, path=above, zarr_format=any_format.zarr_format)
        assert zarr.open_group(store, path=above, mode="r").metadata.consolidated_metadata is not None
        write_image(PIXELS, zarr.open_group(store, path="A/1/0", mode="r+"), scale_factors=[2], overwrite=True, **KNOWN)
        group = zarr.open_group(store, path=above, mode="r")
    assert group.metadata.consolidated_metadata is None
    assert group["A/1/0/0".removeprefix(above).strip("/")].shape == PIXELS.shape
    assert "consolidated-stale" not in broken(validate(store))


# Single files --------------------------------------------------------------------------------------------------------


def archive(place: Path, names: list[str] | None = None, **options: Any) -> Path:
    """Pack an image as RFC-9 recommends it, or with what is said otherwise."""
    content = {f"{options.get('folder', '')}{name}": c for name, c in files("image", FormatV05()).items()}
    ordered = sorted(content, key=lambda name: (not name.endswith("zarr.json"), name.count("/")))
    compression = options.get("compression", zipfile.ZIP_STORED)
    with zipfile.ZipFile(place, "w", compression) as packed:
        for name in options.get("order", list)(ordered):
            with packed.open(name, "w", force_zip64=options.get("zip64", True)) as entry:
                entry.write(content[name])
        packed.comment = options.get("comment", b'{"ome": {"version": "0.5"}}')
        packed.filelist = options.get("directory", list)(packed.filelist)
    return place


@pytest.mark.parametrize(
    ("name", "options", "rule"),
    [
        pytest.param("a.ozx", {}, None, id="as recommended"),
        pytest.param("a.OZX", {"comment": b'{"ome": {"version": "0.5"}}\0'}, None, id="a zero after the comment"),
        pytest.param("a.zip", {}, "zip-name", id="another name"),
        pytest.param("a.ozx", {"zip64": False}, "zip64", id="small sizes"),
        pytest.param("a.ozx", {"compression": zipfile.ZIP_DEFLATED}, "zip-stored", id="compressed twice"),
        pytest.param("a.ozx", {"order": lambda names: names[::-1]}, "zip-order", id="metadata last"),
        pytest.param("a.ozx", {"order": lambda names: [*names[1:7], names[0], *names[7:]]}, "zip-order", id="depth"),
        pytest.param("a.ozx", {"directory": lambda found: found[::-1]}, "zip-order", id="directory"),
        pytest.param(
            "a.ozx",
            {"order": lambda names: names[::-1], "directory": lambda found: found[::-1]},
            "zip-order",
            id="file",
        ),
        pytest.param("a.ozx", {"comment": b""}, "zip-comment", id="no comment"),
        pytest.param("a.ozx", {"comment": b"{"}, "zip-comment", id="a comment that is no JSON"),
        pytest.param("a.ozx", {"comment": b'{"ome": {"version": "0.4"}}'}, "zip-comment", id="another version"),
        pytest.param("a.ozx", {"comment": b"\xff" * 60_000}, "zip-comment", id="a comment of bytes"),
    ],
)
def test_a_single_file_that_is_not_as_recommended_has_a_warning(
    tmp_path: Path, name: str, options: dict[str, Any], rule: str | None
) -> None:
    report = validate(archive(tmp_path / name, **options), data=True)
    assert [(f.rule, f.severity, f.where) for f in report.findings] == ([(rule, "warning", "/")] if rule else [])
    assert report.seen["chunks"] == 15


def test_a_single_file_whose_root_is_in_a_folder_says_which(tmp_path: Path) -> None:
    report = validate(archive(tmp_path / "a.ozx", folder="cells.zarr/"))
    assert report.kind is None
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("zip-root", "error")
    assert "'cells.zarr'" in finding.what
    with zipfile.ZipFile(tmp_path / "b.ozx", "w"):
        pass
    assert broken(validate(tmp_path / "b.ozx"), "error") == {"zip-root"}


def test_zips_of_0_4_are_stores_of_zarr_and_no_single_files(tmp_path: Path) -> None:
    store = build(sample("image", FormatV04()), FormatV04())
    for name, rules in (("a.zip", set()), ("a.ozx", {"zip-root"})):
        with zipfile.ZipFile(tmp_path / name, "w") as packed:
            for key, buffer in store._store_dict.items():
                packed.writestr(key, buffer.to_bytes())
        assert broken(validate(tmp_path / name, data=True)) == rules


def test_our_single_files_have_no_findings(tmp_path: Path) -> None:
    image = to_ngff_image(PIXELS, list("czyx"), KNOWN["scale"], axes_units=KNOWN["axes_units"])
    to_ngff_zarr(tmp_path / "a.ozx", to_multiscales(image, [2]))
    assert validate(tmp_path / "a.ozx", strict=True, data=True).findings == ()


@given(data=st.data())
def test_a_damaged_single_file_is_judged_or_refused(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = archive(tmp_path_factory.getbasetemp() / "damaged.ozx")
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[-data.draw(st.integers(1, 3000))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.sampled_from([None, -1, -500]))])
    with suppress(StoreError):  # "is not a ZIP, or was not written to its end"
        json.loads(validate(file, data=True).to_json())
