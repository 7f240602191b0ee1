"""Whole stores are judged by what they hold: each rule by a right and a wrong hierarchy, and nothing makes it fail."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import zarr
from examples.documents import place, put
from examples.hierarchies import Nodes, build, sample, wrong
from hierarchies import KNOWN, OF_LABELS, PIXELS, broken, copy_to, files, put_file, with_file
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from ome_ngff import (
    MissingError,
    OptionError,
    StoreError,
    ValidationError,
    config,
    validate,
    write_image,
    write_labels,
    write_plate_metadata,
    write_well_metadata,
)
from ome_ngff.format import Format, FormatV04, FormatV05, FormatV06, format_implementations
from ome_ngff.methods import Method
from ome_ngff.read.validation import tree
from ome_ngff.read.validation.images import STORE_RULES
from ome_ngff.read.validation.walk import MOST_WELLS
from ome_ngff.spec.rules.book import MISSING, RULES, Rule
from ome_ngff.store import find_target, journal

KINDS = ["image", "plate", "bf2raw", "numbered"]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_rule = pytest.mark.parametrize("rule", [r for r in STORE_RULES.values() if r.at], ids=lambda rule: rule.id)

# The wrong examples of these rules are right in 0.4.
RIGHT_IN_0_4 = {"zarr-version", "version-hierarchy", "zip-name", "zip64", "zip-stored", "zip-order", "zip-comment"}


def breaks(rule: Rule, fmt: Format) -> bool:
    """Return whether the wrong example of a rule is one in a version."""
    return rule.holds(fmt.version) and not (fmt == FormatV04() and rule.id in RIGHT_IN_0_4)


def found(nodes: Nodes, fmt: Format, **options: Any) -> set[str]:
    return broken(validate(build(nodes, fmt), **options))


# Each rule -----------------------------------------------------------------------------------------------------------


def test_a_right_scene_breaks_no_rule() -> None:
    fmt = FormatV06()
    report = validate(build(sample("scene", fmt), fmt), strict=True, data=True)
    assert (report.findings, report.kind) == ((), "scene")
    assert report.seen == {"scenes": 1, "images": 2, "vector fields": 1, "arrays": 6, "chunks": 6}


@pytest.mark.parametrize("version", ["0.6.dev3", "0.7"])
def test_drafts_are_named_and_judged_by_no_other_rules(tmp_path: Path, version: str) -> None:
    nodes = sample("image", FormatV06())
    nodes["/"]["document"] |= {"version": version, "multiscales": [{"axes": []}]}
    store = build(nodes, FormatV06())
    (tmp_path / "attributes.json").write_text(json.dumps({"ome": {"version": version, "multiscales": []}}))
    for source in (store, tmp_path / "attributes.json"):
        (finding,) = validate(source).findings
        assert (finding.rule, finding.severity) == ("version-known", "error")
        assert f"OME-Zarr '{version}' is not known here" in finding.what


@every_kind
def test_a_right_hierarchy_breaks_no_rule(any_format: Format, kind: str) -> None:
    report = validate(build(sample(kind, any_format), any_format), strict=True, data=True)
    assert report.findings == ()
    assert (report.valid, report.version) == (True, any_format.version)


@every_rule
def test_a_wrong_hierarchy_breaks_its_rule(any_format: Format, rule: Rule) -> None:
    findings = validate(build(wrong(rule, any_format), any_format), data=True).findings
    mine = [finding for finding in findings if finding.rule == rule.id]
    assert bool(mine) == breaks(rule, any_format)
    for finding in mine:
        assert finding.severity == rule.severity
        assert finding.where.startswith("/")
        assert finding.what.endswith(".")
        assert finding.hint.endswith(".")


def test_a_right_single_file_breaks_no_rule() -> None:
    fmt = FormatV05()
    assert validate(build(sample("zip", fmt), fmt), strict=True, data=True).findings == ()


def test_rules_of_documents_and_of_stores_have_names_of_their_own() -> None:
    assert not set(RULES) & set(STORE_RULES)
    for rule in STORE_RULES.values():
        if "MUST" in rule.words and "SHOULD" not in rule.words and rule.id != "levels-dtype":
            assert rule.severity == "error"
        if "SHOULD" in rule.words:
            assert rule.severity == "warning"


@pytest.mark.parametrize(
    ("kind", "at", "value"),
    [
        pytest.param("image", "/labels/cells/1.shape", [1, 1, 4, 4, 4], id="labels of all times and channels"),
        pytest.param("bf2raw", "/0/1.shape", [2, 2, 4, 5, 3], id="a pixel more or less"),
        pytest.param("bf2raw", "/0.document.multiscales[0].coordinateTransformations",
                     [{"type": "scale", "scale": [0.1, 1.0, 1.0, 1.0, 1.0]}], id="sizes for all levels"),
        pytest.param("image", "/labels/cells.document.image-label.source.image", "../..", id="source without slash"),
        pytest.param("image", "/labels/cells.document.image-label.source.image", "../../../x", id="source elsewhere"),
        pytest.param("image", "/labels/by_hand", {"folder": True}, id="a mere folder between labels"),
        pytest.param("plate", "/.document.plate.field_count", 3, id="wells with fewer fields"),
        pytest.param("bf2raw", "/OME.document.series", ["1"], id="a series of some"),
    ],
)  # fmt: skip
def test_what_the_specification_allows_is_accepted(any_format: Format, kind: str, at: str, value: Any) -> None:
    if any_format == FormatV06() and at.endswith("coordinateTransformations"):
        return  # these lead elsewhere, from 0.6 on
    nodes = sample(kind, any_format)
    changed = {**nodes, at: value} if at in nodes else put(nodes, at, value)
    assert found(changed, any_format, data=True) == set()


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [
        pytest.param("image", {"dataset-array"}, id="image"),
        pytest.param("plate", {"well-there"}, id="plate"),
        pytest.param("bf2raw", {"series-numbered", "series-xml"}, id="bf2raw"),
    ],
)
def test_a_root_alone_lacks_what_it_names(any_format: Format, kind: str, lacking: set[str]) -> None:
    """The published hierarchies are such roots: what is called valid there lacks its arrays here, and nothing else."""
    lacking = lacking | ({"vectors-there"} if (kind, any_format) == ("image", FormatV06()) else set())
    assert found({"/": sample(kind, any_format)["/"]}, any_format) == lacking


def test_a_well_that_is_a_mere_folder_is_not_there(any_format: Format) -> None:
    assert "well-there" in found({**sample("plate", any_format), "/A/1": {"folder": True}}, any_format)


@pytest.mark.parametrize("fmt", [FormatV04(), FormatV05()], ids=["0.4", "0.5"])
def test_a_level_that_is_called_labels_is_no_group_of_labels(fmt: Format) -> None:
    nodes = sample("bf2raw", fmt)
    nodes["/0/labels"] = nodes.pop("/0/0")
    renamed = put(nodes, "/0.document.multiscales[0].datasets[0].path", "labels")
    assert found(renamed, fmt) == set()


def test_metadata_of_both_versions_in_one_group_is_noted() -> None:
    old, new = FormatV04(), FormatV05()
    store = build(sample("image", new), new)
    group = zarr.open_group(store, mode="r+")
    group.attrs.update(old.wrap(sample("image", old)["/"]["document"]))
    (finding,) = validate(store).findings
    assert (finding.rule, finding.where) == ("zarr-twice", "/")
    assert "OME-Zarr 0.4 and of OME-Zarr 0.5" in finding.what


def test_label_images_in_a_mere_folder_are_found(any_format: Format) -> None:
    nodes = {**sample("image", any_format), "/labels": {"folder": True}}
    report = validate(build(nodes, any_format))
    (finding,) = report.findings
    assert (finding.rule, finding.where) == ("labels-group", "/labels")
    assert "by_hand/nuclei, cells" in finding.what


def test_levels_are_opened_once_and_those_that_are_not_there_never(monkeypatch: pytest.MonkeyPatch) -> None:
    fmt = FormatV05()
    nodes = sample("image", fmt)
    datasets = nodes["/"]["document"]["multiscales"][0]["datasets"]
    datasets += [datasets[1]] * 50 + [{**datasets[1], "path": f"far/{i}"} for i in range(50)]
    opened: list[str] = []
    real = tree.open_node
    monkeypatch.setattr(tree, "open_node", lambda store, at: (opened.append(at), real(store, at))[1])
    report = validate(build(nodes, fmt))
    assert opened.count("1") == 1
    assert not any(at.startswith("far") for at in opened)
    assert sum(finding.rule == "dataset-array" for finding in report.findings) == 50


def test_zarr_of_the_other_version_is_found_in_groups_and_in_arrays() -> None:
    old, new = FormatV04(), FormatV05()
    assert "zarr-version" in found(put(sample("image", old), "/1.zarr_format", 3), old)
    nodes = sample("image", new)
    store = build({path: node for path, node in nodes.items() if path != "/"}, new)
    zarr.create_group(store, zarr_format=2, attributes=new.wrap(nodes["/"]["document"]))
    assert {"zarr-version", "version-hierarchy"} & broken(validate(store)) == {"zarr-version"}


def test_a_picked_pixel_is_no_displaced_centre_but_half_a_pixel_is() -> None:
    """`nearest` puts the first pixel of a window of three on its middle, of one of two on its first."""
    fmt = FormatV05()
    shift = "/.document.multiscales[0].datasets[1].coordinateTransformations[1].translation"
    for method, by, expected in [
        ("nearest", 0.0, set()),
        ("nearest", 0.125, {"translation-centre"}),
        ("local_mean", 0.0, {"translation-centre"}),
        ("local_mean", 0.25, set()),
    ]:
        nodes = put(sample("image", fmt), "/.document.multiscales[0].type", method)
        assert found(put(nodes, shift, [0.0, 0.0, 0.0, 0.25 + by, 0.25 + by]), fmt) == expected


def test_labels_whose_pixels_have_nearly_the_size_of_the_image_are_noted(any_format: Format) -> None:
    sizes = "multiscales[0].datasets[0].coordinateTransformations[0].scale"
    nodes = sample("image", any_format)
    for by, expected in ((1 + 1e-9, False), (1.005, True), (0.9999, True)):
        changed = put(nodes, place(f"/labels/cells.document.{sizes}", any_format), [1.0, 1.0, 1.0, 0.5, 0.5 * by])
        assert ("label-place" in found(changed, any_format)) == expected


def test_acquisitions_are_compared_across_plate_and_wells(any_format: Format) -> None:
    nodes = sample("plate", any_format)
    one = put(nodes, "/.document.plate.acquisitions[1]", MISSING)
    assert found(one, any_format) == {"field-acquisition-known"}
    silent = put(one, "/A/1.document.well.images[0].acquisition", MISSING)
    assert "field-acquisition" not in found(silent, any_format), "of one acquisition nobody has to say the number"
    many = put(nodes, "/A/1.document.well.images[1].acquisition", 0)
    assert found(many, any_format) == {"field-count"}, "two fields of an acquisition that has one at most"


# What is seen --------------------------------------------------------------------------------------------------------


def test_the_report_says_what_was_looked_at_and_becomes_json() -> None:
    fmt = FormatV05()
    report = validate(build(sample("image", fmt), fmt), data=True)
    assert (report.kind, report.version, report.seen) == (
        "image",
        "0.5",
        {"images": 1, "labels": 2, "arrays": 6, "chunks": 15},
    )
    report = validate(build(sample("plate", fmt), fmt))
    assert (report.kind, report.seen) == ("plate", {"plates": 1, "wells": 3, "images": 6, "arrays": 12})
    report = validate(build(wrong(STORE_RULES["dataset-array"], fmt), fmt))
    said = json.loads(report.to_json())
    assert (said["valid"], said["counts"]) == (False, {"error": 1, "warning": 0, "note": 0})
    assert said["findings"][0]["rule"] == "dataset-array"
    with pytest.raises(ValidationError, match="dataset-array") as caught:
        report.raise_for_errors()
    assert caught.value.findings == report.findings
    noted = validate(build(wrong(STORE_RULES["scale-shape"], fmt), fmt)).findings
    with pytest.raises(ValidationError) as caught:
        attrs.evolve(report, findings=(*noted, *report.findings)).raise_for_errors()
    assert caught.value.findings == report.findings


def test_strict_turns_warnings_into_errors_and_leaves_notes() -> None:
    fmt = FormatV05()
    store = build(wrong(STORE_RULES["scale-shape"], fmt), fmt)
    assert validate(store).valid
    report = validate(store, strict=True)
    assert not report.valid
    assert report.counts == {"error": 1, "warning": 0, "note": 1}


@pytest.mark.parametrize("path", ["labels", "labels/cells", "labels/by_hand/nuclei"])
def test_a_part_of_a_hierarchy_can_be_checked_alone(any_format: Format, path: str) -> None:
    group = zarr.open_group(build(sample("image", any_format), any_format), path=path, mode="r")
    report = validate(group)
    assert (report.findings, report.kind) == ((), "labels" if path == "labels" else "label image")
    well = zarr.open_group(build(sample("plate", any_format), any_format), path="A/1", mode="r")
    assert (validate(well).kind, validate(well).findings) == ("well", ())


def test_the_rules_of_another_version_can_be_asked() -> None:
    store = build(sample("image", FormatV05()), FormatV05())
    report = validate(store, fmt="0.4")
    assert (report.kind, report.version) == ("group", "0.4")
    assert {"document-kind", "zarr-version"} <= broken(report, "error")


@pytest.mark.parametrize("place", ["{folder}/a.zarr", "{folder}/a.ozx", "{bucket}/a.zarr"])
def test_folders_zip_files_and_urls_are_checked_alike(tmp_path: Path, bucket: str, place: str) -> None:
    nodes = put(sample("image", FormatV05()), "/0.pixels", "damaged")
    store = build(nodes, FormatV05())
    place = place.format(folder=tmp_path, bucket=bucket)
    copy_to(store, place)
    report = validate(place, data=True)
    assert [(f.rule, f.where) for f in report.findings if f.severity == "error"] == [
        ("chunk-readable", "/0/c/0/0/0/0/0")
    ]
    assert report.seen["chunks"] == 15


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass

    def list_directory(self, path: Any) -> None:
        self.send_error(403)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder by a web server that does not list: the folder, and its URL."""
    pytest.importorskip("aiohttp")
    handler = functools.partial(_Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_where_nothing_can_be_listed_everything_that_is_named_is_asked_for(web: tuple[Path, str]) -> None:
    folder, url = web
    fmt = FormatV05()
    for kind, gone, rule in [("image", "0/c/0/0/0/0/0", "chunk-missing"), ("plate", "A/1/zarr.json", "well-there")]:
        copy_to(build(sample(kind, fmt), fmt), str(folder / kind))
        whole = validate(f"{url}/{kind}", data=True)
        assert whole.findings == ()
        (folder / kind / gone).unlink()
        report = validate(f"{url}/{kind}", data=True)
        assert broken(report) == {rule}
        assert kind == "plate" or report.seen["chunks"] == whole.seen["chunks"] - 1
    copy_to(build(sample("numbered", fmt), fmt), str(folder / "series"))
    assert validate(f"{url}/series").seen["images"] == 2


# What we write -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factors", [None, [2, 4], [{"z": 3, "y": 3, "x": 5}], []], ids=str)
def test_what_we_write_has_neither_errors_nor_warnings_nor_notes(
    tmp_path: Path, any_format: Format, any_method: Method, factors: Any
) -> None:
    place = tmp_path / "a.zarr"
    write_image(PIXELS, place, fmt=any_format, method=any_method.name, scale_factors=factors, **KNOWN)
    report = validate(place, strict=True, data=True)
    assert report.findings == ()
    assert report.seen["images"] == 1


def test_our_labels_and_shards_have_none_either(tmp_path: Path, any_format: Format) -> None:
    place = tmp_path / "a.zarr"
    shards = {"shards": {"y": 64, "x": 64}} if any_format.zarr_format == 3 else {}
    write_image(PIXELS + 1, place, fmt=any_format, scale_factors=[2], **KNOWN, **shards)
    write_labels(np.ones(PIXELS.shape[1:], "uint32"), place, "cells", scale_factors=[2], **OF_LABELS, **shards)
    report = validate(place, strict=True, data=True)
    assert report.findings == ()
    assert report.seen == {"images": 1, "labels": 1, "arrays": 4, "chunks": report.seen["chunks"]}


def test_our_plates_have_none_either(tmp_path: Path, any_format: Format) -> None:
    plate = zarr.create_group(tmp_path / "p.zarr", zarr_format=any_format.zarr_format)
    wells = ["A/1", "B/2"]
    write_plate_metadata(plate, ["A", "B"], ["1", "2"], wells, fmt=any_format, name="p", field_count=1)
    for well in wells:
        write_well_metadata(plate.require_group(well), ["0"], fmt=any_format)
        write_image(PIXELS, plate.require_group(f"{well}/0"), scale_factors=[2], **KNOWN)
    report = validate(tmp_path / "p.zarr", strict=True)
    assert report.findings == ()
    assert report.seen == {"plates": 1, "wells": 2, "images": 2, "arrays": 4}


def test_a_write_that_was_killed_is_found_and_told_to_be_resumed(tmp_path: Path) -> None:
    write_image(PIXELS, tmp_path / "a.zarr", scale_factors=[2], **KNOWN)
    target = find_target(tmp_path / "a.zarr")
    journal.begin(target, {"metadata": dict(target.attributes or {})}, {})
    report = validate(tmp_path / "a.zarr")
    assert not report.valid
    (finding,) = report.findings
    assert finding.rule == "incomplete-write"
    assert "resume=True" in finding.hint


# Chunks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["blosc-zstd", "zstd", "gzip", "none"])
@pytest.mark.parametrize(("fmt", "shards"), [("0.4", None), ("0.5", None), ("0.5", 32)])
@pytest.mark.parametrize("remote", [False, True], ids=["folder", "object store"])
def test_a_chunk_that_was_cut_short_is_found(
    tmp_path: Path, fmt: str, compression: str, shards: Any, remote: bool
) -> None:
    place = tmp_path / "a.zarr"
    options: dict[str, Any] = {"compression": compression, "shards": shards}
    write_image(PIXELS[0, 0], place, fmt=fmt, axes="yx", chunks=16, scale_factors=[], **options)
    chunk = next(path for path in (place / "0").rglob("*") if path.is_file() and path.name[0].isdecimal())
    chunk.write_bytes(chunk.read_bytes()[:-9])
    store: Any = place
    if remote:
        store = MemoryStore()
        for path in place.rglob("*"):
            if path.is_file():
                put_file(store, str(path.relative_to(place)), path.read_bytes())
    (finding,) = (f for f in validate(store, data=True).findings if f.severity == "error")
    assert (finding.rule, finding.where) == ("chunk-readable", f"/{chunk.relative_to(place)}")


@pytest.mark.parametrize("fmt", ["0.4", "0.5"])
@pytest.mark.parametrize(("shape", "border"), [((20, 16), "1/0"), ((16, 40), "0/2"), ((24, 24), "1/1")], ids=str)
def test_a_border_chunk_cut_short_beyond_the_image_is_found(
    tmp_path: Path, fmt: str, shape: tuple[int, int], border: str
) -> None:
    write_image(
        np.ones(shape, "u2"), tmp_path / "a.zarr", axes="yx", fmt=fmt, chunks=16, scale_factors=[], compression="none"
    )
    chunk = tmp_path / "a.zarr" / "0" / border if fmt == "0.4" else tmp_path / "a.zarr" / "0" / "c" / border
    chunk.write_bytes(chunk.read_bytes()[:-9])  # pixels that nobody sees
    (finding,) = (f for f in validate(tmp_path / "a.zarr", data=True).findings if f.severity == "error")
    assert (finding.rule, finding.where) == ("chunk-readable", f"/{chunk.relative_to(tmp_path / 'a.zarr')}")


def test_a_broken_chunk_of_a_shard_beyond_the_image_is_found(tmp_path: Path) -> None:
    write_image(
        np.random.default_rng(0).integers(0, 9, (32, 32)).astype("u2"), tmp_path / "a.zarr", axes="yx", chunks=8,
        shards=32, scale_factors=[], compression="zstd", omero=False,
    )  # fmt: skip
    level, shard = tmp_path / "a.zarr" / "0" / "zarr.json", tmp_path / "a.zarr" / "0" / "c" / "0" / "0"
    level.write_text(json.dumps({**json.loads(level.read_text()), "shape": [20, 16]}))
    assert validate(tmp_path / "a.zarr", data=True).valid
    content = bytearray(shard.read_bytes())
    start, size = np.frombuffer(content[-4 - 16 : -4], "<u8")  # of the last chunk
    content[start : start + size] = bytes(size)
    shard.write_bytes(content)
    (finding,) = (f for f in validate(tmp_path / "a.zarr", data=True).findings if f.severity == "error")
    assert (finding.rule, finding.where) == ("chunk-readable", "/0/c/0/0")


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        pytest.param(lambda content: b"", "0.4 gzip", id="an empty file"),
        pytest.param(lambda content: b"", "0.5 shards", id="an empty shard"),
        pytest.param(lambda content: content + b"more", "0.4 none", id="pixels too many"),
        pytest.param(lambda content: content[: len(content) // 2], "0.5 shards", id="half a shard"),
        pytest.param(
            lambda content: content[:-1] + bytes([content[-1] ^ 1]), "0.5 shards", id="a checksum of the index"
        ),
        pytest.param(lambda content: bytes([content[0] ^ 1]) + content[1:], "0.5 shards", id="a chunk of a shard"),
        pytest.param(lambda content: content[:-6] + bytes(1) + content[-5:], "0.4 gzip", id="a checksum of a chunk"),
    ],
)
def test_damage_that_a_codec_can_notice_is_found(tmp_path: Path, damage: Any, where: str) -> None:
    fmt, how = where.split()
    options: dict[str, Any] = {"shards": 32} if how == "shards" else {"compression": how}
    write_image(PIXELS[0, 0], tmp_path / "a.zarr", fmt=fmt, axes="yx", chunks=16, scale_factors=[], **options)
    chunk = next(path for path in sorted((tmp_path / "a.zarr" / "0").rglob("0")) if path.is_file())
    chunk.write_bytes(damage(chunk.read_bytes()))
    (finding,) = (f for f in validate(tmp_path / "a.zarr", data=True).findings if f.severity != "warning")
    assert (finding.rule, finding.where) == ("chunk-readable", f"/{chunk.relative_to(tmp_path / 'a.zarr')}")


@pytest.mark.parametrize(
    "options", [{"dtype": ">u2"}, {"dtype": "<u2", "order": "F"}, {"dtype": ">f8", "order": "F"}], ids=str
)
def test_chunks_of_any_byte_and_memory_order_can_be_decoded(tmp_path: Path, options: dict[str, Any]) -> None:
    fmt = FormatV04()
    nodes = sample("image", fmt)
    copy_to(build(nodes, fmt), str(tmp_path))
    shutil.rmtree(tmp_path / "0")
    array = zarr.create_array(
        tmp_path / "0", shape=nodes["/0"]["shape"], chunks=(1, 1, 4, 8, 8), **options, **fmt.array_options("tczyx")
    )
    array[...] = np.arange(1, array.size + 1).reshape(array.shape)
    assert broken(validate(tmp_path, data=True), "error", "note") == set()
    chunk = tmp_path / "0/0/1/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-7])
    assert broken(validate(tmp_path, data=True), "error") == {"chunk-readable"}


def test_every_chunk_is_counted_and_progress_told(tmp_path: Path) -> None:
    write_image(PIXELS, tmp_path / "a.zarr", scale_factors=[2], **KNOWN)
    told: list[tuple[int, int]] = []
    report = validate(tmp_path / "a.zarr", data=True, progress=lambda *step: told.append(step))
    chunks = sum(zarr.open_array(tmp_path / "a.zarr" / level).nchunks for level in "01")
    assert report.seen["chunks"] == chunks
    assert told == [(i, chunks) for i in range(chunks + 1)]
    with pytest.raises(OptionError, match="progress"):
        validate(tmp_path / "a.zarr", data=True, progress="yes")  # type: ignore[arg-type]


def test_few_chunks_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(np.ones((64, 64), "uint8"), tmp_path / "a.zarr", axes="yx", chunks=16, scale_factors=[])
    running: list[int] = []
    most: list[int] = []
    real = zarr.Array.__getitem__

    def read(array: Any, region: Any) -> Any:
        running.append(1)
        most.append(len(running))
        try:
            return real(array, region)
        finally:
            running.pop()

    monkeypatch.setattr(zarr.Array, "__getitem__", read)
    with config.set(memory_target=600, workers=8):
        validate(tmp_path / "a.zarr", data=True)
    assert len(most) == 16
    assert max(most) == 1


def test_a_shard_is_decoded_layer_by_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(np.ones((64, 80, 64), "uint8"), tmp_path / "a.zarr", axes="zyx", chunks=16, shards=64, scale_factors=[])
    read: list[int] = []
    real = zarr.Array.__getitem__

    def noted(array: Any, region: Any) -> Any:
        pixels = real(array, region)
        read.append(pixels.size)
        return pixels

    monkeypatch.setattr(zarr.Array, "__getitem__", noted)
    report = validate(tmp_path / "a.zarr", data=True)
    assert (report.seen["chunks"], broken(report, "error", "note")) == (2, set())
    assert read == [16 * 64 * 64] * 8, "two shards, one of them at the border, of four layers each"


def test_missing_chunks_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    write_image(np.ones((80, 80), "uint8"), tmp_path / "a.zarr", axes="yx", chunks=16, scale_factors=[])
    for gone in ("0/1", "0/3", "4/4"):
        (tmp_path / "a.zarr" / "0" / "c" / gone).unlink()
    (finding,) = (f for f in validate(tmp_path / "a.zarr", data=True).findings if f.rule == "chunk-missing")
    assert (finding.severity, finding.what) == ("note", "Not stored: 3 of 25 chunks or shards (c/0/1, c/0/3, c/4/4).")
    shutil.rmtree(tmp_path / "a.zarr" / "0" / "c")
    (finding,) = (f for f in validate(tmp_path / "a.zarr", data=True).findings if f.rule == "chunk-missing")
    assert finding.what == "Not stored: 25 of 25 chunks or shards (c/0/0, c/0/1, c/0/2, c/0/3, c/0/4, ...)."


@pytest.mark.parametrize("moved", ["c/4/5", "c/5/0", "c/00/1", "c/0/1.copy"])
def test_a_chunk_that_was_moved_is_missing_here_and_stray_there(tmp_path: Path, moved: str) -> None:
    write_image(np.ones((80, 80), "uint8"), tmp_path / "a.zarr", axes="yx", chunks=16, scale_factors=[])
    array = tmp_path / "a.zarr" / "0"
    (array / moved).parent.mkdir(exist_ok=True)
    (array / "c/0/1").rename(array / moved)
    assert broken(validate(tmp_path / "a.zarr", data=True), "note") == {"chunk-missing", "chunk-stray"}


def test_many_unreadable_chunks_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    write_image(np.ones((80, 80), "uint8"), tmp_path / "a.zarr", axes="yx", chunks=16, scale_factors=[])
    for chunk in (tmp_path / "a.zarr" / "0" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"no")
    findings = [f for f in validate(tmp_path / "a.zarr", data=True).findings if f.rule == "chunk-readable"]
    assert len(findings) == 21
    assert findings[-1].what.startswith("5 more")


# Garbage -------------------------------------------------------------------------------------------------------------


def test_missing_places_and_files_that_are_not_json_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no Zarr group"):
        validate(tmp_path / "nothing.zarr")
    (tmp_path / "a.json").write_text('{"multiscales": [')
    with pytest.raises(StoreError, match="not JSON"):
        validate(tmp_path / "a.json")
    with pytest.raises(StoreError, match="spam"):
        validate("spam://somewhere")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(StoreError, match="not JSON"):
        validate(tmp_path / "deep.json")


def test_a_json_file_is_checked_as_the_attributes_of_a_group(tmp_path: Path, any_format: Format) -> None:
    copy_to(build(sample("image", any_format), any_format), str(tmp_path / "a.zarr"))
    name = {2: ".zattrs", 3: "zarr.json"}[any_format.zarr_format]
    report = validate(tmp_path / "a.zarr" / name)
    assert (report.findings, report.kind, report.version) == ((), "image", any_format.version)
    (tmp_path / "a.json").write_text(json.dumps(any_format.wrap({"labels": 3})))
    assert broken(validate(str(tmp_path / "a.json"))) == {"labels-form"}
    (tmp_path / "c.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(any_format.wrap({"labels": []})).encode())
    assert [(f.rule, f.where) for f in validate(tmp_path / "c.json").findings] == [("metadata-json", "c.json")]
    (tmp_path / "b.json").write_text("[1]")
    report = validate(tmp_path / "b.json")
    assert (report.kind, broken(report)) == (None, {"attributes-form"})


def test_who_points_at_the_folder_of_an_image_is_told_its_name(tmp_path: Path, any_format: Format) -> None:
    copy_to(build(sample("image", any_format), any_format), str(tmp_path / "cells.zarr"))
    with pytest.raises(MissingError, match=r"but below it: cells\.zarr"):
        validate(tmp_path)
    zarr.create_group(tmp_path, zarr_format=any_format.zarr_format)
    (finding,) = validate(tmp_path).findings
    assert (finding.rule, finding.hint) == ("document-kind", "Check one of the groups below: cells.zarr.")


def test_what_is_no_ome_zarr_has_no_kind(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "array", shape=(3, 3), dtype="u1")
    zarr.create_group(tmp_path / "group")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "zarr.json").write_text('{"zarr_format": 3, "node_ty')
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / ".zgroup").write_text('{"node_type": false}')
    rules = {"array": "document-kind", "group": "document-kind", "cut": "zarr-readable", "odd": "zarr-readable"}
    for name, rule in rules.items():
        report = validate(tmp_path / name)
        assert (report.kind, report.valid, broken(report, "error")) == (None, False, {rule})


