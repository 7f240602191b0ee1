"""From the arguments of the write functions to a `Request`: everything is parsed and checked, nothing is touched."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from ..exceptions import FormatError, OptionError, ScaleError, ValidationError
from ..image import check_channels, pixel_geometry
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
from ..spec import (
    OMERO,
    Axes,
    AxesLike,
    Dataset,
    Format,
    Metadata,
    Omero,
    PerAxis,
    Scale,
    Transformation,
    Transformations,
    Translation,
    decode_omero,
    factors_of,
    parse_transformations,
)
from ..store import Layout, Target, find_target
from ..text import mapping_of, refuse_unknown, show
from .omero import Rendering
from .request import Request, given_level
from .resume import begun_ladder

if TYPE_CHECKING:
    from ..pixels import Scaler
    from .labels.reference import ReferenceLevels


def refuse_words(unknown: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Raise `OptionError` for a keyword that a function does not know, naming the nearest."""
    if unknown:
        words = [name for name in signature(function).parameters if name != "unknown"]
        refuse_unknown(unknown, words, function.__name__)


def parse_pyramid(pyramid: Any) -> Sequence[Any]:
    """Return the levels of a pyramid that is given.

    Raises:
        OptionError: it is not a list of them, or an empty one.
    """
    if not isinstance(pyramid, Sequence) or not pyramid:
        raise OptionError(f"A pyramid is a list of at least one array (got {type(pyramid).__name__}).")
    return pyramid


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
    omero: Mapping[str, Any] | bool | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    coordinate_transformations: Transformations | None = None,
    reference: ReferenceLevels | None = None,
    resume: bool = False,
) -> Request:
    """Parse the arguments of `write_image` into a request, without touching the disk.

    Args:
        omero: how channels are shown; None measures it, False leaves it out.
        reference: levels that have to come out; None takes those that the arguments lead to.
        resume: whether what is not given is taken from the write that was begun there.
    """
    layout, target = layout or Layout(), _target(group, fmt)
    source = as_source(image)
    parsed = Axes(axes, axes_units, ndim=source.ndim)
    base_scale, base_translation = pixel_geometry(parsed, scale, translation)
    if scaler is not None and scale_factors is not None:
        raise ScaleError("Give the factors once: pass scale_factors or a scaler.")
    if scaler is not None and not hasattr(scaler, "reducer"):
        raise OptionError(f"scaler is a Scaler (got {show(scaler)}).")
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
    if reference is not None:
        ladder = reference.fitting(ladder)
    elif ladder is None and resume:
        ladder = begun_ladder(target)
    if ladder is None:
        ladder = automatic_ladder(source.shape, parsed, base_scale, layout.first_chunks(source.shape, parsed))
    if ladder:
        reducer.check(source.dtype)
    found = levels(source.shape, ladder, reducer, reference.shapes if reference is not None else None)
    made_by = {"type": reducer.name, "metadata": reducer.describe()} if ladder else {}
    steps = _steps(target, parsed, found, coordinate_transformations) or [
        [Scale(level.scale(base_scale)), Translation(level.translation(base_translation, base_scale))]
        for level in found
    ]
    said, measured = _rendering(target, omero, channel_names, channel_colors, parsed, found[0].shape)
    metadata = _metadata(target, parsed, steps, name, said, **made_by)
    return Request.of(target, parsed, metadata, found, {0: source}, reducer, layout, measured=measured)


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
    omero: Mapping[str, Any] | bool | None = None,
    channel_names: Sequence[str] | None = None,
    channel_colors: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    coordinate_transformations: Transformations | None = None,
    reference: ReferenceLevels | None = None,
) -> Request:
    """Parse the arguments of `write_multiscale` into a request; `reference` as in `image_request`."""
    sources = {k: as_source(level) for k, level in enumerate(parse_pyramid(pyramid))}
    shapes = [tuple(source.shape) for source in sources.values()]
    if len({(source.ndim, source.dtype) for source in sources.values()}) > 1:
        raise OptionError(
            f"All levels have one dtype and number of dimensions (got {[s.dtype.name for s in sources.values()]})."
        )
    _refuse_growing(shapes) if reference is None else reference.refuse_other(shapes)
    parsed = Axes(axes, axes_units, ndim=len(shapes[0]))
    base_scale, base_translation = pixel_geometry(parsed, scale, translation)
    found = [given_level(shape, k) for k, shape in enumerate(shapes)]
    extra = mapping_of(metadata, "metadata")
    omero = extra.pop("omero", None) or omero
    target = _target(group, fmt)
    steps = _steps(target, parsed, found, coordinate_transformations)
    if steps is None and reference is not None:
        steps = reference.transformations(base_scale, base_translation)
    elif steps is None:
        steps = [
            [
                Scale([f * s for f, s in zip(factors, base_scale, strict=True)]),
                Translation([t + at * s for t, at, s in zip(base_translation, shift, base_scale, strict=True)]),
            ]
            for factors, shift in factors_of(shapes)
        ]
    said, measured = _rendering(target, omero, channel_names, channel_colors, parsed, shapes[0])
    described = _metadata(target, parsed, steps, name, said, metadata=extra or None)
    method, layout = Methods.NEAREST.method, layout or Layout()
    return Request.of(target, parsed, described, found, sources, method, layout, measured=measured)


