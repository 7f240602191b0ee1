"""All opening and creating of Zarr groups and arrays: places, targets, attributes."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from threading import RLock
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store
from zarr.api.asynchronous import create_array
from zarr.errors import ContainsArrayError, NodeTypeValidationError
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath

from .exceptions import ExistsError, FormatError, OptionError, StoreError
from .format import Format, detect_format, format_for_zarr
from .here import run_here, wait_for
from .plan import slices
from .zarr_parts import ArrayMetadata, AsyncArray, GroupMetadata, default_buffer_prototype, inner
from .zipped import ENDINGS, Package

MARK = "ome_ngff"  # the attribute of an unfinished write
_CONFIG = RLock()  # Zarr's settings are those of the process, and threads must not take each other's for the old ones


@attrs.frozen
class Target:
    """Point to a group that an image is, or will be, written to. Making one touches nothing.

    Attributes:
        store: the Zarr store. path: the group's path in it, "" for the root.
        fmt: the format to write, that of the existing group where there is one.
        attributes: attributes of the existing group, or None where there is no group yet.
        handle: the caller's own group. It remembers attributes and writes all of them back with the caller's next one,
            so it is told of ours.
        package: the ZIP that the group becomes, where it is one; only `request.execute` writes these.
    """

    store: Store
    path: str
    fmt: Format
    attributes: dict[str, Any] | None
    handle: zarr.Group | None = attrs.field(default=None, eq=False, repr=False)
    package: Package | None = None

    @property
    def mark(self) -> dict[str, Any] | None:
        """Give what an unfinished write says of itself, or None."""
        mark = (self.attributes or {}).get(MARK)
        return mark.get("incomplete") if isinstance(mark, Mapping) else None

    @property
    def document(self) -> dict[str, Any]:
        """Give the metadata of the existing group."""
        return self.fmt.unwrap(self.attributes or {})

    def key(self, name: str) -> str:
        """Give the path in the store of something below the group."""
        return f"{self.path}/{name}" if self.path else name

    def child(self, name: str, fmt: Format | None = None) -> Target:
        """Point to a group below this one."""
        self.refuse_package()
        return find_target(StorePath(self.store, self.key(name)), fmt or self.fmt)

    def refuse_package(self) -> None:
        """Raise `StoreError` for a ZIP: nothing can be added to it later."""
        if self.package is not None:
            raise StoreError(
                f"{self} is a ZIP, which is written as a whole: let to_ngff_zarr write the image with its labels and "
                "metadata, or write a folder."
            )

    def __str__(self) -> str:
        return place(self.store, self.path) if self.package is None else str(self.package)


def place(store: Store, path: str = "") -> str:
    """Say where something is stored, as a person would."""
    root = str(store.root) if isinstance(store, LocalStore) else str(store)
    if isinstance(store, FsspecStore):
        root = getattr(store.fs, "sync_fs", store.fs).unstrip_protocol(store.path)
    return f"{root}/{path}" if path else root


def find_target(group: Any, fmt: Format | None = None) -> Target:
    """Find the group that a caller means, without touching it.

    Args:
        group: a path, a URL, a `zarr.Group`, a Zarr store, a store path or a mutable mapping.
        fmt: the format asked for; None takes that of the existing group, else the newest.

    Raises:
        ExistsError: there is an array instead of a group.
        FormatError: the group has the other version of Zarr.
    """
    package = Package.find(group)
    if package is not None:
        return Target(MemoryStore(), "", fmt or format_for_zarr(3), None, package=package)
    store, path = locate(group)
    found = open_node(store, path)
    if isinstance(found, zarr.Array):
        raise ExistsError(f"{place(store, path)} is an array; an image needs a group of its own.")
    if found is None:
        return Target(store, path, fmt or _format_of_parents(store, path), None)
    attributes = dict(found.attrs)
    here = found.metadata.zarr_format
    if fmt is not None and fmt.zarr_format != here:
        raise FormatError(
            f"{place(store, path)} is a group of Zarr v{here}, but OME-NGFF {fmt.version} is stored in Zarr "
            f"v{fmt.zarr_format}; write to another place, or leave out the format."
        )
    handle = group if isinstance(group, zarr.Group) and not group.read_only else None
    return Target(store, path, fmt or detect_format(attributes, format_for_zarr(here)), attributes, handle)


def _format_of_parents(store: Store, path: str) -> Format:
    """Take the Zarr version of the nearest group above, so that a hierarchy has one; else the newest format."""
    while path:
        path = path.rpartition("/")[0]
        parent = open_node(store, path)
        if isinstance(parent, zarr.Group):
            return format_for_zarr(parent.metadata.zarr_format)
    return format_for_zarr(3)


def locate(group: Any) -> tuple[Store, str]:
    """Turn what callers pass as a place into a store and a path in it; nothing is created or opened.

    Raises:
        OptionError: it is not a place.
    """
    if isinstance(group, (zarr.Group, zarr.Array)):
        return group.store, group.path
    if isinstance(group, StorePath):
        return group.store, group.path
    if isinstance(group, Store):
        return group, ""
    if isinstance(group, Target):
        return group.store, group.path
    if hasattr(group, "store_path"):  # what is asynchronous in Zarr
        return group.store_path.store, group.store_path.path
    if hasattr(group, "fmt") and isinstance(getattr(group, "store", None), Store):  # what `parse_url` gives
        return group.store, ""
    if isinstance(group, (str, Path)):
        text = str(group)
        if "://" in text and not text.startswith("file://"):
            return _remote(text), ""
        return LocalStore(Path(text.removeprefix("file://")).expanduser()), ""
    if isinstance(group, MutableMapping):
        return MemoryStore(group), ""
    raise OptionError(f"The place of an image is a path, a URL, a Zarr group or a store (got {type(group).__name__}).")


def readable(group: Any, storage_options: Mapping[str, Any] | None = None) -> Any:
    """Turn a place that is only read into one that `find_target` takes: zip files, and URLs with options."""
    if isinstance(group, (str, Path)):
        if "://" in str(group) and storage_options:
            return _remote(str(group), dict(storage_options))
        if storage_options:
            raise OptionError(f"storage_options are for the file system behind a URL (got {group}).")
        if str(group).lower().endswith(ENDINGS) and Path(group).is_file():
            if not zipfile.is_zipfile(group):
                raise StoreError(f"{group} is no ZIP, or was not written to its end.")
            return zarr.storage.ZipStore(group, mode="r", read_only=True)
    return group


def as_place(target: Target) -> StorePath:
    """Give the place of a target, to look at it again."""
    return StorePath(target.store, target.path)


def _remote(url: str, storage_options: dict[str, Any] | None = None) -> Store:
    try:
        return FsspecStore.from_url(url, storage_options=storage_options)
    except ImportError as error:
        extra = "s3" if url.startswith("s3") else "http"
        raise StoreError(f"{url} needs more packages ({error}); try pip install 'ome-ngff[{extra}]'.") from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"{url} cannot be opened: {error}") from error


def in_memory(store: Store) -> bool:
    """Tell whether a store is in the memory of this process alone."""
    protocol = getattr(getattr(store, "fs", None), "protocol", ())
    return isinstance(store, MemoryStore) or "memory" in (protocol if isinstance(protocol, tuple) else (protocol,))


def open_node(store: Store, path: str) -> zarr.Group | zarr.Array[Any] | None:
    """Open what stands at a place for reading, or return None.

    Raises:
        StoreError: there is something, but its metadata cannot be read; or nobody answers behind a URL.
    """
    if isinstance(store, LocalStore) and not (store.root / path).is_dir():
        return None
    try:
        return _open_either(store, path)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The metadata of {place(store, path)} cannot be read: {error}") from error
    except Exception as error:
        if not isinstance(store, FsspecStore):
            raise
        raise StoreError(f"{place(store, path)} cannot be reached: {error}") from error


def _open_either(store: Store, path: str) -> zarr.Group | zarr.Array[Any]:
    try:
        return zarr.open_group(store=store, path=path, mode="r", use_consolidated=False)
    except (ContainsArrayError, FileNotFoundError):  # of an array of Zarr v2, Zarr says that there is no group
        try:
            return open_array(store, path)
        except NodeTypeValidationError:  # another thread has just made the group
            return zarr.open_group(store=store, path=path, mode="r", use_consolidated=False)


@contextmanager
def fast_pipeline(store: Store, *, shards: bool = False) -> Iterator[None]:
    """Open our own arrays with the codec pipeline in Rust where it knows the store; never set globally.

    Several threads fill a shard in the order in which they finish: each run would give other bytes. One thread per
    shard gives the same ones, and other shards keep the other cores busy.
    """
    if isinstance(store, LocalStore):
        import zarrs  # noqa: F401  registers the pipeline

        words: dict[str, Any] = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}
        if shards:
            _start_threads()
            words["threading.max_workers"] = 1
        with _CONFIG, zarr.config.set(words):
            yield
    else:
        yield


@cache
def _start_threads() -> None:
    """Let Zarr start its threads; else it would take the one thread of a shard for the number of its own."""
    if zarr.config.get("threading.max_workers", None) is None:
        with zarr.config.set({"threading.max_workers": min(32, (os.cpu_count() or 1) + 4)}):
            zarr.create_group(MemoryStore())


def open_array(store: Store, path: str, *, mode: Any = "r") -> zarr.Array[Any]:
    """Open an array with the fast pipeline, where that knows its store and how its pixels lie."""
    array = zarr.open_array(store=store, path=path, mode=mode)
    known = array.dtype.kind in "biuf" and array.dtype.isnative and array.order == "C"
    if not isinstance(store, LocalStore) or not known:
        return array
    with fast_pipeline(store, shards=array.shards is not None):
        return zarr.open_array(store=store, path=path, mode=mode)


def describe_arrays(
    target: Target, names: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, ArrayMetadata]:
    """Create arrays in memory and give their documents: what Zarr refuses is refused before anything is touched.

    Args:
        target: the group below which they will be. names: of the axes.
        options: for `zarr.create_array`, by the path of the array.

    Raises:
        OptionError: Zarr refuses an option.
    """
    common = target.fmt.array_options(names)

    async def create() -> dict[str, ArrayMetadata]:
        store = MemoryStore()
        return {path: (await create_array(store, name=path, **common, **o)).metadata for path, o in options.items()}

    try:
        return run_here(create())
    except (ValueError, TypeError) as error:
        raise OptionError(f"Zarr cannot create such an array: {error}") from error


def create_arrays(
    target: Target, documents: Mapping[str, ArrayMetadata], *, shards: bool
) -> dict[str, zarr.Array[Any]]:
    """Create empty arrays below a target, by path, whose places have been cleared; all of them in one round trip."""
    put_documents(target, documents)
    with fast_pipeline(target.store, shards=shards):
        return {
            path: zarr.Array(AsyncArray(document, StorePath(target.store, target.key(path))))
            for path, document in documents.items()
        }


def put_documents(target: Target, documents: Mapping[str, ArrayMetadata | GroupMetadata]) -> None:
    """Store documents of groups and arrays, by path below a target, and groups between, in one round trip."""
    between = {str(parent) for path in documents for parent in PurePosixPath(path).parents} - {".", *documents}
    groups = {path: GroupMetadata(zarr_format=target.fmt.zarr_format) for path in between}

    async def put() -> None:
        await asyncio.gather(
            *(target.store.set(*item) for item in _buffers(target, documents)),
            *(target.store.set_if_not_exists(*item) for item in _buffers(target, groups)),
        )

    wait_for(target.store, put())


def put_groups_above(target: Target) -> None:
    """Create the groups that a target lies in, up to the root of its store, where there are none.

    Raises:
        StoreError: there is an array.
    """
    above = [str(parent) for parent in PurePosixPath(target.path).parents] if target.path else []
    for path in ("" if parent == "." else parent for parent in above):
        node = open_node(target.store, path)
        if isinstance(node, zarr.Array):
            raise StoreError(f"{place(target.store, path)} is an array; choose a path that is not below one.")
        if node is None:
            put_documents(attrs.evolve(target, path=path), {"": GroupMetadata(zarr_format=target.fmt.zarr_format)})


def _buffers(target: Target, documents: Mapping[str, ArrayMetadata | GroupMetadata]) -> Iterator[tuple[str, Any]]:
    """Give the keys and bytes that documents are stored as."""
    for path, document in documents.items():
        for name, buffer in document.to_buffer_dict(default_buffer_prototype()).items():
            yield target.key(f"{path}/{name}" if path else name), buffer


def write_box(array: zarr.Array[Any], box: Sequence[tuple[int, int]], block: Any) -> None:
    """Write a block that covers whole chunks, or whole shards, up to the end of the array.

    The pipeline in Rust reads a chunk that juts over the end before it writes it, and fails at half a chunk of a
    process that was killed: such a chunk goes first.
    """
    if isinstance(array.store, LocalStore):
        for cell in _jutting(array.shape, array.shards or array.chunks, box):
            (array.store.root / array.path / array.metadata.encode_chunk_key(cell)).unlink(missing_ok=True)
    wait_for(array.store, inner(array).setitem(slices(box), block))


def read_box(array: zarr.Array[Any], box: Sequence[tuple[int, int]]) -> Any:
    """Read a box of an array of ours."""
    return wait_for(array.store, inner(array).getitem(slices(box)))


def _jutting(shape: Sequence[int], cell: Sequence[int], box: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Give the cells of a box that jut over the end of the array."""
    spans = [range(low // c, -(-high // c)) for (low, high), c in zip(box, cell, strict=True)]
    for axis, (n, c, (_, high)) in enumerate(zip(shape, cell, box, strict=True)):
        if n % c and high == n:
            yield from itertools.product(*spans[:axis], (n // c,), *spans[axis + 1 :])


def level_paths(document: Mapping[str, Any]) -> list[str]:
    """Give the paths of all levels that a document names."""
    found = []
    multiscales = document.get("multiscales")
    for multiscale in multiscales if isinstance(multiscales, list) else []:
        datasets = multiscale.get("datasets") if isinstance(multiscale, Mapping) else None
        for dataset in datasets if isinstance(datasets, list) else []:
            if isinstance(dataset, Mapping) and isinstance(dataset.get("path"), str):
                found.append(dataset["path"].strip("/"))
    return [path for path in found if path and ".." not in path.split("/")]


def delete(target: Target, name: str) -> None:
    """Delete what stands at a path below a target, if anything does."""
    if isinstance(target.store, LocalStore):
        with suppress(FileNotFoundError):
            shutil.rmtree(target.store.root / target.key(name))
    elif target.store.supports_deletes:
        wait_for(target.store, target.store.delete_dir(target.key(name)))


def same_json(a: Any, b: Any) -> bool:
    """Tell whether two values are the same once written as JSON."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