@pytest.mark.parametrize(
    ("kind", "path", "key", "rule"),
    [
        pytest.param("image", "/.document.multiscales[0].datasets[0].path", "PATH", "dataset-path", id="dataset"),
        pytest.param("image", "/labels.document.labels[0]", "PATH", "labels-path", id="label"),
        pytest.param("plate", "/.document.plate.wells[0].path", "PATH", "plate-well-path", id="well"),
        pytest.param("plate", "/A/1.document.well.images[0].path", "PATH", "well-image-path", id="field"),
        pytest.param("bf2raw", "/OME.document.series[0]", "PATH", "series-path", id="series"),
    ],
)
@pytest.mark.parametrize("climb", ["../../etc", "/etc", "..", "a/../../b", "..\\secret", "file:///etc"])
def test_paths_that_climb_out_are_findings_and_are_not_followed(
    tmp_path: Path, kind: str, path: str, key: str, rule: str, climb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = build(put(sample(kind, FormatV05()), path, climb), FormatV05())
    opened: list[str] = []
    real = tree.open_node
    monkeypatch.setattr(tree, "open_node", lambda store, at: (opened.append(at), real(store, at))[1])
    monkeypatch.setattr(tree.Tree, "absent", lambda self, parent, names: set())  # as where nothing can be listed
    assert rule in broken(validate(store), "error")
    assert not any(".." in at or "etc" in at for at in opened)


def test_findings_show_names_with_odd_characters_in_printable_form() -> None:
    fmt = FormatV05()
    for name in ("a b", "ä", "\x1b[31m", "x\ny", "nul\0", "\ud800", "n" * 5000, "💡"):
        nodes = put(sample("image", fmt), "/.document.multiscales[0].datasets[1].path", name)
        report = validate(build(nodes, fmt))
        assert "dataset-array" in broken(report)
        assert all(finding.where.isprintable() for finding in report.findings)
        report.to_json().encode("ascii")


def test_links_that_form_a_loop_come_to_an_end(tmp_path: Path) -> None:
    place = tmp_path / "a.zarr"
    copy_to(build(sample("image", FormatV05()), FormatV05()), str(place))
    (place / "labels" / "again").symlink_to(place, target_is_directory=True)
    (place / "labels" / "by_hand" / "round").symlink_to(place / "labels", target_is_directory=True)
    report = validate(place)
    assert {"labels-listed"} <= broken(report)
    copy_to(build(sample("plate", FormatV05()), FormatV05()), str(tmp_path / "p.zarr"))
    shutil.rmtree(tmp_path / "p.zarr" / "A" / "1" / "0")
    (tmp_path / "p.zarr" / "A" / "1" / "0").symlink_to(tmp_path / "p.zarr", target_is_directory=True)
    assert broken(validate(tmp_path / "p.zarr"), "error") == {"document-kind"}


def test_metadata_that_is_a_folder_and_folders_that_are_files_are_findings(tmp_path: Path) -> None:
    place = tmp_path / "a.zarr"
    copy_to(build(sample("image", FormatV05()), FormatV05()), str(place))
    (place / "1" / "zarr.json").unlink()
    (place / "1" / "zarr.json").mkdir()
    shutil.rmtree(place / "labels" / "cells")
    (place / "labels" / "cells").write_text("a file")
    report = validate(place, data=True)
    assert {f.where for f in report.findings if f.severity == "error"} == {"/1", "/labels/cells"}


def big_plate(lines: int, there: int) -> MemoryStore:
    """Make a plate that lists 400 wells in each of its rows, of which some are there."""
    fmt = FormatV05()
    rows, columns = [f"R{i}" for i in range(lines)], [f"{i}" for i in range(400)]
    wells = [
        {"path": f"{r}/{c}", "rowIndex": i, "columnIndex": j} for i, r in enumerate(rows) for j, c in enumerate(columns)
    ]
    named = {"rows": [{"name": r} for r in rows], "columns": [{"name": c} for c in columns]}
    store = build({"/": {"document": fmt.plate(wells=wells, name="p", field_count=1, **named)}}, fmt)
    row = json.dumps({"zarr_format": 3, "node_type": "group"}).encode()
    said = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": fmt.wrap(fmt.well([{"path": "0"}]))})
    for well in wells[:there]:
        put_file(store, f"{well['path']}/zarr.json", said.encode())
        put_file(store, f"{str(well['path']).partition('/')[0]}/zarr.json", row)
    return store


def test_a_plate_of_a_hundred_thousand_wells_opens_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to(big_plate(250, 3), str(tmp_path / "p.zarr"))
    opened: list[str] = []
    real = tree.open_node
    monkeypatch.setattr(tree, "open_node", lambda store, at: (opened.append(at), real(store, at))[1])
    report = validate(tmp_path / "p.zarr")
    (finding,) = (f for f in report.findings if f.rule == "well-there")
    assert finding.what.endswith("and 99992 more.")
    assert opened == ["", "R0", "R0/0", "R0/1", "R0/2"]


def test_a_plate_larger_than_any_is_looked_into_by_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ome_ngff.read.validation.walk.MOST_WELLS", 7)
    copy_to(big_plate(1, 200), str(tmp_path / "p.zarr"))
    report = validate(tmp_path / "p.zarr")
    assert report.seen["wells"] == 7
    (finding,) = (f for f in report.findings if f.rule == "plate-sampled")
    assert finding.severity == "note"
    assert finding.what.startswith("7 of the 200 wells")
    assert MOST_WELLS == 1536
    assert validate(tmp_path / "p.zarr", data=True).seen["wells"] == 200


# Any JSON, anywhere --------------------------------------------------------------------------------------------------

KEYS = st.text(max_size=3) | st.sampled_from(
    "ome multiscales axes datasets path coordinateTransformations type scale labels plate well wells images series "
    "bioformats2raw.layout image-label source omero ome_ngff rows shape chunk_grid codecs zarr_format node_type "
    "attributes consolidated_metadata metadata".split()
)
WORDS = st.sampled_from("0 1 .. . A/1 cells ../.. scale space 0.4 0.5 group array".split())
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
JSON = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)


