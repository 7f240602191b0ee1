"""Label images: their pixels, what they take over from their image, what is said of them, and their registration."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from zarr.storage import StorePath

from .. import existing, storage
from ..attributes import update_document
from ..exceptions import LabelError, OptionError
from ..layout import Layout
from ..methods import Method, Methods, find_method
from ..progress import Progress, check_progress
from ..request import Request, execute
from ..sources import as_source
from .frame import Frame, Laid
from .said import Said

if TYPE_CHECKING:
    from ..scale import Scaler

log = logging.getLogger("ome_ngff")


def as_labels(labels: Any) -> Any:
    """Return labels as a source of integers; bool becomes uint8, with a note in the log.

    Raises:
        LabelError: they are floats.
    """
    source = as_source(labels)
    if source.dtype.kind == "b":
        log.info("Labels are integers: bool is written as uint8, 0 and 1.")
        return source.view(np.uint8) if isinstance(source, np.ndarray) else _as_dask(source).astype(np.uint8)
    if source.dtype.kind == "f":
        raise LabelError(
            f"Labels are integers (got {source.dtype}); convert with labels.astype('uint32') once all values are whole."
        )
    return source


def _as_dask(source: Any) -> Any:
    import dask.array as da

    return source if hasattr(source, "dask") else da.from_array(source)


def label_path(name: Any) -> str:
    """Return the path of a label image below its image.

    Raises:
        OptionError: the name is no path below `labels`.
    """
    if not isinstance(name, str) or any(part in ("", ".", "..") for part in name.split("/")):
        raise OptionError(f"The name of a label image is a path below 'labels' (got {name!r}).")
    return f"labels/{name}"


def label_method(method: str | Methods | Method | None, scaler: Scaler | None) -> Method:
    """Return the method that makes the levels of labels.

    Raises:
        LabelError: it invents values.
    """
    found = scaler.reducer if scaler is not None else find_method(method or "mode")
    if found.invents:
        kept = " or ".join(repr(m.value) for m in Methods if not m.method.invents)
        raise LabelError(f"{found.name!r} invents values between labels; use method={kept}.")
    return found


def lay(
    parent: storage.Target, shape: Sequence[int], layout: Layout, axes: Any, scale: Any, translation: Any, units: Any
) -> Laid:
    """Complete the arguments of a write by what the image knows; they stay as they are where there is none."""
    frame, layout = Frame.of(parent), layout.of_labels()
    if frame is None:
        return Laid(axes, scale, translation, layout)
    return frame.lay(shape, layout, axes, scale, translation, units)


def execute_labels(
    request: Request, name: str, said: Said, *, overwrite: bool, resume: bool, compute: bool, progress: Progress
) -> list[Any]:  # fmt: skip
    """Carry a request out as that of a label image, and register it in the end.

    Args:
        request: what to write, into `labels/<name>` of an image. name: of the label image.
        said: colours and so on; the pixels are looked at for them once all else is known to be right.
        overwrite, resume, compute, progress: see `execute`.
    """
    request = attrs.evolve(request, what="a label image")
    if said.needs_values:
        check_progress(progress)
        existing.refuse_existing(
            request.target, request.new_paths, overwrite=overwrite, resume=resume, what=request.what
        )
    parts = said.parts(lambda: request.sources[0])
    label = request.target.fmt.image_label(**{"source": {"image": "../" * (name.count("/") + 2)}, **parts})
    request = attrs.evolve(request, document={**request.document, **label})
    group = StorePath(request.target.store, request.target.path.removesuffix(name).rstrip("/"))
    register = partial(register_label, storage.find_target(group, request.target.fmt), name)
    return execute(request, overwrite=overwrite, resume=resume, compute=compute, progress=progress, after=register)


def register_label(labels: storage.Target, name: str) -> None:
    """Add a name to the list of an image's labels, once, keeping the others."""

    def registered(document: dict[str, Any]) -> dict[str, Any]:
        names = document.get("labels")
        names = list(names) if isinstance(names, list) else []
        return {"labels": names if name in names else [*names, name]}

    update_document(labels, registered)


__all__ = ["Said", "as_labels", "execute_labels", "label_method", "label_path", "lay", "register_label"]
