"""Stores that zarr-python made by hand, in every version: understood whole, or refused by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import zarr
from helpers import document, every_file
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from ome_ngff import (
    Axis,
    Dataset,
    Format,
    FormatError,
    Metadata,
    NgffError,
    Omero,
    OmeroChannel,
    OmeroWindow,
    Scale,
    Scaler,
    Translation,
    open_image,
    to_ngff_zarr,
    validate,
    write_image,
    write_labels,
)
from ome_ngff.axes import KNOWN_AXES
from ome_ngff.convert import convert, open_input
from ome_ngff.read import stored as reading
from ome_ngff.read.describe import describe_store
from ome_ngff.spec.space.systems import CoordinateSystem, Edge, Ref
from ome_ngff.spec.space.transformation import Sequence, Unknown
from ome_ngff.store import open_node

AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
]
PIXELS = np.arange(2 * 2 * 8 * 8, dtype="uint16").reshape(1, 2, 2, 8, 8)
SPACES = [{"type": "scale", "scale": [9, 9, 9, 9, 9], "input": {"name": "tczyx"}, "output": {"name": "global"}}]


def levels(version: str) -> list[dict[str, Any]]:
    """Return two levels; from 0.4 on they say how their pixels lie."""
    if version < "0.4":
        return [{"path": "0"}, {"path": "1"}]
    first = [{"type": "scale", "scale": [2, 1, 1, 0.5, 0.5]}]
    second = [
        {"type": "scale", "scale": [2, 1, 1, 1, 1]},
        {"type": "translation", "translation": [0, 0, 0, 0.25, 0.25]},
    ]
    return [{"path": "0", "coordinateTransformations": first}, {"path": "1", "coordinateTransformations": second}]


def multiscale(version: str) -> dict[str, Any]:
    """Return what an image of this version says of itself."""
    found: dict[str, Any] = {"name": "cells", "datasets": levels(version)}
    if version >= "0.3":
        found["axes"] = list("tczyx") if version == "0.3" else AXES
    if version.endswith("spatialdata"):
        found["coordinateTransformations"] = SPACES
    return copy.deepcopy(found)


def stored(place: Path, entry: dict[str, Any], version: str | None, omero: Any = None, zarr_format: Any = None) -> Path:
    """Make an image with zarr-python alone."""
    zarr_format = zarr_format or (3 if version is not None and version >= "0.5" else 2)
    stated = {} if version is None else {"version": version}
    shown = {} if omero is None else {"omero": omero}
    attributes: dict[str, Any] = {"multiscales": [entry | (stated if zarr_format == 2 else {})], **shown}
    if zarr_format == 3:
        attributes = {"ome": {**stated, **attributes}}
    group = zarr.create_group(place, zarr_format=zarr_format, attributes=attributes)
    for path, pixels in (("0", PIXELS), ("1", PIXELS[..., ::2, ::2])):
        keys: Any = {"name": "v2" if zarr_format == 2 else "default", "separator": "/"}
        named: Any = {"dimension_names": list("tczyx")} if zarr_format == 3 else {}
        array = group.create_array(path, shape=pixels.shape, dtype=pixels.dtype, chunk_key_encoding=keys, **named)
        array[...] = pixels
    return place


UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
SIZES = [[2, 1, 1, 0.5, 0.5], [2, 1, 1, 1, 1]]
POSITIONS = [[0, 0, 0, 0, 0], [0, 0, 0, 0.25, 0.25]]
BARE: Any = (None, [[1, 1, 1, 1, 1], [1, 1, 1, 2, 2]], [[0] * 5] * 2)


@pytest.mark.parametrize(
    ("version", "units", "sizes", "positions"),
    [
        pytest.param("0.1", *BARE, id="0.1"),
        pytest.param("0.2", *BARE, id="0.2"),
        pytest.param("0.3", *BARE, id="0.3"),
        pytest.param("0.4", UNITS, SIZES, POSITIONS, id="0.4"),
        pytest.param("0.5", UNITS, SIZES, POSITIONS, id="0.5"),
        pytest.param("0.4-dev-spatialdata", UNITS, SIZES, POSITIONS, id="0.4-dev-spatialdata"),
        pytest.param("0.5-dev-spatialdata", UNITS, SIZES, POSITIONS, id="0.5-dev-spatialdata"),
    ],
)
def test_every_version_opens_where_it_lies(
    tmp_path: Path, version: str, units: Any, sizes: list[list[float]], positions: list[list[float]]
) -> None:
    found = open_image(stored(tmp_path / "a.zarr", multiscale(version), version))
    assert found.metadata.version == version
    for image, size, position in zip(found.images, sizes, positions, strict=True):
        assert (image.dims, image.axes_units) == (tuple("tczyx"), units)
        assert list(image.scale.values()) == size
        assert list(image.translation.values()) == position
    np.testing.assert_array_equal(found.images[0].data.compute(), PIXELS)


@pytest.mark.parametrize("version", ["0.1", "0.2"])
@pytest.mark.parametrize("names", ["zyx", "yx"])
def test_axes_that_an_old_image_does_not_name_are_its_last(tmp_path: Path, version: str, names: str) -> None:
    group = zarr.create_group(tmp_path, zarr_format=2)
    group.attrs["multiscales"] = [{"version": version, "datasets": [{"path": "0"}]}]
    group.create_array("0", shape=(4,) * len(names), dtype="u1")
    assert open_image(tmp_path).images[0].dims == tuple(names)


@pytest.mark.parametrize("version", ["0.4-dev-spatialdata", "0.5-dev-spatialdata"])
def test_transformations_between_spaces_are_kept_and_not_applied(tmp_path: Path, version: str) -> None:
    found = open_image(stored(tmp_path / "a.zarr", multiscale(version), version))
    assert found.metadata.coordinateTransformations is None
    assert found.metadata.extra == {"coordinateTransformations": SPACES}


# What is not understood ----------------------------------------------------------------------------------------------


def edited(version: str, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return an image of a version in which something is changed."""
    entry = multiscale(version)
    change(entry)
    return entry


