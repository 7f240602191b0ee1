"""What a write that is resumed takes over from the one that was begun, and what it has to agree with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..engine import Plan
from ..exceptions import NgffError, StoreError
from ..read import StoredImage
from ..spec import Metadata, is_image, is_list, is_objects, placed
from ..store import Compression, Target, journal, open_array
from ..text import same_json, show
from .request import Request


def begun_ladder(target: Target) -> list[tuple[int, ...]] | None:
    """Return the factors of the levels that were begun, or are there; None where there are none that are whole.

    Raises:
        FormatError, InputError: the metadata of the image is not understood.
    """
    document = target.image_document
    if not is_image(document):
        return None
    metadata = target.fmt.decode(document)
    sizes = [placed([d.coordinateTransformations], len(metadata.axes))[0] for d in metadata.datasets]
    if not all(sizes[0]):
        return None
    ratios = [[size / base for size, base in zip(level, sizes[0], strict=True)] for level in sizes]
    whole = all(round(ratio) > 0 and abs(ratio - round(ratio)) <= 1e-6 * ratio for level in ratios for ratio in level)
    return [tuple(map(round, level)) for level in ratios[1:]] if whole else None


def as_begun(request: Request) -> Request:
    """Compress as what was begun, or is there, wherever the caller asks for no compression.

    What is taken when nobody asks depends on the source, and on the version of this package.
    """
    target = request.target
    try:
        if target.mark is not None:
            names = target.mark.get("compression")
            there = [Compression.parse(str(name)) for name in names] if is_list(names) else []
        else:
            arrays = StoredImage.of(target).arrays if target.is_image else ()
            there = [Compression.parse(list(array.compressors)) for array in arrays]
    except NgffError:  # `agree` says what is wrong
        return request
    if len(there) != len(request.storage):
        return request
    storage = tuple(
        stored if stored.asked or str(stored.compression) == str(found) else attrs.evolve(stored, compression=found)
        for stored, found in zip(request.storage, there, strict=True)
    )
    copied = {k: stored for k, stored in request.copied.items() if storage[k].compression == stored.compression}
    return attrs.evolve(request, storage=storage, copied=copied)


def agree(request: Request) -> None:
    """Raise where a write that was begun, or is finished, has other settings.

    Neither the version of this package nor a rendering that was not asked for counts.

    Raises:
        StoreError: they differ; the message names what.
    """
    target, here = request.target, request.settings()
    if target.mark is not None and not isinstance(target.mark.get("metadata"), Mapping):
        raise StoreError(f"The mark of {target} does not state what was begun; pass overwrite=True to start again.")
    if target.mark is not None:
        journal.name_of_write(target)
    there = dict(target.mark) if target.mark is not None else _finished(target)
    other = [name for name in here if name in there and name != "metadata" and not same_json(there[name], here[name])]
    differ = [each for name in other for each in _differences(there[name], here[name], name)]
    if not differ:
        document = target.fmt.unwrap(there.get("metadata") or {})
        if not _alike(request, document):
            differ = list(_differences(document, request.document(), "")) or [("metadata", document, here["metadata"])]
    if differ:
        listed = "; ".join(f"{name}: there {show(old)}, now {show(new)}" for name, old, new in differ[:3])
        begun = "written" if target.mark is None else "begun"
        way_on = (
            "Join with the same ones, or start again with overwrite=True instead of join=True."
            if request.shared
            else "Resume with the same ones, or pass overwrite=True."
        )
        raise StoreError(f"{target} was {begun} with other settings ({listed}). {way_on}")
    cut = (target.mark or {}).get("cut")
    if cut is not None and not _is_division(cut, request):
        raise StoreError(f"The mark of {target} does not state how its work is cut; pass overwrite=True.")


def _is_division(cut: Any, request: Request) -> bool:
    """Return whether something may be the division of a plan, all of whose levels are written once."""

    def lengths(value: Any) -> bool:
        return isinstance(value, list) and len(value) == len(request.names) and all(map(_is_length, value))

    if not isinstance(cut, list) or not cut or not (cut[-1] is None or lengths(cut[-1])):
        return False
    if not all(isinstance(part, list) and len(part) == 4 and isinstance(part[2], list) for part in cut[:-1]):
        return False
    every, spooled = range(len(request.levels)), cut[-1] is not None
    if not all(type(base) is int and base in every and lengths(unit) for base, _, _, unit in cut[:-1]):
        return False
    written, reads = [k for part in cut[:-1] for k in part[2]], [part[1] for part in cut[:-1]]
    return (
        all(type(k) is int for k in written)
        and sorted(written) == [k for k in every if k not in request.kept]
        and all(each in ("given", "spool", "stored") for each in reads)
        and ("spool" in reads) == any(not part[2] for part in cut[:-1]) == spooled
    )


def _is_length(value: Any) -> bool:
    return type(value) is int and value > 0


def _alike(request: Request, document: Mapping[str, Any]) -> bool:
    fmt, asked = request.target.fmt, request.metadata
    try:
        known = fmt.decode(document, ndim=len(request.names))
    except NgffError:
        return False
    label = {} if request.image_label is None else fmt.image_label(**request.image_label)
    return _compared(asked, asked) == _compared(known, asked) and same_json(
        _said(label.get("image-label")), _said(document.get("image-label"))
    )


def _differences(there: Any, here: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield what differs in two documents, and where; versions and renderings may."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*here, *there]):
            if key not in ("version", "omero"):
                yield from _differences(there.get(key), here.get(key), f"{where}.{key}".lstrip("."))
    elif is_list(there) and is_list(here) and len(there) == len(here):
        for index, pair in enumerate(zip(there, here, strict=True)):
            yield from _differences(*pair, f"{where}[{index}]")
    elif not same_json(there, here):
        yield where, there, here


def _said(label: Any) -> Any:
    """Leave out entries for labels of which nothing is said: 0.1.0 did not write them."""
    if not isinstance(label, Mapping):
        return label
    listed = ("colors", "properties")
    return {k: [e for e in v if len(e) > 1] if k in listed and is_objects(v) else v for k, v in label.items()}


def _compared(metadata: Metadata, asked: Metadata) -> Metadata:
    """Leave out what may differ: versions, and a rendering where none is asked for."""
    method = {key: value for key, value in (metadata.metadata or {}).items() if key != "version"}
    return attrs.evolve(
        metadata, version="", metadata=method, omero=metadata.omero if asked.omero is not None else None
    )


def _finished(target: Target) -> dict[str, Any]:
    """Return the settings of a finished image, as far as its metadata and its arrays state them."""
    found = StoredImage.of(target)
    return {
        "levels": [list(array.shape) for array in found.arrays],
        "dtype": str(found.arrays[0].dtype),
        "chunks": [list(array.chunks) for array in found.arrays],
        "shards": [list(array.shards) if array.shards else None for array in found.arrays],
        "compression": [str(Compression.parse(list(array.compressors))) for array in found.arrays],
        "metadata": target.fmt.wrap(target.document),
        **({"source": target.said["source"]} if "source" in target.said else {}),
    }


def refuse_other_codecs(request: Request, documents: Mapping[str, Any]) -> None:
    """Raise `StoreError` where the levels of a finished image are stored with other codecs than are asked for."""
    words = ("codecs", "filters", "compressor")
    for k, path in enumerate(request.paths):
        stored = open_array(request.target.store, request.target.key(path)).metadata
        there, here = (
            [f"{word}={getattr(of, word)}" for word in words if hasattr(of, word)]
            for of in (stored, documents[path].metadata)
        )
        if k not in request.kept and there != here:
            raise StoreError(f"{path} is stored with {', '.join(there)}, and would be with {', '.join(here)}.")


def refuse_other_cut(plan: Plan, target: Target) -> None:
    if plan.division != (target.mark or {}).get("cut"):
        raise StoreError(
            f"{target} was begun in units that do not fit the memory_target of this process, or by another version of "
            "this package; give every process the same."
        )
