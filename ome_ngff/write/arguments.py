"""From the arguments of the write functions to a `Request`: everything is parsed and checked, nothing is touched."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from ..exceptions import AxesError, FormatError, OptionError, ScaleError, ValidationError
from ..image import Given, check_channels, pixel_geometry
from ..pixels import (
    Level,
    Method,
    Methods,
    ScaleFactors,
    automatic_ladder,
    levels,
    method_given,
    native,
    parse_ladder,
)
from ..spec import (
    OMERO,
    Axes,
    AxesLike,
    Axis,
    Dataset,
    Format,
    Metadata,
    Omero,
    PerAxis,
    Placement,
    Scale,
    Transformations,
    Translation,
    UnitsLike,
    decode_omero,
    factors_of,
    parse_numbers,
    parse_transformations,
    placed,
)
from ..store import Layout, Target, find_target
from ..text import list_of, mapping_of, refuse_unknown
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
    axes_units: UnitsLike | None = None,
    scale_factors: ScaleFactors | None = None,
    method: str | Methods | Method | None = "resize",
    scaler: Scaler | None = None,
    fmt: Format | str | None = None,
    layout: Layout | None = None,
    name: str = "image",
    omero: Mapping[str, Any] | Omero | bool | None = None,
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
    given = Given.of(image, axes, scale, translation, axes_units)
    layout, target, source = (layout or Layout()).named(given.dims), _target(group, fmt), given.pixels
    parsed = Axes(given.axes, given.axes_units, ndim=source.ndim)
    base_scale, base_translation = pixel_geometry(parsed, given.scale, given.translation)
    if scaler is not None and scale_factors is not None:
        raise ScaleError("Give the factors once: pass scale_factors or a scaler.")
    reducer = method_given(method or "resize", scaler)
    if reducer.in_memory:
        raise OptionError(
            f"{reducer.name!r} gives residuals in memory and cannot be written; see Scaler.{reducer.name}."
        )
    ladder: Sequence[tuple[int, ...]] | None = None
    if scaler is not None:
        ladder = scaler.ladder(parsed.names)
    elif scale_factors is not None:
        ladder = parse_ladder(scale_factors, parsed.names)
    elif coordinate_transformations and reference is None:
        ladder = _ladder_said(target, coordinate_transformations, parsed.names)
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
    said, measured = _rendering(target, omero, channel_names, channel_colors, given, parsed)
    metadata = _metadata(target, parsed, steps, name, said, **made_by)
    return Request.of(target, parsed, metadata, found, {0: source}, reducer, layout, measured=measured)


def pyramid_request(
    pyramid: Sequence[Any],
    group: Any,
    *,
    axes: AxesLike | None = None,
    scale: PerAxis | None = None,
    translation: PerAxis | None = None,
    axes_units: UnitsLike | None = None,
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
    given = [Given.of(level, axes, scale, translation, axes_units) for level in parse_pyramid(pyramid)]
    named = {",".join(Axis.parse(axis).name for axis in level.axes) for level in given if level.dims and level.axes}
    if len(named) > 1:
        raise AxesError(f"All levels have the same axes (got {' and '.join(sorted(named))}).")
    sources = {k: level.pixels for k, level in enumerate(given)}
    shapes = [tuple(source.shape) for source in sources.values()]
    if len({(source.ndim, native(source.dtype)) for source in sources.values()}) > 1:
        raise OptionError(
            f"All levels have one dtype and number of dimensions (got {[s.dtype.name for s in sources.values()]})."
        )
    _refuse_growing(shapes) if reference is None else reference.refuse_other(shapes)
    parsed = Axes(given[0].axes, given[0].axes_units, ndim=len(shapes[0]))
    base_scale, base_translation = pixel_geometry(parsed, given[0].scale, given[0].translation)
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
        said = [parse_numbers(numbers, parsed, "scale").keys() for numbers in (scale, translation)]
        steps = [each if k == 0 else _placed(given[k], parsed.names, each, *said) for k, each in enumerate(steps)]
    rendering, measured = _rendering(target, omero, channel_names, channel_colors, given[0], parsed)
    described = _metadata(target, parsed, steps, name, rendering, metadata=extra or None)
    method, layout = Methods.NEAREST.method, (layout or Layout()).named(given[0].dims)
    return Request.of(target, parsed, described, found, sources, method, layout, measured=measured)


def _placed(
    level: Given, names: Sequence[str], derived: Sequence[Placement], sized: Container[str], moved: Container[str]
) -> list[Placement]:
    """Place a level where its coordinates do, but on the axes of which the caller states sizes or positions."""
    found: list[Placement] = []
    for step, own, said in zip(derived, (level.scale, level.translation), (sized, moved), strict=True):
        numbers = own if isinstance(own, Mapping) else {}
        vector = [
            number if name in said else numbers.get(name, number)
            for name, number in zip(names, getattr(step, step.type), strict=True)
        ]
        found.append(type(step)(vector))
    return found


def _refuse_growing(shapes: Sequence[tuple[int, ...]]) -> None:
    for before, after in itertools.pairwise(shapes):
        if before == after or any(b < a for b, a in zip(before, after, strict=True)):
            raise ScaleError(f"The levels of a pyramid go from large to small (got the shapes {shapes}).")


def _target(group: Any, fmt: Format | str | None) -> Target:
    return group if isinstance(group, Target) else find_target(group, fmt)


def _metadata(
    target: Target,
    axes: Axes,
    steps: Sequence[Sequence[Placement]],
    name: str,
    omero: Omero | None,
    **made_by: Any,
) -> Metadata:
    if not isinstance(name, str):
        raise OptionError(f"The name of an image is a string (got {name!r}).")
    datasets = [Dataset(str(k), list(each)) for k, each in enumerate(steps)]
    return Metadata(list(axes), datasets, name=name, version=target.fmt.version, omero=omero, **made_by)


def _steps(
    target: Target, axes: Axes, found: Sequence[Level], given: Transformations | None
) -> list[list[Placement]] | None:
    if not given:
        return None
    target.fmt.validate_coordinate_transformations(len(axes), len(found), given)
    return [parse_transformations(each, len(axes), f"level {k}") for k, each in enumerate(given)]


def _ladder_said(target: Target, given: Transformations, names: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the factors of the further levels, as their scales say them.

    Raises:
        ScaleError: a scale is not a whole multiple of that of level 0.
    """
    ndim, count = len(names), len(given) if isinstance(given, Sequence) else 1
    target.fmt.validate_coordinate_transformations(ndim, count, given)
    sizes = [placed([parse_transformations(each, ndim, f"level {k}")], ndim)[0] for k, each in enumerate(given)]
    ladder = [{n: size / first for n, size, first in zip(names, each, sizes[0], strict=True)} for each in sizes[1:]]
    if any(abs(factor - round(factor)) > 1e-6 * factor for factors in ladder for factor in factors.values()):
        raise ScaleError(
            f"Which levels are made follows from the scales of coordinate_transformations, but {sizes} are not whole "
            "multiples of the first; pass scale_factors, too."
        )
    return parse_ladder([{name: round(factor) for name, factor in factors.items()} for factors in ladder], names)