def _refuse_growing(shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise `ScaleError` where a level is not smaller than the one before it."""
    for before, after in itertools.pairwise(shapes):
        if before == after or any(b < a for b, a in zip(before, after, strict=True)):
            raise ScaleError(f"The levels of a pyramid go from large to small (got the shapes {shapes}).")


def _target(group: Any, fmt: Format | str | None) -> Target:
    return group if isinstance(group, Target) else find_target(group, fmt)


def _metadata(
    target: Target,
    axes: Axes,
    steps: Sequence[Sequence[Transformation]],
    name: str,
    omero: Omero | None,
    **made_by: Any,
) -> Metadata:
    """Describe an image whose levels have these transformations."""
    if not isinstance(name, str):
        raise OptionError(f"The name of an image is a string (got {name!r}).")
    datasets = [Dataset(str(k), list(each)) for k, each in enumerate(steps)]
    return Metadata(list(axes), datasets, name=name, version=target.fmt.version, omero=omero, **made_by)


def _steps(
    target: Target, axes: Axes, found: Sequence[Level], given: Transformations | None
) -> list[list[Transformation]] | None:
    """Parse the transformations of all levels, where a caller gives them."""
    if not given:
        return None
    target.fmt.validate_coordinate_transformations(len(axes), len(found), given)
    return [parse_transformations(each, len(axes), f"level {k}") for k, each in enumerate(given)]


def _rendering(
    target: Target, omero: Any, names: Any, colors: Any, axes: Axes, shape: Sequence[int]
) -> tuple[Omero | None, Rendering | None]:
    """Parse how channels are shown: as a caller says it, or (then the second) what is known before it is measured."""
    count = shape[axes.names.index("c")] if "c" in axes.names else 1
    names, colors = ([given] if isinstance(given, str) else [*(given or ())] for given in (names, colors))
    if omero is None and "image-label" in target.image_document:  # the caller has said that these are labels
        omero = False
    if omero is None or omero is True:
        colors = [str(color).removeprefix("#") for color in colors]
        check_channels(count, names, colors)
        return None, Rendering(tuple(map(str, names)), tuple(colors))
    if names or colors:
        raise OptionError("Names and colours of channels go into omero where that is given; say them once.")
    return (None if omero is False else _omero(omero, count)), None


def _omero(omero: Any, count: int) -> Omero | None:
    """Parse the rendering that a caller gives, for as many channels as there are."""
    if isinstance(omero, Omero):
        return omero
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, Sequence):
        raise FormatError(f"omero needs a list of channels (got {omero!r}).")
    if len(channels) != count:
        raise FormatError(f"omero describes {len(channels)} channels, but the image has {count}.")
    faults = [finding for finding in OMERO(omero) if finding.severity == "error"]
    if faults:
        raise ValidationError(faults)
    return decode_omero(omero)
