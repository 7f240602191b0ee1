"""All opening and creating of Zarr groups and arrays: targets, overwriting, the mark of an unfinished write.

A write that is under way leaves its group with the attribute `ome_ngff` (the mark: what is being written, and how the
work is cut) and without OME metadata, so no reader takes it for an image. Finished units leave a small key each below
`.ome_ngff/`; that is what `resume=True` goes by. Finishing replaces the mark by the metadata in one step.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.errors import ContainsArrayError
from zarr.storage import LocalStore, MemoryStore, StorePath

from .codecs import Compression
from .exceptions import ExistsError, FormatError, IncompleteError, OptionError, StoreError
from .format import Format, detect_format, format_for_zarr

MARK = "ome_ngff"
JOURNAL = ".ome_ngff"


@attrs.frozen
class Target:
    """Point to a group that an image is, or will be, written to. Making one touches nothing.

    Attributes:
        store: the Zarr store. path: the group's path in it, "" for the root.
        fmt: the format to write, that of the existing group where there is one.
        attributes: attributes of the existing group, or None where there is no group yet.
        handle: the caller's own group. It remembers attributes and writes all of them back with the caller's next one,
            so it is told of ours.
    """

    store: Store
    path: str
    fmt: Format
    attributes: dict[str, Any] | None
    handle: zarr.Group | None = attrs.field(default=None, eq=False, repr=False)

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
        return find_target(StorePath(self.store, self.key(name)), fmt or self.fmt)

    def __str__(self) -> str:
        return place(self.store, self.path)


def place(store: Store, path: str = "") -> str:
    """Say where something is stored, as a person would."""
    root = str(store.root) if isinstance(store, LocalStore) else str(store)
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
    if hasattr(group, "store") and hasattr(group, "path") and isinstance(group.store, Store):
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
        if str(group).lower().endswith((".zip", ".ozx")) and Path(group).is_file():
            return zarr.storage.ZipStore(group, mode="r", read_only=True)
    return group


def as_place(target: Target) -> StorePath:
    """Give the place of a target, to look at it again."""
    return StorePath(target.store, target.path)


def refuse_file(path: Path) -> None:
    """Raise `ExistsError` for a file that is in the way."""
    raise ExistsError(f"{path} already exists; pass overwrite=True to replace it.")


def _remote(url: str, storage_options: dict[str, Any] | None = None) -> Store:
    from zarr.storage import FsspecStore

    try:
        return FsspecStore.from_url(url, storage_options=storage_options)
    except ImportError as error:
        extra = "s3" if url.startswith("s3") else "http"
        raise StoreError(f"{url} needs more packages ({error}); try pip install 'ome-ngff[{extra}]'.") from error


def open_node(store: Store, path: str) -> zarr.Group | zarr.Array[Any] | None:
    """Open what stands at a place for reading, or return None.

    Raises:
        StoreError: there is something, but its metadata cannot be read.
    """
    if isinstance(store, LocalStore) and not (store.root / path).is_dir():
        return None
    try:
        return zarr.open_group(store=store, path=path, mode="r", use_consolidated=False)
    except ContainsArrayError:
        return open_array(store, path)
    except FileNotFoundError:
        try:
            return open_array(store, path)  # of an array of Zarr v2, Zarr says that there is no group
        except FileNotFoundError:
            return None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The metadata of {place(store, path)} cannot be read: {error}") from error


@contextmanager
def _pipeline(store: Store, *, shards: bool = False) -> Iterator[None]:
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
        with zarr.config.set(words):
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
    with _pipeline(store, shards=array.shards is not None):
        return zarr.open_array(store=store, path=path, mode=mode)


def ready_array(target: Target, name: str, *, names: Sequence[str], fresh: bool, **options: Any) -> zarr.Array[Any]:
    """Create an empty array below a target, whose place has been cleared, or open the one of an interrupted write."""
    if not fresh and isinstance(open_node(target.store, target.key(name)), zarr.Array):
        return open_array(target.store, target.key(name), mode="r+")
    with _pipeline(target.store, shards=options.get("shards") is not None):
        return zarr.create_array(
            target.store, name=target.key(name), overwrite=True, **target.fmt.array_options(names), **options
        )


def rehearse(target: Target, names: Sequence[str], options: Sequence[Mapping[str, Any]]) -> None:
    """Create the arrays in memory first, so that what Zarr refuses is refused before anything is deleted.

    Raises:
        OptionError: Zarr refuses an option.
    """
    for option in options:
        try:
            zarr.create_array(MemoryStore(), **target.fmt.array_options(names), **option)
        except (ValueError, TypeError) as error:
            raise OptionError(f"Zarr cannot create such an array: {error}") from error


# Existing images ---------------------------------------------------------------------------------------------------


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


def refuse_existing(
    target: Target, paths: Sequence[str], *, overwrite: bool, resume: bool, what: str = "an image"
) -> None:
    """Raise where the target holds what the caller has not allowed to replace or to finish.

    Raises:
        IncompleteError: an unfinished write, without `overwrite` or `resume`.
        ExistsError: an image, or an array in the place of a level, without `overwrite`.
    """
    if overwrite and resume:
        raise OptionError("overwrite=True starts again and resume=True goes on; pass one of them.")
    if overwrite:
        return
    if target.mark is not None:
        if not resume:
            raise IncompleteError(
                f"{target} holds {what} that is incomplete; pass resume=True to finish it or overwrite=True to start "
                "again."
            )
        return
    if "multiscales" in target.document:
        if not resume:
            raise ExistsError(
                f"{target} already holds {what}; pass overwrite=True to replace it or resume=True to finish it."
            )
        return
    for path in paths:
        if open_node(target.store, target.key(path)) is not None:
            raise ExistsError(f"{target} already has something at {path!r}; pass overwrite=True to replace it.")


def doomed(target: Target, paths: Sequence[str]) -> list[str]:
    """Give what a new image replaces: levels and labels of the old one, and what stands at `paths`."""
    document, mark = target.document, target.mark or {}
    found = {*level_paths(document), *paths, *mark.get("paths", []), *mark.get("replaces", [])}
    if "multiscales" in document or mark:
        found |= set(_label_groups(target))
    return sorted(found)


def clear(target: Target, paths: Sequence[str]) -> None:
    """Delete what stands at `paths` below a target, groups that this leaves empty, and the journal."""
    for path in (*paths, JOURNAL):
        _delete(target, path)
        while (path := path.rpartition("/")[0]) not in ("", "labels") and not _children(target, path):
            _delete(target, path)


def _children(target: Target, path: str) -> set[str]:
    """Give what lies directly below a group, its own metadata aside."""

    async def names() -> list[str]:
        return [name async for name in target.store.list_dir(target.key(path))]

    with suppress(FileNotFoundError):
        found = {name.strip("/").rpartition("/")[2] for name in sync(names())}
        return found - {"zarr.json", ".zgroup", ".zattrs"}
    return set()


def _label_groups(target: Target) -> list[str]:
    """Give the paths below a target of its label images; "labels" itself where nothing else is in it."""
    labels = open_node(target.store, target.key("labels"))
    if not isinstance(labels, zarr.Group):
        return []
    registered = target.fmt.unwrap(dict(labels.attrs)).get("labels")
    ours = {name for name in registered if isinstance(name, str)} if isinstance(registered, list) else set()
    others = set()
    for name, node in labels.groups():
        if "image-label" in target.fmt.unwrap(dict(node.attrs)) or MARK in node.attrs:
            ours.add(name)
        elif name not in {path.split("/")[0] for path in ours}:
            others.add(name)
    others |= {name for name, _ in labels.arrays()}
    return [f"labels/{name}" for name in sorted(ours)] if others else ["labels"]


def _delete(target: Target, name: str) -> None:
    if isinstance(target.store, LocalStore):
        with suppress(FileNotFoundError):
            shutil.rmtree(target.store.root / target.key(name))
    elif target.store.supports_deletes:
        sync(target.store.delete_dir(target.key(name)))


# The mark, the journal, the end ------------------------------------------------------------------------------------


def put_attributes(target: Target, attributes: Mapping[str, Any]) -> None:
    """Create the group, or replace all its attributes in one step."""
    if target.attributes is None:
        zarr_format = target.fmt.zarr_format
        zarr.create_group(target.store, path=target.path, zarr_format=zarr_format, attributes=dict(attributes))
    else:
        group = zarr.open_group(store=target.store, path=target.path, mode="r+", use_consolidated=False)
        group.attrs.put(dict(attributes))
    if target.handle is not None:
        target.handle.metadata.attributes.clear()
        target.handle.metadata.attributes.update(attributes)


def require_group(target: Target) -> None:
    """Create an empty group where there is none."""
    if target.attributes is None:
        put_attributes(target, {})


def begin(target: Target, mark: Mapping[str, Any], more: Mapping[str, Any]) -> Target:
    """Mark the group as unfinished and take its OME metadata away; foreign attributes stay, and `more` are added."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    image = "multiscales" in target.document  # else its other parts, such as `image-label`, wait in the mark
    parts = {} if image else {k: v for k, v in target.document.items() if k != "version"}
    attributes = {**foreign, **more, MARK: {"incomplete": {"parts": parts, **mark}}}
    put_attributes(target, attributes)
    return attrs.evolve(target, attributes=attributes)


