"""Label images: their pixels, what they take over from their image, what is said of them, and their registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from zarr.storage import StorePath

from ...engine import Progress, check_progress
from ...exceptions import OptionError
from ...pixels import Method, Methods, ScaleFactors, as_labels, label_method
from ...spec import AxesLike, Format, PerAxis, Transformations, label_names
from ...store import Layout, Target, find_target, update_document
from .. import replace
from ..arguments import image_request, parse_format
from ..execution import execute
from ..request import Request
from .annotation import Annotation
from .frame import Frame, Laid

if TYPE_CHECKING:
    from ...pixels import Scaler


def label_request(
    labels: Any,
    group: Any,
    name: str,
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "mode",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    layout: Layout | None = None,
    coordinate_transformations: Transformations | None = None,
    resume: bool = False,
) -> Request:
    """Parse the arguments of `write_labels`, completed by what the image knows, into a request; nothing is touched."""
    parent, path = find_target(group, parse_format(fmt)), label_path(name)
    pixels, reducer = as_labels(labels), label_method(method, scaler)
    laid = lay(parent, pixels.shape, layout or Layout(), axes, scale, translation, axes_units)
    return image_request(
        pixels, parent.child(path), axes=laid.axes, scale=laid.scale, translation=laid.translation,
        axes_units=axes_units, scale_factors=scale_factors, method=reducer, scaler=scaler, name=name,
        layout=laid.layout, coordinate_transformations=coordinate_transformations, pattern=laid.pattern, resume=resume,
    )  # fmt: skip


def label_path(name: Any) -> str:
    """Return the path of a label image below its image.

    Raises:
        OptionError: the name is no path below `labels`.
    """
    if not isinstance(name, str) or any(part in ("", ".", "..") for part in name.split("/")):
        raise OptionError(f"The name of a label image is a path below 'labels' (got {name!r}).")
    return f"labels/{name}"


def lay(
    parent: Target, shape: Sequence[int], layout: Layout, axes: Any, scale: Any, translation: Any, units: Any
) -> Laid:
    """Complete the arguments of a write by what the image knows; they stay as they are where there is none."""
    frame, layout = Frame.of(parent), layout.of_labels()
    if frame is None:
        return Laid(axes, scale, translation, layout)
    return frame.lay(shape, layout, axes, scale, translation, units)


def execute_labels(
    request: Request, name: str, said: Annotation, *, overwrite: bool, resume: bool, compute: bool, progress: Progress
) -> list[Any]:  # fmt: skip
    """Carry a request out as that of a label image, and register it in the end.

    Args:
        request: what to write, into `labels/<name>` of an image. name: of the label image.
        said: colours and so on; the pixels are looked at for them once all else is known to be right.
        overwrite, resume, compute, progress: see `execute`.
    """
    request = attrs.evolve(request, image_label={})
    if said.needs_values:
        check_progress(progress)
        replace.refuse_existing(
            request.target, request.new_paths, overwrite=overwrite, resume=resume, what=request.what
        )
    parts = said.parts(lambda: request.sources[0])
    label = {"source": {"image": "../" * (name.count("/") + 2)}, **parts}
    group = StorePath(request.target.store, request.target.path.removesuffix(name).rstrip("/"))
    register = partial(register_label, find_target(group, request.target.fmt), name)
    request = attrs.evolve(request, image_label=label, afterwards=(register,))
    return execute(request, overwrite=overwrite, resume=resume, compute=compute, progress=progress)


def register_label(labels: Target, name: str) -> None:
    """Add a name to the list of an image's labels, once, keeping the others."""

    def registered(document: dict[str, Any]) -> dict[str, Any]:
        names = label_names(document)
        return labels.fmt.labels(names if name in names else [*names, name])

    update_document(labels, registered)