def level_of(steps: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda entry: entry["datasets"][1].update(coordinateTransformations=steps)


def with_image(**parts: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda entry: entry.update(parts)


def without(part: str) -> Callable[[dict[str, Any]], Any]:
    return lambda entry: entry.pop(part)


AFFINE = {"type": "affine", "affine": [[1, 0, 0, 0, 0, 0]]}
STRANGE = [
    pytest.param("0.6", None, "OME-Zarr 0.6 ", id="0.6"),
    pytest.param("0.7", None, "OME-Zarr 0.7 ", id="0.7"),
    pytest.param("0.4", with_image(coordinateSystems=[{"name": "physical"}]), "coordinateSystems", id="systems-0.4"),
    pytest.param("0.5", with_image(coordinateSystems=[{"name": "physical"}]), "coordinateSystems", id="systems-0.5"),
    pytest.param("0.4", level_of([AFFINE]), "'affine' of the level '1'", id="affine-0.4"),
    pytest.param("0.5", level_of([AFFINE]), "'affine' of the level '1'", id="affine-0.5"),
    pytest.param("0.5", level_of([{"type": ["scale"]}]), r"\['scale'\] of the level '1'", id="a-type-that-is-a-list"),
    pytest.param("0.4", with_image(coordinateTransformations=[AFFINE]), "'affine' of all levels", id="affine-of-all"),
    pytest.param("0.5", with_image(coordinateTransformations={}), "all levels are a list", id="a-dict-for-all"),
    pytest.param(
        "0.4", level_of([{"type": "scale", "path": "s"}]), "scale of the level '1' is stored at 's'", id="path"
    ),
    pytest.param(
        "0.5", level_of([{"type": "scale", "scale": [1, 2]}]), "number for each of its 5 axes", id="two-sizes"
    ),
    pytest.param("0.5", lambda e: e["datasets"][1].pop("coordinateTransformations"), "level '1' has no", id="no-scale"),
    pytest.param("0.3", without("axes"), "names no axes", id="no-axes-0.3"),
    pytest.param("0.4", without("axes"), "names no axes", id="no-axes-0.4"),
    pytest.param("0.5", without("axes"), "names no axes", id="no-axes-0.5"),
    pytest.param("0.5", with_image(axes="tczyx"), "axes of an image are a list", id="axes-in-a-word"),
    pytest.param("0.5", lambda e: e["axes"][0].update(name="x"), "name of its own", id="an-axis-twice"),
    pytest.param("0.5", lambda e: e["axes"][4].update(unit=["m"]), "unit of the axis 'x'", id="a-unit-that-is-a-list"),
]
USES = [
    pytest.param(lambda at, new: open_image(at), id="open_image"),
    pytest.param(lambda at, new: open_input(at), id="open_input"),
    pytest.param(lambda at, new: write_labels(PIXELS, at, axes="tczyx"), id="write_labels"),
    pytest.param(lambda at, new: Scaler(in_place=True).scale(at / "0", at, "tczyx"), id="scale-in-place"),
    pytest.param(lambda at, new: convert(at, new), id="convert"),
    pytest.param(lambda at, new: write_image(PIXELS, at, axes="tczyx", resume=True), id="resume"),
]


def strange(place: Path, version: str, change: Callable[[dict[str, Any]], Any] | None) -> Path:
    return stored(place, edited(version, change or (lambda entry: None)), version)


@pytest.mark.parametrize(("version", "change", "named"), STRANGE)
@pytest.mark.parametrize("use", USES)
def test_what_is_not_understood_is_named_and_left_alone(
    tmp_path: Path, version: str, change: Any, named: str, use: Any
) -> None:
    place = strange(tmp_path / "a.zarr", version, change)
    before = every_file(tmp_path)
    with pytest.raises(FormatError, match=named):
        use(place, tmp_path / "new.zarr")
    assert every_file(tmp_path) == before


@pytest.mark.parametrize(("version", "change", "named"), STRANGE)
def test_what_is_not_understood_is_described_and_judged(tmp_path: Path, version: str, change: Any, named: str) -> None:
    place = strange(tmp_path / "a.zarr", version, change)
    (image,) = describe_store(place).images
    assert [level.shape for level in image.levels] == [PIXELS.shape, (1, 2, 2, 4, 4)]
    (note,) = image.notes
    with pytest.raises(FormatError, match=named) as error:
        open_image(place)
    assert note in str(error.value)
    report = validate(place)
    assert report.kind == "image"
    assert report.findings


# What is understood in part ------------------------------------------------------------------------------------------


def test_identity_is_understood(tmp_path: Path) -> None:
    entry = edited("0.5", with_image(coordinateTransformations=[{"type": "identity"}]))
    for dataset in entry["datasets"]:
        dataset["coordinateTransformations"] = [{"type": "identity"}]
    found = open_image(stored(tmp_path / "a.zarr", entry, "0.5"))
    assert [list(image.scale.values()) for image in found.images] == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]


def test_an_image_without_a_version_opens_as_what_its_zarr_stands_for(tmp_path: Path) -> None:
    for zarr_format, version, entry in ((2, "0.4", multiscale("0.1")), (3, "0.5", multiscale("0.5"))):
        found = open_image(stored(tmp_path / version, entry, None, zarr_format=zarr_format))
        assert (found.metadata.version, found.images[0].dims) == (version, tuple("tczyx"))
    strict = stored(tmp_path / "strict", multiscale("0.1"), None, zarr_format=3)
    with pytest.raises(FormatError, match="names no axes"):
        open_image(strict)


OMERO = {
    "channels": [
        {"label": "DAPI", "color": "0000FF", "active": False},
        {"label": "GFP", "color": "00FF00", "window": {"min": 0, "max": 300}, "family": "linear"},
    ],
    "rdefs": {"model": "color"},
}


@pytest.mark.parametrize(("version", "other"), [("0.4", "0.5"), ("0.5", "0.4")])
def test_an_incomplete_rendering_keeps_what_it_says(tmp_path: Path, version: str, other: str) -> None:
    found = open_image(stored(tmp_path / "a.zarr", multiscale(version), version, OMERO))
    to_ngff_zarr(tmp_path / "b.zarr", found, version=other)
    for place in ("a.zarr", "b.zarr"):
        omero = open_image(tmp_path / place).metadata.omero
        assert omero is not None
        assert omero.extra == {"rdefs": {"model": "color"}}
        first, second = omero.channels
        assert (first.label, first.color, first.extra) == ("DAPI", "0000FF", {"active": False})
        assert (first.window is None) == (place == "a.zarr")  # what is missing is measured when it is written
        assert second.window == OmeroWindow(0, 300, 0, 300)
        assert (second.label, second.color, second.extra) == ("GFP", "00FF00", {"family": "linear"})


def test_channels_of_which_one_has_no_label_have_no_names(tmp_path: Path) -> None:
    channels = [{"label": "DAPI", "color": "0000FF"}, {"color": "00FF00"}]
    found = open_image(stored(tmp_path / "a.zarr", multiscale("0.5"), "0.5", {"channels": channels})).images[0]
    assert (found.channel_names, found.channel_colors) == (None, ["0000FF", "00FF00"])


def test_what_a_document_says_besides_survives_the_other_version(tmp_path: Path) -> None:
    entry = edited("0.4", with_image(mine={"a": 1}))
    entry["datasets"][0]["yours"] = "b"
    entry["datasets"][0]["coordinateTransformations"][0]["note"] = "c"
    entry["axes"][4]["longName"] = "d"
    found = open_image(stored(tmp_path / "a.zarr", entry, "0.4"))
    to_ngff_zarr(tmp_path / "b.zarr", found, version="0.5")
    assert document(tmp_path / "b.zarr")["multiscales"] == [entry]


@pytest.mark.parametrize("version", ["0.4-dev-spatialdata", "0.5-dev-spatialdata"])
def test_writing_spatialdata_anew_keeps_where_it_lies(tmp_path: Path, version: str) -> None:
    found = open_image(stored(tmp_path / "a.zarr", multiscale(version), version))
    with pytest.warns(UserWarning, match="from one coordinate system to another are left out"):
        to_ngff_zarr(tmp_path / "b.zarr", found)
    again = open_image(tmp_path / "b.zarr")
    for there, here in zip(again.images, found.images, strict=True):
        assert (there.scale, there.translation) == (here.scale, here.translation)


# Laws ----------------------------------------------------------------------------------------------------------------

_NUMBERS = st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(float)
_WORDS = st.text("abcdefgh ", min_size=1, max_size=5)
_JSON = st.recursive(
    st.booleans() | st.integers() | _WORDS, lambda inner: st.lists(inner) | st.dictionaries(_WORDS, inner)
)
_EXTRA = st.dictionaries(_WORDS.map("own {}".format), _JSON, max_size=2)
_COLORS = st.text("0123456789ABCDEF", min_size=6, max_size=6)


def _or_none(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def _steps(ndim: int) -> st.SearchStrategy[list[Any]]:
    numbers = st.lists(_NUMBERS, min_size=ndim, max_size=ndim)
    scale, translation = st.builds(Scale, numbers, extra=_EXTRA), st.builds(Translation, numbers, extra=_EXTRA)
    return st.tuples(scale) | st.tuples(scale, translation)


@st.composite
def metadata_of(draw: st.DrawFn, version: str) -> Metadata:
    """Draw what a valid image can say, with values of any kind under names that nobody knows."""
    names = draw(st.sampled_from(["yx", "zyx", "cyx", "tyx", "tczyx"]))
    units = {"t": ["second", "hour"], "c": [None], **{name: ["micrometer", "meter", None] for name in "zyx"}}
    oriented = draw(st.booleans())
    ways = {"z": "inferior-to-superior", "y": "anterior-to-posterior", "x": "right-to-left"} if oriented else {}
    axes = [Axis(n, KNOWN_AXES[n], draw(st.sampled_from(units[n])), ways.get(n), extra=draw(_EXTRA)) for n in names]
    steps = _steps(len(axes)).map(list)
    window = st.builds(OmeroWindow, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, extra=_EXTRA)
    channel = st.builds(OmeroChannel, _COLORS, window, _or_none(_WORDS), extra=_EXTRA)
    spaces: dict[str, Any] = {"coordinateTransformations": draw(_or_none(steps))}
    if version == "0.6":
        warp = Unknown({"type": "warp", "input": {}, "by": draw(_JSON)}, "")
        edges = [Edge(Ref("world"), Ref("atlas"), Sequence(draw(_steps(3))), "by hand"), Edge(Ref(), Ref(), warp)]
        others = [CoordinateSystem("atlas", [Axis("a", "space"), Axis("b", "custom")], draw(_EXTRA))]
        spaces = {
            "intrinsic": CoordinateSystem("world", (), draw(_EXTRA)),
            "others": others,
            "edges": draw(st.permutations(edges)),
        }
    return Metadata(
        axes=axes,
        datasets=[Dataset(str(k), draw(steps), draw(_EXTRA)) for k in range(draw(st.integers(1, 3)))],
        **spaces,
        name=draw(_WORDS),
        version=version,
        omero=draw(_or_none(st.builds(Omero, st.lists(channel, min_size=1, max_size=2), _EXTRA))),
        type=draw(_or_none(_WORDS)),
        metadata=draw(_or_none(_EXTRA)),
        extra=draw(_EXTRA),
    )


@given(st.data())
def test_metadata_that_is_encoded_and_decoded_is_the_same(any_format: Format, data: st.DataObject) -> None:
    metadata = data.draw(metadata_of(any_format.version))
    written = json.loads(json.dumps(any_format.wrap(any_format.encode(metadata))))
    read = any_format.decode(any_format.unwrap(written), ndim=len(metadata.axes))
    for edge in read.edges:
        if isinstance(edge.transformation, Unknown):  # which knows why
            assert edge.transformation.why
            object.__setattr__(edge.transformation, "why", "")
    assert read == metadata


@given(st.data())
def test_a_document_that_is_decoded_and_encoded_is_the_same(any_format: Format, data: st.DataObject) -> None:
    document = any_format.encode(data.draw(metadata_of(any_format.version)))
    whole = document["multiscales"][0]
    whole = whole["coordinateSystems"][0] if any_format.version == "0.6" else whole
    whole["axes"] = [dict(reversed(axis.items())) for axis in whole["axes"]]
    assert any_format.encode(any_format.decode(document)) == document


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a document."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*path, key))


_KEYS = "name type unit orientation value scale translation path version input channels window color datasets".split()
_WORD = st.sampled_from(["scale", "identity", "0.6", "y", "space"]) | st.text(max_size=5)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=3),
    max_leaves=6,
)
WHOLE = multiscale("0.5") | {"coordinateTransformations": [{"type": "identity"}], "type": "mean", "metadata": {"a": 1}}


