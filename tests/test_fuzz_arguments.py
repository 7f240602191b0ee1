"""Whatever a caller passes: the call works, or raises an `NgffError` and has changed no byte."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mutations import ODD
from zarr.storage import MemoryStore, StorePath

import ome_ngff
from ome_ngff.exceptions import NgffError

PIXELS = np.arange(256, dtype="uint8").reshape(16, 16)
LABELS = (PIXELS // 64).astype("uint16")
VALUES = [
    *ODD, "yx", "zyx", {"y": 2.0}, {"y": -1}, {"q": 1}, [2, 4], [{"y": 2}], "resize", "mode", "zstd:3", "auto", 8,
    (8, 8), np.float32(2), np.int64(3), b"bytes", 1j, object(), ["A"], ["A/1"],
]  # fmt: skip
# Positional arguments that are right; each of them but the place, and every word, is replaced.
CALLS: dict[str, tuple[Any, ...]] = {
    "write_image": (PIXELS, "place"),
    "write_labels": (LABELS, "image"),
    "write_multiscale": ([PIXELS, PIXELS[::2, ::2]], "place"),
    "write_multiscale_labels": ([LABELS, LABELS[::2, ::2]], "image"),
    "write_plate_metadata": ("place", ["A"], ["1"], ["A/1"]),
    "write_well_metadata": ("place", ["0"]),
    "write_label_metadata": ("labels", "cells"),
    "to_ngff_image": (PIXELS,),
    "label_properties": (LABELS,),
    "open_image": ("image",),
    "validate": ("image",),
    "Scaler": (),
}
PLACES = ("group", "store", "input_array", "output_directory", "storage_options", "cache")


def attempt(random: Random) -> str | None:
    """Call something with one odd argument; describe what went wrong besides a refusal."""
    name = random.choice(sorted(CALLS))
    function: Callable[..., Any] = getattr(ome_ngff, name)
    known = list(inspect.signature(function).parameters.values())
    words = [p.name for p in known if p.kind is not p.VAR_KEYWORD and p.name not in PLACES]
    store = MemoryStore(dict(IMAGE._store_dict))
    given_words: dict[str, Any] = {
        parameter.name: _placed(value, store) for parameter, value in zip(known, CALLS[name], strict=False)
    }
    if "axes" in words:
        given_words["axes"] = "yx"
    for word in random.sample(words, min(len(words), random.choice([1, 1, 2]))):
        value = random.choice(VALUES)
        given_words[word] = deepcopy(value) if isinstance(value, (dict, list)) else value
    before = {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}
    said = {word: str(value)[:60] for word, value in given_words.items() if not isinstance(value, np.ndarray)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**given_words)
        except NgffError:
            after = {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}
            return None if before == after else f"{name}({said}) was refused, but has changed the store"
        except Exception as error:
            return f"{name}({said}): {type(error).__name__}: {str(error)[:100]}"
    return None


def _placed(value: Any, store: MemoryStore) -> Any:
    places = {"place": "new", "image": "", "labels": "labels"}
    return StorePath(store, places[value]) if isinstance(value, str) and value in places else value


def _image() -> MemoryStore:
    store = MemoryStore()
    ome_ngff.write_image(PIXELS, store, axes="yx", scale_factors=[2])
    ome_ngff.write_labels(LABELS, store, axes="yx", name="cells", scale_factors=[2])
    return store


IMAGE = _image()


@given(random=st.randoms(use_true_random=False))
def test_any_argument_is_taken_or_refused(random: Random) -> None:
    assert attempt(random) is None
