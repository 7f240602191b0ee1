"""Documents of arrays from one version of Zarr to the other, for chunks that stay as they are.

Pure: JSON values in, JSON values out. What the other version cannot say of the same chunks is refused.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..exceptions import CodecError
from ..text import show

Document = dict[str, Any]
_KINDS = "biufc"  # bool, integers, floats, complex: what both versions have, by the same bytes
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
_AUTOMATIC = -1  # numcodecs: bits of bytes, else bytes
_CNAMES = ("blosclz", "lz4", "lz4hc", "zlib", "zstd", "snappy")
_V2 = {"zarr_format", "shape", "chunks", "dtype", "compressor", "fill_value", "order", "filters"}
_V3 = {"zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"}
_V3_MORE = {"attributes", "dimension_names", "storage_transformers"}


def array_to_v3(found: Mapping[str, Any], attributes: Mapping[str, Any], names: Sequence[str] | None) -> Document:
    """Return the `zarr.json` of an array whose chunks Zarr v2 has written.

    Args:
        found: its `.zarray`. attributes: its `.zattrs`. names: of its dimensions, where they have some.

    Raises:
        CodecError: Zarr v3 has no way to say how the chunks are stored.
    """
    _refuse_more(found, _V2 | {"dimension_separator"}, ".zarray")
    dtype = _dtype(found.get("dtype"))
    shape, chunks = _lengths(found, "shape"), _lengths(found, "chunks")
    if found.get("filters"):
        raise CodecError(f"it has the filters {show(found['filters'])}, and none is in the core of Zarr v3")
    codecs: list[Document] = []
    if found.get("order") == "F" and len(shape) > 1:
        codecs.append({"name": "transpose", "configuration": {"order": list(range(len(shape)))[::-1]}})
    order = {">": "big", "<": "little", "=": sys.byteorder}.get(dtype.byteorder)
    codecs.append({"name": "bytes", **({"configuration": {"endian": order}} if order else {})})
    compressor = found.get("compressor")
    if compressor is not None:
        codecs.append(_compressor_to_v3(compressor, dtype))
    separator = found.get("dimension_separator", ".")
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "v2", "configuration": {"separator": separator}},
        "fill_value": _fill_to_v3(found.get("fill_value"), dtype),
        "codecs": codecs,
        "attributes": dict(attributes),
        **({"dimension_names": list(names)} if names is not None else {}),
    }


def array_to_v2(found: Mapping[str, Any]) -> tuple[Document, Document]:
    """Return the `.zarray` and the `.zattrs` of an array whose chunks Zarr v3 has written; names of dimensions go.

    Raises:
        CodecError: Zarr v2 has no way to say how the chunks are stored, or would look for them under other keys.
    """
    _refuse_more(found, _V3 | _V3_MORE, "zarr.json")
    grid, keys = _named(found.get("chunk_grid")), _named(found.get("chunk_key_encoding"))
    codecs = [_named(codec) for codec in found.get("codecs") or ()]
    if any(name == "sharding_indexed" for name, _ in codecs):
        raise CodecError("it has shards, which Zarr v2 does not have")
    if grid[0] != "regular" or found.get("storage_transformers"):
        raise CodecError("its chunks are not a regular grid of files")
    if keys[0] != "v2":
        raise CodecError(f"its chunks have keys of the encoding {show(keys[0])}, such as c/0/0, which Zarr v2 lacks")
    shape, name = _lengths(found, "shape"), found.get("data_type")
    order, endian, compressor = "C", "little", None
    for step, (codec, words) in enumerate(codecs):
        if codec == "transpose" and step == 0 and words.get("order") == list(range(len(shape)))[::-1]:
            order = "F" if len(shape) > 1 else "C"
        elif codec == "bytes" and step == (codecs[0][0] == "transpose"):
            endian = words.get("endian", "little")
        elif codec in _TO_V2 and step == len(codecs) - 1 > 0:
            compressor = _TO_V2[codec](words)
        else:
            raise CodecError(f"it has the codec {show(codec)} at this place, which Zarr v2 does not have")
    dtype = _dtype(name)
    if dtype.name != name or endian not in ("little", "big") or not any(codec == "bytes" for codec, _ in codecs):
        raise CodecError(f"its pixels are {show(name)} by {show(found.get('codecs'))}, which Zarr v2 does not have")
    dtype = dtype.newbyteorder("<" if endian == "little" else ">")
    fill = found.get("fill_value")
    if dtype.kind in "fc" and any(str(part)[:2] == "0x" for part in (fill if isinstance(fill, list) else [fill])):
        raise CodecError(f"its fill value {show(fill)} has no name in Zarr v2")
    document = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": _lengths(grid[1], "chunk_shape"),
        "dtype": dtype.str,
        "compressor": compressor,
        "fill_value": fill,
        "order": order,
        "filters": None,
        "dimension_separator": keys[1].get("separator", "."),
    }
    return document, dict(found.get("attributes") or {})


def _refuse_more(found: Mapping[str, Any], known: set[str], name: str) -> None:
    more = sorted(set(found) - known)
    if more:
        raise CodecError(f"its {name} has {show(more[0])}, which is not of Zarr's core")


def _lengths(found: Mapping[str, Any], key: str) -> list[int]:
    lengths = found.get(key)
    if not isinstance(lengths, list) or not all(type(n) is int and n >= 0 for n in lengths):
        raise CodecError(f"its {key} is not a list of lengths (got {show(lengths)})")
    return list(lengths)


def _named(found: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the name and the configuration of a codec, a grid, or an encoding of keys; "v2" alone is a name, too."""
    known = found if isinstance(found, Mapping) else {"name": found}
    words = known.get("configuration")
    return known.get("name"), words if isinstance(words, Mapping) else {}