@settings(max_examples=100)
@given(st.data(), st.sampled_from([None, 0, 2, 5, 6]))
def test_no_value_at_any_place_fails_but_as_a_refusal(
    any_format: Format, data: st.DataObject, ndim: int | None
) -> None:
    document = copy.deepcopy(any_format.wrap({"multiscales": [WHOLE], "omero": OMERO}))
    if any_format.version < "0.5":
        document["multiscales"][0]["version"] = any_format.version
    place: Any = document
    *path, last = data.draw(st.sampled_from([found for found in _places(document) if found]))
    for key in path:
        place = place[key]
    place[last] = data.draw(_ANY)
    with suppress(NgffError):
        found = any_format.decode(any_format.unwrap(document), ndim=ndim)
        again = any_format.wrap(any_format.encode(attrs.evolve(found, version=any_format.version)))
        assert repr(any_format.decode(any_format.unwrap(again), ndim=ndim)) == repr(found)


def test_an_image_that_is_replaced_while_it_is_opened_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, Any] = {"axes": "yx", "scale_factors": [2], "chunks": 8, "omero": False}
    write_image(np.zeros((8, 8), "uint8"), tmp_path / "a", name="old", **words)
    level, left = reading._level, [1]

    def replacing(*given: Any) -> Any:
        found = level(*given)
        if left and left.pop():
            write_image(np.ones((40, 40), "uint8"), tmp_path / "a", name="new", overwrite=True, **words)
        return found

    monkeypatch.setattr(reading, "_level", replacing)
    image = open_image(tmp_path / "a")
    assert (image.metadata.name, [each.data.shape for each in image.images]) == ("new", [(40, 40), (20, 20)])


def test_arrays_are_opened_before_threads_read_them(tmp_path: Path) -> None:
    write_image(np.zeros((32, 32), "uint8"), tmp_path / "a", axes="yx")
    level = open_node(LocalStore(tmp_path / "a"), "0")
    assert level.store._is_open
