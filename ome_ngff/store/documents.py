"""Documents of groups and arrays: stored, read within limits, and parsed into JSON that nothing later has to fear.

A document is anybody's. It may be a pipe that never ends, an entry of a ZIP that unpacks to gigabytes, a million lists
within each other. What passes here is an object of bounded size and depth; everything that reads metadata begins here.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from json.encoder import encode_basestring_ascii
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from zarr.abc.store import Store
from zarr.storage import LocalStore, ZipStore

from ..exceptions import StoreError
from .inline import together, wait_for
from .patience import patiently
from .places import folder_of, key_of, place, size_of_file
from .zarr_private import default_buffer_prototype, size_in_zip

_JSON = json.JSONEncoder()
MOST_BYTES = 2**27  # of a document: 2 million wells, or a million labels with a colour each
MOST_VALUES = 2**23
DEEPEST = 100
_NONE: Mapping[str, bytes] = MappingProxyType({})
_NAMES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def read_documents(store: Store, path: str) -> dict[str, dict[str, Any]]:
    """Read the documents of a node, by the names of their files; empty where nothing stands.

    Raises:
        StoreError: one of them is not a JSON object, or beyond the limits.
    """
    keys = [key_of(path, name) for name in _NAMES]
    found = zip(_NAMES, keys, read_all(store, keys), strict=True)
    return {name: parse(content, place(store, key)) for name, key, content in found if content is not None}


def read_all(store: Store, keys: Iterable[str]) -> list[bytes | None]:
    """Read documents, all at the same time; see `get_bytes`."""
    if type(store) is LocalStore:  # without a task, a loop and a thread
        return [_read_file(store, key) for key in keys]
    return wait_for(store, together(store, (get_bytes(store, key) for key in keys)))


def write_all(store: Store, contents: Mapping[str, bytes], new: Mapping[str, bytes] = _NONE) -> None:
    """Store small files, each in one step, and all at the same time where they are waited for.

    Args:
        store: where. contents: by key; what is there is replaced. new: by key; what is there stays.

    Raises:
        StoreError: the store is read-only.
    """
    if store.read_only:
        raise StoreError(f"{place(store)} was opened to be read only; pass its path, or open it with mode='a'.")
    here = type(store) is LocalStore  # without a task, a loop and a thread
    for key, content in contents.items() if here else ():
        _write_file(f"{store.root}/{key}", content)  # type: ignore[attr-defined]
    if new or not here:
        buffer = default_buffer_prototype().buffer.from_bytes
        stored = (store.set(key, buffer(content)) for key, content in contents.items() if not here)
        created = (_put_new(store, key, buffer(content)) for key, content in new.items())
        wait_for(store, together(store, chain(stored, created)))


def _write_file(file: str, content: bytes) -> None:
    """Replace a file in one step; a half one that a killed process leaves is named as Zarr names its own."""
    half = f"{file}.{uuid4().hex}.partial"
    try:
        try:
            _fill(half, content)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(file), exist_ok=True)
            _fill(half, content)
        patiently(partial(os.replace, half, file))
    except BaseException:
        with suppress(OSError):
            os.unlink(half)
        raise


def _fill(file: str, content: bytes) -> None:
    with open(file, "wb") as opened:
        opened.write(content)


async def _put_new(store: Store, key: str, buffer: Any) -> None:
    """Store a document where there is none; also on disks without the links by which Zarr does it."""
    try:
        await store.set_if_not_exists(key, buffer)
    except OSError as error:
        folder = folder_of(store)
        if folder is None or error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        with suppress(FileExistsError), open(folder / key, "xb") as file:
            file.write(buffer.to_bytes())


async def get_bytes(store: Store, key: str) -> bytes | None:
    """Read a document; None where there is none.

    Raises:
        StoreError: it is not a file, or too large.
    """
    if type(store) is LocalStore:
        return _read_file(store, key)
    size = None
    if (folder := folder_of(store)) is not None:
        if (size := size_of_file(folder / key)) is None:
            return None
    elif isinstance(store, ZipStore):
        size = size_in_zip(store, key)
    refuse_large(size or 0, place(store, key))
    found = await store.get(key, default_buffer_prototype())
    return None if found is None else found.to_bytes()


def _read_file(store: LocalStore, key: str) -> bytes | None:
    file = f"{store.root}/{key}"
    if (size := size_of_file(file)) is None:
        return None
    refuse_large(size, file)
    with suppress(FileNotFoundError), open(file, "rb", buffering=0) as opened:
        return opened.read()
    return None


def refuse_large(size: int, where: str) -> None:
    """Raise `StoreError` for a document of more bytes than any has."""
    if size > MOST_BYTES:
        raise StoreError(f"{where} cannot be read: it has {size} bytes, and metadata have {MOST_BYTES} at most.")


def parse(content: bytes, where: str) -> dict[str, Any]:
    """Parse a document.

    Raises:
        StoreError: it is not a JSON object, or beyond the limits.
    """
    found = parse_json(content, where)
    if not isinstance(found, dict):
        raise StoreError(f"{where} cannot be read: it is not an object in JSON (got {type(found).__name__}).")
    return found


def parse_json(content: bytes, where: str) -> Any:
    """Parse JSON of any kind within the limits; see `parse`."""
    refuse_large(len(content), where)
    brackets = content.count(b"[") + content.count(b"{")
    if brackets + content.count(b",") > MOST_VALUES:
        raise StoreError(f"{where} cannot be read: it has more than {MOST_VALUES} values.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:  # of the syntax, the encoding, or numbers of thousands of digits
        raise StoreError(f"{where} cannot be read: it is not JSON: {error or 'it is nested too deeply'}") from error
    if brackets > DEEPEST and _is_deep(found):
        raise StoreError(f"{where} cannot be read: it is nested more than {DEEPEST} levels deep.")
    return found


def pretty(value: Any, line: str = "\n") -> str:
    """Return what `json.dumps(value, indent=2)` does, in a third of the time: Python's encoder in C knows no lines."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, dict) and value:
        inner = f"{line}  "
        parts = [f"{_key(key)}: {pretty(part, inner)}" for key, part in value.items()]
        return f"{{{inner}{f',{inner}'.join(parts)}{line}}}"
    if isinstance(value, (list, tuple)) and value:
        inner = f"{line}  "
        return f"[{inner}{f',{inner}'.join([pretty(part, inner) for part in value])}{line}]"
    return _JSON.encode(value)


def _key(key: Any) -> str:
    return encode_basestring_ascii(key) if isinstance(key, str) else json.dumps({key: 0})[1:-4]


def _is_deep(value: Any) -> bool:
    level: list[Any] = [[value]]
    for _ in range(DEEPEST + 1):
        inside = (each.values() if type(each) is dict else each for each in level)
        level = [part for parts in inside for part in parts if type(part) in (dict, list)]
        if not level:
            return False
    return True
