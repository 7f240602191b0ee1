"""From the arguments of the write functions to a `Request`: everything is parsed and checked, nothing is touched."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import FormatError, OptionError, ScaleError
from ..pixels import (
    Level,
    Method,
    Methods,
    ScaleFactors,
    as_source,
    automatic_ladder,
    find_method,
    levels,
    parse_ladder,
)
from ..spec import Axes, AxesLike, Format, PerAxis, Transformations, format_from_version
from ..store import Layout, Target, find_target
from ..text import refuse_unknown
from .request import Request

if TYPE_CHECKING:
    from ..pixels import Scaler
    from .labels.matching import ReferenceLevels


def refuse_words(unknown: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Raise `OptionError` for a keyword that a function does not know, naming the nearest."""
    if unknown:
        words = [name for name in signature(function).parameters if name != "unknown"]
        refuse_unknown(unknown, words, function.__name__)


def parse_format(fmt: Format | str | None) -> Format | None:
    """Return the format that is asked for; None where it is left to the group."""
    return None if fmt is None else format_from_version(fmt)


def parse_name(name: Any) -> str:
    """Return the name of an image.

    Raises:
        OptionError: it is no text.
    """
    if not isinstance(name, str):
        raise OptionError(f"The name of an image is a string (got {name!r}).")
    return name


def image_request(
    image: Any,
    group: Any,
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "resize",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    layout: Layout | None = None,
    name: str = "image",
    omero: Mapping[str, Any] | None = None,
    coordinate_transformations: Transformations | None = None,
    pattern: ReferenceLevels | None = None,
) -> Request:
    """Parse the arguments of `write_image` into a request, without touching the disk.

    Args:
        pattern: levels that have to come out; None takes those that the arguments lead to.
    """
    layout = layout or Layout()
    source = as_source(image)
    parsed = Axes(axes, axes_units, ndim=source.ndim)
    base_scale, base_translation = _geometry(parsed, scale, translation)
    if scaler is not None and scale_factors is not None:
        raise ScaleError("Say the factors once: pass scale_factors or a scaler.")
    reducer = scaler.reducer if scaler is not None else find_method(method or "resize")
    if reducer.in_memory:
        raise OptionError(
            f"{reducer.name!r} gives residuals in memory and cannot be written; see Scaler.{reducer.name}."
        )
    ladder: Sequence[tuple[int, ...]] | None = None
    if scaler is not None:
        ladder = scaler.ladder(parsed.names)
    elif scale_factors is not None:
        ladder = parse_ladder(scale_factors, parsed.names)
    if pattern is not None:
        ladder = pattern.fitting(ladder)
    elif ladder is None:
        ladder = automatic_ladder(source.shape, parsed, base_scale, layout.first_chunks(source.shape, parsed))
    if ladder:
        reducer.check(source.dtype)
    found = levels(source.shape, ladder, reducer, pattern.shapes if pattern is not None else None)
    made_by = {"type": reducer.name, "metadata": reducer.describe()} if ladder else {}
    transformations = coordinate_transformations or [
        _transformations(level.scale(base_scale), level.translation(base_translation, base_scale)) for level in found
    ]
    return _request({0: source}, found, parsed, group, fmt, name, omero, transformations, reducer, layout, made_by)