def _rendering(
    target: Target, omero: Any, names: Any, colors: Any, given: Given, axes: Axes
) -> tuple[Omero | None, Rendering | None]:
    """Parse how channels are shown: as a caller says it, or (then the second) what is known before it is measured."""
    count = given.pixels.shape[axes.names.index("c")] if "c" in axes.names else 1
    if omero is None and "image-label" in target.image_document:  # the caller has said that these are labels
        omero = False
    if omero is None or omero is True:
        names = given.channel_names if names is None else names
        colors = given.channel_colors if colors is None else colors
    names, colors = (
        [each] if isinstance(each, str) else list_of([] if each is None else each, f"channel_{what}")
        for each, what in ((names, "names"), (colors, "colors"))
    )
    if omero is None or omero is True:
        colors = [str(color).removeprefix("#") for color in colors]
        windows = list_of(() if given.channel_windows is None else given.channel_windows, "channel_windows")
        check_channels(count, names, colors, windows)
        asked = bool(omero or names or colors or windows)
        return None, Rendering(tuple(map(str, names)), tuple(colors), asked=asked, windows=windows)
    if names or colors:
        raise OptionError("Names and colours of channels go into omero where that is given; say them once.")
    return (None if omero is False else _omero(omero, count)), None


def _omero(omero: Any, count: int) -> Omero | None:
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