def _dtype(name: Any) -> np.dtype[Any]:
    """Return the type of the pixels, as either version names it."""
    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is None or dtype.kind not in _KINDS or dtype.itemsize > 16 or dtype.name in ("float128", "longdouble"):
        raise CodecError(f"its pixels are of the type {show(name)}, which is not in the core of Zarr v3")
    return dtype


def _fill_to_v3(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a fill value in the words of Zarr v3, which has to have one: where v2 has none, readers take zero."""
    if dtype.kind == "c":
        parts = value if isinstance(value, list) and len(value) == 2 else [0.0 if value is None else value, 0.0]
        return [_fill_to_v3(part, np.dtype("f8")) for part in parts]
    if value is None:
        return False if dtype.kind == "b" else 0 if dtype.kind in "iu" else 0.0
    if dtype.kind == "f" and type(value) in (int, float):
        return value if math.isfinite(value) else "NaN" if value != value else f"{'-' * (value < 0)}Infinity"
    if dtype.kind == "f" and value in ("NaN", "Infinity", "-Infinity"):
        return value
    if dtype.kind == "b" and value in (0, 1):
        return bool(value)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if limits and type(value) in (int, float) and value % 1 == 0 and limits.min <= value <= limits.max:
        return int(value)
    raise CodecError(f"its fill value {show(value)} is not of the type {dtype.name}")


def _compressor_to_v3(found: Any, dtype: np.dtype[Any]) -> Document:
    kind = found.get("id") if isinstance(found, Mapping) else None
    if kind == "blosc":
        shuffle = found.get("shuffle", 1)
        if shuffle == _AUTOMATIC:
            shuffle = 2 if dtype.itemsize == 1 else 1
        cname, level, block = found.get("cname", "lz4"), found.get("clevel", 5), found.get("blocksize", 0)
        whole = all(type(n) is int and n >= 0 for n in (shuffle, level, block))
        if cname not in _CNAMES or not whole or shuffle > 2 or level > 9:
            raise CodecError(f"its compressor {show(found)} is not one of Zarr v3")
        words = {"cname": cname, "clevel": level, "shuffle": _SHUFFLES[shuffle], "typesize": dtype.itemsize}
        return {"name": "blosc", "configuration": {**words, "blocksize": block}}
    level = found.get("level", 1 if kind == "gzip" else 0) if kind in ("gzip", "zstd") else None
    if type(level) is not int:
        raise CodecError(f"its compressor {show(kind or found)} is not in the core of Zarr v3")
    checked = {"checksum": bool(found.get("checksum", False))} if kind == "zstd" else {}
    return {"name": kind, "configuration": {"level": level, **checked}}


def _blosc_to_v2(words: Mapping[str, Any]) -> Document:
    shuffle = words.get("shuffle", "noshuffle")
    if words.get("cname") not in _CNAMES or shuffle not in _SHUFFLES:
        raise CodecError(f"its compressor {show(dict(words))} is not one of Zarr v2")
    size = {"clevel": words.get("clevel", 5), "blocksize": words.get("blocksize", 0)}
    return {"id": "blosc", "cname": words["cname"], "shuffle": _SHUFFLES.index(shuffle), **size}


_TO_V2: dict[str, Callable[[Mapping[str, Any]], Document]] = {
    "blosc": _blosc_to_v2,
    "gzip": lambda words: {"id": "gzip", "level": words.get("level", 1)},
    "zstd": lambda words: {
        "id": "zstd",
        "level": words.get("level", 0),
        **({"checksum": True} if words.get("checksum") else {}),
    },
}
