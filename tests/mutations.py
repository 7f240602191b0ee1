"""Documents that were right once: values, keys and bytes of them changed at random."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from functools import reduce
from random import Random
from typing import Any

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 255, 2**31, 2**62, 2**64, -(2**63), 10**400, 0.5, 1.5, -0.0, 1e308, 5e-324,
    math.nan, math.inf, -math.inf, "", "0", "1", ".", "..", "../..", "/", "a/b", "a//b", "\0", "\ud800", "\x1b[31m",
    "é" * 300, "x" * 5000, "y", "image", "0.4", "0.5", "0.9", 0.4, [], {}, [[]], [None], {"": None}, [0] * 5,
    [1.0] * 5, ["y", "x"], {"name": "y"}, {"path": "0"}, {"type": "scale", "scale": [1, 1]}, [{}, {}], ["0"],
    reduce(lambda inner, _: [inner], range(90), []), reduce(lambda inner, _: {"a": inner}, range(90), {}),
    {"incomplete": {}}, {"incomplete": {"levels": [[0]], "cut": [[0, 0, 0, [0]], 0]}}, {"incomplete": 3},
    {"incomplete": {"write": "../..", "metadata": {"multiscales": [{}]}, "paths": [".."], "replaces": [3]}},
]  # fmt: skip
KEYS = [
    "ome", "ome_ngff", "multiscales", "omero", "labels", "image-label", "plate", "well", "series", "version", "name",
    "bioformats2raw.layout", "axes", "datasets", "path", "coordinateTransformations", "type", "scale", "translation",
    "shape", "chunks", "dtype", "fill_value", "codecs", "attributes", "node_type", "zarr_format", "compressor",
    "filters", "order", "dimension_separator", "dimension_names", "chunk_grid", "data_type", "storage_transformers",
    "consolidated_metadata", "must_understand", "colors", "properties", "rgba", "label-value", "source", "image",
    "coordinateSystems", "chunk_key_encoding", "window", "channels", "color", "unit", "_ARRAY_DIMENSIONS", "x", "",
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """List every place in a document: a container and the key or index in it."""
    found, waiting = [], [value]
    while waiting:
        here = waiting.pop()
        keys = here if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        found += [(here, key) for key in keys]
        waiting += [here[key] for key in keys]
    return found


def changed(value: Any, random: Random) -> Any:
    """Change a value a little, or replace it."""
    how = random.randrange(8)
    if how == 0 and isinstance(value, (int, float)):
        return random.choice([-value, value + 1, value - 1, value * 2, value * 2**40, str(value)])
    if how == 1 and isinstance(value, list):
        return value + value[:1] if random.random() < 0.5 else value[1:]
    if how == 2:
        return [value]
    if how == 3:
        return {random.choice(KEYS): value}
    if how == 4 and isinstance(value, (list, dict)):
        return list(value.values()) if isinstance(value, dict) else {str(i): part for i, part in enumerate(value)}
    return deepcopy(random.choice(ODD))


def mutated(content: bytes, random: Random) -> bytes:
    """Change a document at one to three places, or some of its bytes."""
    try:
        document = [json.loads(content)] if random.random() > 0.15 else None
    except (ValueError, RecursionError):  # damaged before
        document = None
    if document is None:
        return damaged(content, random)
    for _ in range(random.randint(1, 3)):
        container, key = random.choice(places(document))
        how = random.random()
        if how < 0.2 and container is not document:
            del container[key]
        elif how < 0.3 and isinstance(container, dict):
            container[random.choice(KEYS)] = deepcopy(random.choice(ODD))
        elif how < 0.4:
            other, there = random.choice(places(document))
            container[key] = json.loads(json.dumps(other[there]))
        else:
            container[key] = changed(container[key], random)
        if not places(document):
            break
    return json.dumps(document[0] if document else None).encode()


def damaged(content: bytes, random: Random) -> bytes:
    """Change bytes: some of them, the encoding, a mark at the beginning, the end."""
    how = random.randrange(7)
    if how == 0:
        return content[: random.randrange(len(content) + 1)]
    if how == 1:
        return b"\xef\xbb\xbf" + content
    if how == 2:
        return content.decode("latin-1").encode(random.choice(["utf-16", "utf-32", "utf-16-le"]))
    if how == 3:
        return content.replace(b":", b":" + b"[" * random.choice([10, 200, 100_000]), 1)
    if how == 4:
        return content.replace(b"0", b"1" * random.choice([10, 5000]), 1)
    if how == 5:
        at = random.randrange(len(content) + 1)
        return content[:at] + random.randbytes(random.randint(1, 4)) + content[at:]
    found = bytearray(content)
    for _ in range(random.randint(1, 4)):
        found[random.randrange(len(found))] = random.randrange(256)
    return bytes(found)