def pyramid_request(
    pyramid: Sequence[Any],
    group: Any,
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: Mapping[str, str] | None = None,
    fmt: Format | str | None = None,
    layout: Layout | None = None,
    name: str = "image",
    omero: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    coordinate_transformations: Transformations | None = None,
    pattern: ReferenceLevels | None = None,
) -> Request:
    """Parse the arguments of `write_multiscale` into a request; `pattern` as in `image_request`."""
    if not isinstance(pyramid, Sequence) or not pyramid:
        raise OptionError(f"A pyramid is a list of at least one array (got {type(pyramid).__name__}).")
    sources = {k: as_source(level) for k, level in enumerate(pyramid)}
    shapes = [tuple(source.shape) for source in sources.values()]
    if len({(source.ndim, source.dtype) for source in sources.values()}) > 1:
        raise OptionError(
            f"All levels have one dtype and number of dimensions (got {[s.dtype.name for s in sources.values()]})."
        )
    _refuse_growing(shapes) if pattern is None else pattern.refuse_other(shapes)
    parsed = Axes(axes, axes_units, ndim=len(shapes[0]))
    base_scale, base_translation = _geometry(parsed, scale, translation)
    ones = (1,) * len(parsed)
    found = [Level(shape, ones, k, ones, (0.0,) * len(parsed)) for k, shape in enumerate(shapes)]
    extra = dict(metadata or {})
    omero = extra.pop("omero", None) or omero
    transformations = coordinate_transformations
    if transformations is None and pattern is not None:
        transformations = pattern.transformations(base_scale, base_translation)
    elif transformations is None:
        transformations = [
            _transformations(
                [f * s for f, s in zip(factors["scale"], base_scale, strict=True)],
                [t + at * s for t, at, s in zip(base_translation, shift["translation"], base_scale, strict=True)],
            )
            for factors, shift in format_from_version("0.5").generate_coordinate_transformations(shapes)
        ]
    return _request(
        sources, found, parsed, group, fmt, name, omero, transformations, Methods.NEAREST.method, layout or Layout(),
        {"metadata": extra or None},
    )  # fmt: skip


def _refuse_growing(shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise `ScaleError` where a level is not smaller than the one before it."""
    for before, after in itertools.pairwise(shapes):
        if before == after or any(b < a for b, a in zip(before, after, strict=True)):
            raise ScaleError(f"The levels of a pyramid go from large to small (got the shapes {shapes}).")


def _request(
    sources: dict[int, Any], found: Sequence[Level], axes: Axes, group: Any, fmt: Format | str | None, name: str,
    omero: Mapping[str, Any] | None, transformations: Transformations, method: Method, layout: Layout,
    extra: Mapping[str, Any],
) -> Request:  # fmt: skip
    target = group if isinstance(group, Target) else find_target(group, parse_format(fmt))
    target.fmt.validate_coordinate_transformations(len(axes), len(found), transformations)
    paths = tuple(str(k) for k in range(len(found)))
    datasets = [
        {"path": path, "coordinateTransformations": [dict(t) for t in transformation]}
        for path, transformation in zip(paths, transformations, strict=True)
    ]
    document = target.fmt.multiscale(axes.to_list(), datasets, parse_name(name), **extra)
    if omero is not None:
        document["omero"] = _omero(omero, axes, found[0].shape)
    dtype = np.dtype(sources[0].dtype).newbyteorder("=")
    request = Request(target, axes, dtype, tuple(found), paths, sources, method, layout, document)
    request.array_options()
    return request


def _geometry(
    axes: Axes, scale: PerAxis | None, translation: PerAxis | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    base = axes.vector(scale, 1.0, "scale")
    if any(size <= 0 for size in base):
        raise ScaleError(f"A pixel size is above zero (got scale {dict(zip(axes.names, base, strict=True))}).")
    return base, axes.vector(translation, 0.0, "translation")


def _transformations(scale: Sequence[float], translation: Sequence[float]) -> list[dict[str, Any]]:
    return [{"type": "scale", "scale": list(scale)}, {"type": "translation", "translation": list(translation)}]


def _omero(omero: Mapping[str, Any], axes: Axes, shape: Sequence[int]) -> dict[str, Any]:
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, Sequence):
        raise FormatError(f"omero needs a list of channels (got {omero!r}).")
    wanted = shape[axes.names.index("c")] if "c" in axes.names else 1
    if len(channels) != wanted:
        raise FormatError(f"omero describes {len(channels)} channels, but the image has {wanted}.")
    return dict(omero)
