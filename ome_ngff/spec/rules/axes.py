"""The rules for axes: names, types, counts, order, units, orientation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...exceptions import Finding
from ...text import listed, nearest_word, show
from ..vocabulary import KNOWN_AXES, ORIENTATIONS, SPATIAL, UNITS, full_unit
from .book import MISSING, Faults, Rules, entries, is_objects, part_of

AXES, SPACE = Rules("image"), Rules("image")


def axes_findings(
    axes: Any, where: str = "axes", version: str | None = None, *, spatial: bool = True
) -> Iterator[Finding]:
    """Yield every rule for axes that the document `axes` breaks (any JSON value).

    Args:
        spatial: whether they are those of the pixels, which lie in space, rather than of a further coordinate system.
    """
    found = list(AXES(axes, where, version=version))
    yield from found
    if spatial and not any(finding.rule == "axes-form" for finding in found):
        # From 0.6 on, axes of type array may stand in place of those of space.
        alike = [{**axis, "type": "space"} if axis.get("type") == "array" else axis for axis in axes]
        yield from SPACE(alike if (version or "") >= "0.6" else axes, where, version=version)


def _example(names: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": KNOWN_AXES.get(name, "custom")} for name in names]


def _names(axes: Any) -> list[str]:
    return [axis["name"] for axis in axes]


@AXES.must("axes-form", at="multiscales[0].axes[0].name", wrong=MISSING, form=True)
def _form(axes: Any, where: str) -> Faults:
    """ "axes" MUST be a list of dictionaries, where each dictionary MUST contain the field "name"."""
    if not is_objects(axes):
        yield where, f"axes must be a list of dicts (got {show(axes)}).", 'Write [{"name": "y", "type": "space"}, ...].'
        return
    for index, axis in enumerate(axes):
        if not isinstance(axis.get("name"), str):
            what = f"Each axis must have a string as its name (got {show(axis.get('name'))})."
            yield f"{where}[{index}].name", what, "Name it t, c, z, y or x, or choose another name."


@SPACE.must("axes-count", at="multiscales[0].axes", wrong=_example("x"))
def _count(axes: Any, where: str) -> Faults:
    """The length of "axes" must be between 2 and 5."""
    if not 2 <= len(axes) <= 5:
        what = f"An image must have 2 to 5 axes (got {len(axes)}: {listed(_names(axes))})."
        yield where, what, "Split the image, or drop axes of length 1."


@AXES.must("axes-unique", at="multiscales[0].axes[3].name", wrong="x")
def _unique(axes: Any, where: str) -> Faults:
    """The values MUST be unique across all "name" fields."""
    names = _names(axes)
    if len(set(names)) != len(names):
        yield where, f"Axis names must be unique (got {listed(names)}).", "Rename all but one."


@SPACE.must("axes-space-count", at="multiscales[0].axes", wrong=_example("tcx"))
def _space_count(axes: Any, where: str) -> Faults:
    """The "axes" MUST contain 2 or 3 entries of "type:space"."""
    count = sum(axis.get("type") == "space" for axis in axes)
    if count not in (2, 3):
        hint = "Give z, y and x the type space." if count < 2 else "Give one of them another type."
        yield where, f"2 or 3 axes must have the type space (got {count}).", hint


@SPACE.must("axes-time-count", at="multiscales[0].axes[1].type", wrong="time")
def _time_count(axes: Any, where: str) -> Faults:
    """The "axes" MAY contain one additional entry of "type:time"."""
    count = sum(axis.get("type") == "time" for axis in axes)
    if count > 1:
        yield where, f"At most one axis may have the type time (got {count}).", "Give the others another type."


@SPACE.must("axes-channel-count", at="multiscales[0].axes", wrong=[{"name": "lifetime"}, *_example("cyx")])
def _channel_count(axes: Any, where: str) -> Faults:
    """The "axes" MAY contain one additional entry of "type:channel" or a null / custom type."""
    others = [axis["name"] for axis in axes if axis.get("type") not in ("space", "time")]
    if len(others) > 1:
        what = f"At most one axis may be a channel or custom axis (got {listed(others)})."
        yield where, what, "Combine them into a single axis, or split the image."


@SPACE.must("axes-order", at="multiscales[0].axes", wrong=_example("yxt"))
def _order(axes: Any, where: str) -> Faults:
    """The entries MUST be ordered by "type" where the "time" axis must come first (if present), followed by the
    "channel" or custom axis (if present) and the axes of type "space"."""
    names, rank = _names(axes), _ranks(axes)
    if rank != sorted(rank):
        wanted = [name for _, name in sorted(zip(rank, names, strict=True), key=lambda pair: pair[0])]
        what = f"Axes must be in the order time, channel, space (got {listed(names)})."
        yield where, what, f"Transpose to {listed(wanted)}."


def _ranks(axes: Any) -> list[int]:
    return [{"time": 0, "space": 2}.get(str(axis.get("type")), 1) for axis in axes]


@SPACE.should("axes-zyx", at="multiscales[0].axes", wrong=_example("xyz"))
def _zyx(axes: Any, where: str) -> Faults:
    """The spatial axes SHOULD be ordered as "zyx"."""
    space = [axis["name"] for axis in axes if axis.get("type") == "space" and axis["name"] in SPATIAL]
    wanted = sorted(space, key=SPATIAL.index)
    if space != wanted:
        what = f"Space axes should be in the order z, y, x (got {listed(space)})."
        yield where, what, f"Transpose them to {listed(wanted)}."


@AXES.should("axis-type", at="multiscales[0].axes[1].type", wrong=MISSING)
def _type(axes: Any, where: str) -> Faults:
    """It SHOULD contain the field "type"."""
    for index, axis in enumerate(axes):
        if axis.get("type") is None:
            guess = KNOWN_AXES.get(axis["name"])
            hint = f'Add "type": "{guess}".' if guess else "Write space, time, channel or a word of your own."
            yield f"{where}[{index}]", f"The axis {show(axis['name'])} should have a type.", hint


@AXES.must("axis-type-form", at="multiscales[0].axes[1].type", wrong=["channel"])
def _type_form(axes: Any, where: str) -> Faults:
    """It SHOULD be one of "space", "time" or "channel", but MAY take other string values."""
    return _texts(axes, where, "type", "Write space, time, channel or a word of your own.")


def _texts(axes: Any, where: str, key: str, hint: str) -> Faults:
    for index, axis in enumerate(axes):
        if not isinstance(axis.get(key), (str, type(None))):
            yield f"{where}[{index}].{key}", f"The {key} of an axis must be a string (got {show(axis[key])}).", hint


@AXES.must("axis-unit-form", at="multiscales[0].axes[4].unit", wrong=0.5)
def _unit_form(axes: Any, where: str) -> Faults:
    """The value of "unit" SHOULD be one of the following strings."""
    return _texts(axes, where, "unit", "Write its name; the size of a pixel belongs in the scale.")


@AXES.should("axis-unit", at="multiscales[0].axes[4].unit", wrong="micron")
def _unit(axes: Any, where: str) -> Faults:
    """The value of "unit" SHOULD be one of the following strings, which are valid units according to UDUNITS-2."""
    for index, axis in enumerate(axes):
        kind, unit = str(axis.get("type")), axis.get("unit")
        if kind in UNITS and isinstance(unit, str) and unit not in UNITS[kind]:
            meant = full_unit(unit)
            hint = f"Write {meant!r}." if meant in UNITS[kind] else nearest_word(unit, sorted(UNITS[kind])).strip()
            what = f"The unit should be one that the specification lists for {kind} (got {show(unit)})."
            yield (
                f"{where}[{index}].unit",
                what,
                hint or f"Convert to one of these, such as {'second' if kind == 'time' else 'micrometer'}.",
            )


@AXES.must("axis-long-name", at="multiscales[0].axes[4].longName", wrong=4, since="0.6")
def _long_name(axes: Any, where: str) -> Faults:
    """It MAY contain the field "longName", a string."""
    return _texts(axes, where, "longName", "Put it in quotes.")


@AXES.must("axis-discrete", at="multiscales[0].axes[1].discrete", wrong="yes", since="0.6")
def _discrete(axes: Any, where: str) -> Faults:
    """It MAY contain the field "discrete", a boolean."""
    for index, axis in enumerate(axes):
        if not isinstance(axis.get("discrete", False), bool):
            what = f"discrete must be true or false (got {show(axis['discrete'])})."
            yield f"{where}[{index}].discrete", what, "Write true where there is nothing between two indices."


@AXES.should("axis-array", at="multiscales[0].axes[4].type", wrong="array", since="0.6")
def _array(axes: Any, where: str) -> Faults:
    """Axes of type space SHOULD describe an image; the schema lets axes of type array stand in for them."""
    for index, axis in enumerate(axes):
        if axis.get("type") == "array":
            yield f"{where}[{index}].type", f"The axis {show(axis['name'])} should be of type space.", 'Write "space".'


@AXES.should("axis-unit-channel", at="multiscales[0].axes[1].unit", wrong="nanometer")
def _unit_channel(axes: Any, where: str) -> Faults:
    """Channels carry no unit."""
    for index, axis in enumerate(axes):
        if axis.get("type") == "channel" and axis.get("unit") is not None:
            what = f"A channel axis should have no unit (got {show(axis['unit'])})."
            yield f"{where}[{index}].unit", what, "Leave it out."


def _orientations(axes: Any) -> list[tuple[int, str]]:
    """Return the axis index and value of every orientation that RFC-4 defines."""
    values = [(index, part_of(axis.get("orientation"), "value")) for index, axis in enumerate(axes)]
    return [(index, value) for index, value in values if isinstance(value, str) and value in ORIENTATIONS]


@AXES.must("axis-orientation", at="multiscales[0].axes[4].orientation", wrong="left-to-right", until="0.5")
def _orientation(axes: Any, where: str) -> Faults:
    """The `orientation` field is an object with a `type` field ("anatomical") and a `value` field of the controlled
    vocabulary."""
    known = dict(_orientations(axes))
    for index, axis in enumerate(axes):
        given = axis.get("orientation")
        if given is not None and (index not in known or given.get("type") != "anatomical"):
            value = part_of(given, "value")
            unknown = isinstance(value, str) and value not in ORIENTATIONS
            hint = nearest_word(value, sorted(ORIENTATIONS)).strip() if unknown else ""
            what = f"The orientation must be an anatomical one of RFC-4 (got {show(given)})."
            hint = hint or 'Write {"type": "anatomical", "value": "left-to-right"} or another of its values.'
            yield f"{where}[{index}].orientation", what, hint


@AXES.must(
    "axis-orientation-space",
    at="multiscales[0].axes[1].orientation",
    wrong={"type": "anatomical", "value": "proximal-to-distal"},
    until="0.5",
)
def _orientation_space(axes: Any, where: str) -> Faults:
    """The `orientation` field MUST only be used on spatial axes (axes with `type` field set to "space")."""
    for index, axis in enumerate(axes):
        if axis.get("orientation") is not None and axis.get("type") != "space":
            what = f"Only axes of type space may have an orientation (got one on {show(axis['name'])})."
            yield f"{where}[{index}].orientation", what, "Leave it out."


@AXES.should("axis-orientation-all", at="multiscales[0].axes[2].orientation", wrong=MISSING, until="0.5")
def _orientation_all(axes: Any, where: str) -> Faults:
    """If one space axis has an orientation, the others should have one, too."""
    space = [axis for axis in axes if axis.get("type") == "space"]
    without = [axis["name"] for axis in space if axis.get("orientation") is None]
    if 0 < len(without) < len(space):
        what = f"All space axes or none should have an orientation (there is none for {listed(without)})."
        yield where, what, "Add an orientation to each of them."


@AXES.must("axis-orientation-once", at="multiscales[0].axes[2].orientation.value", wrong="right-to-left", until="0.5")
def _orientation_once(axes: Any, where: str) -> Faults:
    """A set of NGFF `axes` MUST only have one of the set {"left-to-right", "right-to-left"} or
    {"anterior-to-posterior", "posterior-to-anterior"} or the remaining values."""
    values = [value for _, value in _orientations(axes)]
    if len({frozenset(value.split("-to-")) for value in values}) != len(values):
        what = f"Axes must run along different anatomical directions (got {listed(values)})."
        yield where, what, "Give each axis its own direction."


UNITS_GIVEN = Rules("image")


@UNITS_GIVEN.should("axis-unit-given", at="multiscales[0].axes[4].unit", wrong=MISSING)
def _unit_given(axes: Any, where: str) -> Faults:
    """It SHOULD contain the field "unit" to specify the physical unit of this dimension."""
    for place, axis in entries(axes, where):
        if str(axis.get("type")) in UNITS and axis.get("unit") is None:
            hint = (
                'Rename "units" to "unit".' if "units" in axis else 'Add "unit": "micrometer", "second", or what it is.'
            )
            yield place, f"The axis {show(axis.get('name'))} should have a unit.", hint
