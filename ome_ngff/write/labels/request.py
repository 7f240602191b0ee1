"""Label images: from their pixels to a request, its execution, and their registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from zarr.storage import StorePath

from ...engine import Progress, check_progress
from ...exceptions import OptionError, TakenOverError
from ...image import Given
from ...pixels import Method, Methods, Scaler, as_labels, label_method
from ...spec import Format, is_image, label_names, name_fault, path_fault
from ...store import Layout, Target, delete_empty, find_target, open_node, update_document
from ...text import warn
from .. import replace
from ..arguments import image_request, parse_pyramid, pyramid_request
from ..execution import execute
from ..request import Request
from .annotation import Annotation
from .reference import ReferenceLevels


def label_request(
    labels: Any,
    group: Any,
    name: str,
    *,
    method: str | Methods | Method | None = "mode",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    **words: Any,
) -> Request:
    """Parse the arguments of `write_labels` into a request; `words` as in `image_request`. Nothing is touched."""
    parent, path = find_target(group, fmt), label_path(name)
    given, reducer, target = _given(labels, words), label_method(method, scaler), parent.child(path)
    words = _completed(parent, given, words) | {"omero": False}
    return image_request(given.pixels, target, method=reducer, scaler=scaler, name=name, **words)


def growing_label_request(
    short: Any, long: Any, axis: int, group: Any, name: str, *, method: str | Methods | Method | None,
    fmt: Format | str | None, **words: Any,
) -> Request:  # fmt: skip
    """Parse the arguments of `stream_labels` into a request; `words` as in `image_request`. Nothing is touched.

    Args:
        short, long: the labels, as long as 1 and without an end along `axis`, along which they grow.
    """
    parent, path = find_target(group, fmt), label_path(name)
    words = _completed(parent, _given(short, words), words) | {"omero": False}
    image = words.get("reference")
    if image is not None:
        shapes = tuple((*shape[:axis], long.shape[axis], *shape[axis + 1 :]) for shape in image.shapes)
        words["reference"] = attrs.evolve(image, shapes=shapes)
    return image_request(long, parent.child(path), method=label_method(method, None), name=name, **words)


def label_pyramid_request(
    pyramid: Sequence[Any], group: Any, name: str, *, fmt: Format | str | None = None, **words: Any
) -> Request:
    """Parse the arguments of `write_multiscale_labels` into a request; `words` as in `pyramid_request`."""
    parent, path = find_target(group, fmt), label_path(name)
    given, target = [_given(level, words) for level in parse_pyramid(pyramid)], parent.child(path)
    words = _completed(parent, given[0], words) | {"omero": False}
    return pyramid_request([level.pixels for level in given], target, name=name, **words)


_GEOMETRY = ("axes", "scale", "translation", "axes_units")


def _given(labels: Any, words: Mapping[str, Any]) -> Given:
    given = Given.of(labels, *map(words.get, _GEOMETRY))
    return attrs.evolve(given, pixels=as_labels(given.pixels))


def _completed(parent: Target, given: Given, words: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the arguments of a write by what the labels say, and then by what the image knows, if there is one."""
    layout, shape = (words.get("layout") or Layout()).named(given.dims).of_labels(), given.pixels.shape
    geometry = {word: getattr(given, word) for word in _GEOMETRY}
    image = ReferenceLevels.of(parent)
    if image is None:
        return {**words, **geometry, "layout": layout}
    return {**words, **image.complete(shape, layout, **geometry)}


def label_path(name: Any) -> str:
    """Return the path of a label image below its image.

    Raises:
        OptionError: the name is not a path below `labels`.
    """
    fault = path_fault(name) or name_fault(name)
    if fault:
        raise OptionError(f"The name of a label image is a path below 'labels'. {fault}")
    return f"labels/{name}"


def execute_labels(
    request: Request, name: str, annotation: Annotation, *, overwrite: bool, resume: bool, join: bool = False,
    compute: bool = True, progress: Progress,
) -> list[Any]:  # fmt: skip
    """Carry a request out as that of a label image, and register it in the end.

    Args:
        request: what to write, into `labels/<name>` of an image. name: of the label image.
        annotation: colours and so on; the pixels are read for them once all else is known to be right.
        overwrite, resume, join, compute, progress: see `execute`.
    """
    request = attrs.evolve(request, image_label={})
    if annotation.needs_values:
        check_progress(progress)
        replace.refuse_existing(request, overwrite=overwrite, resume=resume or join)
    parts = annotation.parts(lambda: request.sources[0])
    label = {"source": {"image": path_to_image(name)}, **parts}
    register = partial(register_label, labels_of(request.target, name), name)
    request = attrs.evolve(request, image_label=label, afterwards=(register,))
    return execute(request, overwrite=overwrite, resume=resume, join=join, compute=compute, progress=progress)


def labels_of(label: Target, name: str) -> Target:
    """Return the group that lists a label image; warn where that has no image."""
    path = label.path.removesuffix(name).rstrip("/")
    image = find_target(StorePath(label.store, path.removesuffix("labels").rstrip("/")))
    if not is_image(image.image_document):
        warn(f"There is no image at {image}: the labels stand there alone, and take nothing over from it.")
    return find_target(StorePath(label.store, path), label.fmt)


def path_to_image(name: str) -> str:
    return "../" * (name.count("/") + 2)


def register_label(labels: Target, name: str) -> None:
    """Add a name to the list of an image's labels, once, keeping the others.

    Raises:
        TakenOverError: the label image has gone, since its image was replaced.
    """

    def registered(document: dict[str, Any]) -> dict[str, Any]:
        if open_node(labels.store, labels.key(name)) is None:
            raise TakenOverError(f"Another process has replaced the image of {labels}, and {name!r} with it.")
        names = label_names(document)
        return labels.fmt.labels(names if name in names else [*names, name])

    try:
        update_document(labels, registered)
    except TakenOverError:
        delete_empty(labels)
        raise
