"""Examples for the documentation and the tests: a right hierarchy of each kind, and a wrong one for each rule.

A hierarchy is a dict of its groups and arrays by their path. A group has `document`, `version` and `mark`; an array
`shape`, `dtype`, `dimension_names`, `dimension_separator`, `zarr_format`, `pixels` and `byte_order_mark`. `build` makes
a store of it; a single file, where the root says in `zip` how it is packed.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
import weakref
import zipfile
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore, ZipStore

from ome_ngff.format import Format, FormatV06, format_from_version, format_implementations
from ome_ngff.spec.rules.book import MISSING, Rule
from ome_ngff.store.target import MARK
from ome_ngff.store.zarr_private import default_buffer_prototype

from .documents import flat_image, place, put
from .documents import sample as document

Nodes = dict[str, dict[str, Any]]
_SIZES = ((0, 4), (1, 2))
_PARAMETERS = "/coordinateTransformations"
_VECTORS = {"name": "d", "type": "displacement", "discrete": True}
_AXES = ["t", "c", "z", "y", "x"]


def sample(kind: str, fmt: Format) -> Nodes:
    """Return a hierarchy that breaks no rule, not even as a note.

    Args:
        kind: "image", "plate", "bf2raw", "numbered": a collection of bioformats2raw without `series`, "scene", "zip".
    """
    if kind == "scene":  # whatever the version, so that each can be asked about it
        own = FormatV06()
        tiles = [_flat(f"/tile_{number}", flat_image(own), ()) for number in range(2)]
        matrix: Nodes = {f"{_PARAMETERS}/matrix": {"shape": [2, 3], "dtype": "float64"}}
        field = _flat(f"{_PARAMETERS}/field", flat_image(own, _VECTORS), (2,))
        whole = {key: part for key, part in document(kind, own).items() if key != "version"}
        return {"/": {"document": whole}, _PARAMETERS: {}, **tiles[0], **tiles[1], **matrix, **field}
    image = _image("/", document("image", fmt), "uint16", fmt)
    if kind == "zip":
        comment = json.dumps({"ome": {"version": fmt.version}})
        packed = {"name": "a.ozx", "folder": "", "compressed": False, "zip64": True, "metadata": "first"}
        return {**image, "/": {**image["/"], "zip": {**packed, "comment": comment}}}
    if kind in ("bf2raw", "numbered"):
        whole = document("bf2raw", fmt)
        series = whole.pop("series")
        return {
            "/": {"document": whole},
            "/OME": {**({"document": {"series": series}} if kind == "bf2raw" else {}), "xml": "<OME/>"},
            **_image("/0", document("image", fmt), "uint16", fmt),
            **_image("/1", document("image", fmt), "uint16", fmt),
        }
    if kind == "plate":
        nodes: Nodes = {"/": {"document": document("plate", fmt)}, "/A": {}, "/B": {}}
        for well in ("/A/1", "/A/3", "/B/2"):
            nodes[well] = {"document": document("well", fmt)}
            for field in ("0", "1"):
                nodes |= _image(f"{well}/{field}", document("image", fmt), "uint16", fmt)
        return nodes
    label = document("label", fmt)
    nested = put(label, "image-label.source.image", "../../../")
    return {
        **image,
        "/labels": {"document": fmt.unwrap(fmt.wrap({"labels": ["cells", "by_hand/nuclei"]}))},
        **_image("/labels/cells", label, "uint8", fmt),
        "/labels/by_hand": {},
        **_image("/labels/by_hand/nuclei", nested, "int64", fmt),
    }


def wrong(rule: Rule, fmt: Format) -> Nodes:
    """Return a hierarchy that breaks a rule, where the format has this rule (not all have all)."""
    nodes = sample(rule.kind, fmt)
    if rule.wrong is MISSING and rule.at in nodes:  # with all that is below it
        return {path: node for path, node in nodes.items() if path != rule.at and not path.startswith(f"{rule.at}/")}
    return {**nodes, rule.at: dict(rule.wrong)} if rule.at in nodes else put(nodes, place(rule.at, fmt), rule.wrong)


def build(nodes: Mapping[str, Mapping[str, Any]], fmt: Format) -> MemoryStore | ZipStore:
    """Make a store of a hierarchy, in memory unless it is a single file."""
    files: dict[str, bytes] = {}
    for path, node in nodes.items():
        made = {} if "folder" in node else _array(node, fmt) if "shape" in node else _group(node, fmt)
        if "byte_order_mark" in node:
            made = {key: BOM_UTF8 + content if "z" in key else content for key, content in made.items()}
        files |= {f"{path}/{key}".strip("/"): content for key, content in made.items()}
    for path, node in nodes.items():
        if "consolidated" in node:
            files |= _consolidated(files, path, node["consolidated"], fmt)
    if "zip" in nodes.get("/", {}):
        return _zip(files, nodes["/"]["zip"])
    return MemoryStore({key: _PROTOTYPE.buffer.from_bytes(content) for key, content in files.items()})


_PROTOTYPE = default_buffer_prototype()


def _zip(files: Mapping[str, bytes], how: Mapping[str, Any]) -> ZipStore:
    """Pack files into one, in a folder that goes with the store."""
    folder = tempfile.mkdtemp(prefix="ome_ngff-")
    ordered = sorted(files, key=lambda name: (name.endswith("zarr.json") == (how["metadata"] != "first"), len(name)))
    with zipfile.ZipFile(Path(folder) / how["name"], "w", 8 if how["compressed"] else 0) as archive:
        for name in ordered:
            with archive.open(how["folder"] + name, "w", force_zip64=how["zip64"]) as entry:
                entry.write(files[name])
        archive.comment = how["comment"].encode()
    store = ZipStore(Path(folder) / how["name"], mode="r")
    weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
    return store


def _group(node: Mapping[str, Any], fmt: Format) -> dict[str, bytes]:
    """Make the files of a group."""
    own = format_from_version(node["version"]) if "version" in node else fmt
    found = document("label", own) if "version" in node else node.get("document")
    attributes = {MARK: node["mark"]} if "mark" in node else {} if found is None else own.wrap(found)
    files: dict[str, bytes] = {}
    for each in [own, *(f for f in format_implementations() if node.get("twice") and f != own)]:
        store = MemoryStore()
        zarr.create_group(store, zarr_format=each.zarr_format, attributes=attributes)
        files |= _files(store)
    return files | ({"METADATA.ome.xml": node["xml"].encode()} if "xml" in node else {})


def _array(node: Mapping[str, Any], fmt: Format) -> dict[str, bytes]:
    """Make the files of an array of ones in chunks of 4."""
    shape, pixels = tuple(node["shape"]), node.get("pixels")
    names = node.get("dimension_names", _AXES)
    options = fmt.array_options(names if len(names) == len(shape) else [str(i) for i in range(len(shape))])
    if node.get("zarr_format", fmt.zarr_format) != fmt.zarr_format:
        options = {"zarr_format": node["zarr_format"]}
    if "dimension_separator" in node and options["zarr_format"] == 2:
        options["chunk_key_encoding"] = {"name": "v2", "separator": node["dimension_separator"]}
    store, chunks = MemoryStore(), tuple(min(n, 4) for n in shape)
    array = zarr.create_array(store, shape=shape, chunks=chunks, dtype=node["dtype"], compressors=None, **options)
    array[...] = np.ones(shape, node["dtype"])
    files, first = _files(store), str(array.metadata.encode_chunk_key((0,) * len(shape)))
    if pixels == "damaged":
        files[first] = b"cut off"
    elif pixels is not None:
        content = files.pop(first)
        files |= {"0-0-0": content} if pixels == "elsewhere" else {}
    if "metadata" in node:
        files |= {name: node["metadata"].encode() for name in ("zarr.json", ".zarray") if name in files}
    return files


def _consolidated(files: Mapping[str, bytes], path: str, kept: list[str], fmt: Format) -> dict[str, bytes]:
    """Make the file of a group with consolidated metadata that knows these paths alone."""
    store = MemoryStore({key: _PROTOTYPE.buffer.from_bytes(content) for key, content in files.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(store, path=path.strip("/") or None, zarr_format=fmt.zarr_format)
    key = f"{path}/{'zarr.json' if fmt.zarr_format == 3 else '.zmetadata'}".strip("/")
    content = json.loads(_files(store)[key])
    holder = content["consolidated_metadata"] if fmt.zarr_format == 3 else content
    known = {name: re.sub(r"/?\.z\w+$", "", name) for name in holder["metadata"]}
    holder["metadata"] = {k: v for k, v in holder["metadata"].items() if not known[k] or known[k] in kept}
    return {key: json.dumps(content).encode()}


def _files(store: MemoryStore) -> dict[str, bytes]:
    return {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}


def _flat(path: str, said: dict[str, Any], more: tuple[int, ...]) -> Nodes:
    names = [axis["name"] for axis in said["multiscales"][0]["coordinateSystems"][0]["axes"]]
    levels = {f"{path}/{k}": {"shape": [*more, n, n], "dtype": "float32", "dimension_names": names} for k, n in _SIZES}
    return {path: {"document": said}, **levels}


def _image(path: str, said: dict[str, Any], dtype: str, fmt: Format) -> Nodes:
    levels: Nodes = {
        f"{path.rstrip('/')}/{level}": {"shape": [2, 2, 4, size, size], "dtype": dtype, "dimension_names": list(_AXES)}
        for level, size in enumerate((8, 4))
    }
    below = f"{path.rstrip('/')}{_PARAMETERS}"
    spaces = said["multiscales"][0].get("coordinateSystems")
    if spaces is None:
        return {path: {"document": said}, **levels}
    axes = [_VECTORS, *spaces[0]["axes"][2:]]
    steps = [{"type": "scale", "scale": [1.0] * 4}]
    vectors = fmt.multiscale(
        axes, [{"path": "0", "coordinateTransformations": steps}], "field", type="none", metadata={}
    )
    array = {"shape": [3, 2, 4, 4], "dtype": "float32", "dimension_names": list("dzyx")}
    field = {f"{below}/field": {"document": vectors}, f"{below}/field/0": array}
    return {path: {"document": said}, **levels, below: {}, **field}


__all__ = ["Nodes", "build", "sample", "wrong"]