def metadata_of(kind: str, fmt: Format) -> list[str]:
    return sorted(k for k in files(kind, fmt) if k.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs", ".zgroup"))


@every_kind
@given(data=st.data(), content=JSON)
def test_any_json_as_attributes_gives_findings_and_no_traceback(kind: str, data: Any, content: Any) -> None:
    fmt = data.draw(st.sampled_from(list(format_implementations())))
    key = data.draw(st.sampled_from(metadata_of(kind, fmt)))
    whole = json.loads(files(kind, fmt)[key])
    if key.endswith("zarr.json"):
        content = {**whole, "attributes": data.draw(st.sampled_from([content, fmt.wrap({"labels": content})]))}
    report = validate(with_file(kind, fmt, key, json.dumps(content).encode()), data=kind != "plate")
    json.loads(report.to_json())


@every_kind
@given(data=st.data(), content=JSON)
def test_metadata_changed_in_any_place_gives_findings_and_no_traceback(kind: str, data: Any, content: Any) -> None:
    fmt = data.draw(st.sampled_from(list(format_implementations())))
    key = data.draw(st.sampled_from(metadata_of(kind, fmt)))
    whole = part = json.loads(files(kind, fmt)[key])
    while isinstance(part, (dict, list)) and part:
        step = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else list(range(len(part)))))
        if not isinstance(part[step], (dict, list)) or not part[step] or data.draw(st.integers(0, 4)) == 0:
            part[step] = content
            break
        part = part[step]
    report = validate(with_file(kind, fmt, key, json.dumps(whole).encode()), data=kind != "plate")
    json.loads(report.to_json())


@given(content=st.binary(max_size=40), data=st.data())
def test_any_bytes_in_place_of_metadata_give_findings_and_no_traceback(content: bytes, data: Any) -> None:
    fmt = data.draw(st.sampled_from(list(format_implementations())))
    key = data.draw(st.sampled_from(metadata_of("image", fmt)))
    report = validate(with_file("image", fmt, key, content), data=True)
    assert not report.valid or key.endswith((".zattrs", ".zgroup"))
