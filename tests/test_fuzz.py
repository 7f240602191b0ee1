"""Whatever a document says, and whatever a caller passes: an answer, or an `NgffError`.

The same few examples for everybody; `pytest tests/test_fuzz.py --hypothesis-profile=thorough` tries many more.
"""

from __future__ import annotations

import json
import warnings
from random import Random

from examples.hierarchies import build, sample
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutated
from zarr.storage import MemoryStore, StorePath

from ome_ngff import open_image, validate
from ome_ngff.exceptions import NgffError
from ome_ngff.format import format_implementations
from ome_ngff.read.describe import describe_store
from ome_ngff.store.zarr_private import default_buffer_prototype
from ome_ngff.writer import get_metadata

KINDS = ["image", "plate", "bf2raw", "numbered"]
WHOLE = {
    (kind, fmt.version): {key: buffer.to_bytes() for key, buffer in build(sample(kind, fmt), fmt)._store_dict.items()}
    for kind in KINDS
    for fmt in format_implementations()
}
PARTS = {"image": "", "plate": "A/1/0", "bf2raw": "0", "numbered": "0"}
DOCUMENTS = ("zarr.json", ".zarray", ".zattrs", ".zgroup")


def mutant(random: Random) -> tuple[MemoryStore, str]:
    """Make a hierarchy of which some documents are changed, and name the place of an image in it."""
    kind, version = random.choice(sorted(WHOLE))
    files = dict(WHOLE[kind, version])
    named = sorted(key for key in files if key.rpartition("/")[2] in DOCUMENTS)
    image = PARTS[kind]
    near = (
        [key for key in named if key.startswith(image) and key.count("/") <= image.count("/") + 2] if image else named
    )
    for _ in range(random.choice([1, 1, 1, 2])):
        key = random.choice(near if random.random() < 0.7 else named)
        files[key] = mutated(files[key], random)
    buffer = default_buffer_prototype().buffer
    return MemoryStore({key: buffer.from_bytes(content) for key, content in files.items()}), image


def read_some(store: MemoryStore, path: str) -> None:
    """Read a pixel of every level, and of the labels."""
    image = open_image(StorePath(store, path))
    repr(image), str(image)
    for level in image.images:
        level.data[(slice(0, 1),) * level.data.ndim].compute(scheduler="sync")
    for name in image.labels:
        repr(image.labels[name])


CALLS = {
    "open": read_some,
    "describe": lambda store, path: json.dumps(describe_store(StorePath(store, path)).to_dict()),
    "describe-all": lambda store, path: json.dumps(describe_store(store).to_dict()),
    "get-metadata": lambda store, path: get_metadata(StorePath(store, path)),
}


def attempt(random: Random) -> list[tuple[str, BaseException]]:
    """Call everything that reads, and return what came out of it besides answers and errors of ours."""
    store, path = mutant(random)
    found: list[tuple[str, BaseException]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, call in CALLS.items():
            try:
                call(store, path)
            except NgffError as error:
                str(error)
            except Exception as error:
                found.append((name, error))
        try:  # a report of anything
            validate(store, data=random.random() < 0.2).to_json()
        except NgffError as error:
            if not isinstance(error, FileNotFoundError):
                found.append(("validate", error))
        except Exception as error:
            found.append(("validate", error))
    return found


@given(random=st.randoms(use_true_random=False))
def test_any_document_is_read_or_refused(random: Random) -> None:
    for _, error in attempt(random):
        raise error