def finish(target: Target, document: Mapping[str, Any]) -> None:
    """Replace the mark by the metadata, in one step."""
    foreign = {k: v for k, v in target.fmt.strip(target.attributes or {}).items() if k != MARK}
    parts = (target.mark or {}).get("parts", {})
    put_attributes(target, {**foreign, **target.fmt.wrap({**parts, **document})})


def sweep_partial(target: Target) -> None:
    """Delete the files that a killed process has left half written."""
    if isinstance(target.store, LocalStore):
        for stray in (target.store.root / target.path).rglob("*.partial"):
            stray.unlink(missing_ok=True)


def note_unit(target: Target, unit: str) -> None:
    """Write into the journal that a unit is on disk."""
    if target.store.supports_deletes:
        buffer = default_buffer_prototype().buffer.from_bytes(b"done")
        sync(target.store.set(target.key(f"{JOURNAL}/{unit}"), buffer))


def noted_units(target: Target) -> set[str]:
    """Read from the journal which units are on disk."""

    async def names() -> list[str]:
        return [name async for name in target.store.list_dir(target.key(JOURNAL))]

    with suppress(FileNotFoundError):
        return {name.rpartition("/")[2] for name in sync(names())}
    return set()


def ready_temporary(
    target: Target, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any
) -> zarr.Array[Any]:
    """Open or create an array without compression in the journal's folder."""
    path = target.key(f"{JOURNAL}/{name}")
    if isinstance(open_node(target.store, path), zarr.Array):
        return open_array(target.store, path, mode="r+")
    with _pipeline(target.store):
        return zarr.create_array(
            target.store, name=path, shape=shape, chunks=chunks, dtype=dtype, compressors=None,
            zarr_format=target.fmt.zarr_format,
        )  # fmt: skip


def forget_units(target: Target) -> None:
    """Start the journal anew."""
    _delete(target, JOURNAL)


def make_spool(
    folder: Path, name: str, shape: Sequence[int], chunks: Sequence[int], dtype: Any
) -> tuple[zarr.Array[Any], bool]:
    """Open or create (then True) the temporary array of a write, in a folder named after what is written."""
    path = folder / f"ome_ngff-spool-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    store = LocalStore(path)
    found = open_node(store, "")
    with _pipeline(store):
        wanted = (tuple(shape), tuple(chunks), dtype)
        if isinstance(found, zarr.Array) and (found.shape, found.chunks, found.dtype) == wanted:
            return zarr.open_array(store=store, mode="r+"), False
        codec = Compression("blosc-lz4", 1).compressors(3, dtype)
        return zarr.create_array(
            store, shape=wanted[0], chunks=wanted[1], dtype=dtype, compressors=codec, overwrite=True
        ), True


def remove_spool(spool: zarr.Array[Any]) -> None:
    """Delete the temporary array of a write."""
    if isinstance(spool.store, LocalStore):
        shutil.rmtree(spool.store.root, ignore_errors=True)


def update_attributes(target: Target, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Read the attributes of a group, change them and write them back, alone among the processes of this machine."""
    with _alone(target):
        fresh = attrs.evolve(target, attributes=_attributes_now(target))
        put_attributes(fresh, change(dict(fresh.attributes or {})))


def _attributes_now(target: Target) -> dict[str, Any] | None:
    node = open_node(target.store, target.path)
    return dict(node.attrs) if isinstance(node, zarr.Group) else None


@contextmanager
def _alone(target: Target) -> Iterator[None]:
    """Hold a lock file beside the group's metadata (local stores; elsewhere the last writer wins)."""
    if not isinstance(target.store, LocalStore):
        yield
        return
    import time

    folder: Path = target.store.root / target.path
    folder.mkdir(parents=True, exist_ok=True)
    lock, patience = folder / f"{JOURNAL}.lock", 100
    while True:
        try:
            lock.open("x").close()
            break
        except FileExistsError:
            patience -= 1
            if patience == 0:  # whoever made it is gone: the section takes milliseconds
                lock.unlink(missing_ok=True)
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def same_json(a: Any, b: Any) -> bool:
    """Tell whether two values are the same once written as JSON."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
