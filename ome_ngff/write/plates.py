"""Plates: made, filled by any number of processes, and mended.

A field is an image like any other. Once it is finished, its well lists it, and then its plate the well: each document
is replaced alone, under its lock or on the condition that it is the one that was read, so none is lost. What a process
has finished but not listed, when it is killed, its next call lists, or `repair_plate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import attrs

from ..exceptions import ExistsError, FormatError, MissingError, OptionError, StoreError, TakenOverError
from ..read import fields_beside, plate_of, unlisted_fields, wells_below
from ..spec import Field, Format, Plate, Well, is_name, path_fault
from ..store import (
    MARK,
    PLANNED,
    Target,
    attributes_below,
    attributes_now,
    children,
    delete_empty,
    delete_group,
    find_target,
    format_said,
    leads_through_a_link,
    opened,
    update_attributes,
)
from ..text import show, warn, whole_number
from . import replace
from .request import Request

_DOCUMENTS = {"zarr.json", ".zgroup", ".zattrs"}
_MOST = 2**53  # of a number, beyond which that of JSON is not exact in viewers
_GROWS = "grows"  # in what is said: nobody has stated the layout
_REPLACES = "replaces"  # in what is said: wells of a plate that was replaced, which are still to be cleared away


def create_plate(
    group: Any,
    rows: Any = "A-H",
    columns: Any = 12,
    *,
    name: str | None = None,
    acquisitions: Iterable[Any] | None = None,
    fmt: Format | str | None = None,
    overwrite: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> None:
    """Make a plate, or say what the layout of one that is being filled is.

    The layout is the physical one, whichever wells get images. A plate becomes one for others with its first field;
    until then the layout waits in its group. Several processes may make the same call: of a plate that is there,
    nothing changes but the acquisitions that are new.

    Args:
        group: where the plate goes, as in `write_image`.
        rows: "A-H", a number, or a list of names; or "384-well", for plates of 6, 12, 24, 48, 96, 384 and 1536 wells;
            or None for those up to the last well that gets images. columns: "1-12", "01-12", a number, or names.
        name: of the plate; None takes that of its folder.
        acquisitions: numbers, or dicts of the specification; others come with their first field.
        fmt: OME-NGFF version; None takes that of the group, else 0.5.
        overwrite: replace a plate that is there, with all its fields; for one process alone.
        store_options: as in `write_image`.

    Raises:
        ExistsError: there is something else, or a plate with another layout or name, or an acquisition with another
            name, description or time. OptionError: it is not a layout.
        FormatError: the group has another version, or a rule of the specification is broken.
        StoreError: what would be replaced is behind a link.
    """
    target = _target(opened(group, store_options), fmt)
    layout = Plate.of(rows, columns, name=name, acquisitions=acquisitions)
    sample = layout.with_well("A/1" if layout.grows else f"{layout.rows[0]}/{layout.columns[0]}", Well())
    target.fmt.validate(target.fmt.wrap(target.fmt.encode_plate(sample)), "plate")

    def planned(now: Target) -> dict[str, Any] | None:
        there = _there(now)
        if overwrite and there is not None:
            waiting = sorted({*there.wells, *_waiting(now), *(well for well, _, _ in fields_beside(now, there))})
            behind = [well for well in waiting if leads_through_a_link(now, f"{well}/0")]
            if behind:
                what = f"{target} has the well {behind[0]} behind a link"
                raise StoreError(f"{what}; what a link leads to is not replaced. Remove the link.")
            now = attrs.evolve(now, attributes=_without("plate", now))
            return _attributes(now, layout, {_REPLACES: waiting})
        try:
            new = layout if there is None else layout.declared(there)
        except ExistsError as error:
            raise ExistsError(f"{target} {error}; pass overwrite=True to replace it.") from None
        return None if new == there else _attributes(now, new)

    if _waiting(target) and not overwrite:
        raise ExistsError(f"{target} is being replaced, or that was interrupted; pass overwrite=True to finish it.")
    update_attributes(target, planned)
    if overwrite:
        _clear(target)


@attrs.frozen
class FieldPlace:
    """Point to a field of a plate, neither of which need be there, once all that is known does not speak against it.

    Attributes:
        plate: its group. well: path of the well. field: name and acquisition. known: the plate that is there.
    """

    plate: Target
    well: str
    field: Field
    known: Plate | None

    @classmethod
    def of(
        cls, plate: Any, well: Any, field: int | str, acquisition: int | None, fmt: Any, *, overwrite: bool = False
    ) -> FieldPlace:
        """Parse a place, and look at what is there; nothing is touched.

        Raises:
            FormatError: the plate has another version, or no such well; the field is of another acquisition.
            ExistsError: there is something else than a plate.
        """
        target = _target(plate, fmt)
        there = _there(target)
        value = there or Plate(grows=True)
        path = value.place(well)
        found = Field(_name_of_field(field), _number(acquisition, "An acquisition"))
        below = target.child(path)
        refuse_other_kind(below, "well")
        before = Well.from_document(below.document.get("well"))
        known = {each.path: each.acquisition for each in before.fields}.get(found.path)
        if known not in (None, found.acquisition) and found.acquisition is not None and not overwrite:
            raise FormatError(
                f"The field {found.path} of {path} is of acquisition {known}, not {acquisition}: fields have names of "
                "their own, whatever their acquisition. Give this one another, or pass overwrite=True."
            )
        after = before.with_field(found)
        fmt = target.fmt
        fmt.validate(fmt.wrap(fmt.encode_well(after, below.document)), "well")
        whole = value.with_well(path, after)
        if whole != there:
            fmt.validate(fmt.wrap(fmt.encode_plate(whole, target.document)), "plate")
        return cls(target, path, found, there)

    @property
    def path(self) -> str:
        """Path of the field in the plate."""
        return f"{self.well}/{self.field.path}"

    @property
    def target(self) -> Target:
        """The group of the field."""
        return self.plate.child(self.path)

    def listed(self, request: Request) -> Request:
        """Return the request of an image as one that makes the plate before, and lists the field afterwards."""
        prepare = (partial(_plan, self.plate),) if self.known is None else ()
        said = {**request.said, "acquisition": self.field.acquisition}
        register = partial(register_field, self.plate, self.well, self.field, self.known)
        return attrs.evolve(request, beforehand=prepare, afterwards=(*request.afterwards, register), said=said)


def refuse_other_kind(target: Target, kind: str) -> None:
    """Raise where a group is something else than a plate, or a well, or is being written or changed."""
    target.refuse_change()
    others = sorted(set(target.document) & {"multiscales", "plate", "well", "labels", "scene"} - {kind})
    if target.mark is not None or others:
        what = "an image" if target.mark is not None or others == ["multiscales"] else f"a group with {others[0]}"
        raise ExistsError(f"{target} is {what}; a {kind} needs a group of its own.")


def field_group(plate: Any, well: Any, field: int | str, fmt: Format | str | None) -> Target:
    """Point to a field of a plate, whose image may come later, to write labels of it.

    Raises:
        FormatError: the plate has another version, or no such well.
    """
    target = _target(plate, fmt)
    return target.child(f"{(_there(target) or Plate(grows=True)).place(well)}/{_name_of_field(field)}")


def _name_of_field(field: Any) -> str:
    name = field if isinstance(field, str) else str(_number(field, "A field", " or a name"))
    if not is_name(name):
        raise FormatError(f"The path of a field is made of letters and digits, 100 at most (got {show(name)}).")
    return name


def _number(given: Any, what: str, also: str = "") -> int | None:
    """Parse a number, be it one of NumPy, that counts from 0; None stays None where nothing else is meant.

    Raises:
        OptionError: it is not a number.
    """
    if given is None and not also:
        return None
    number = whole_number(given)
    if number is None or not 0 <= number <= _MOST:
        raise OptionError(f"{what} is a number from 0{also} (got {show(given)}).")
    return number


def register_field(plate: Target, well: str, field: Field, known: Plate | None = None) -> None:
    """List a field in its well, and the well in its plate, where they are not.

    A plate that was `known` to list all of that already is not looked at again: what it lists only ever grows.

    Raises:
        TakenOverError: the field has gone, since its plate was replaced.
    """
    below, found = attrs.evolve(plate, path=plate.key(well), attributes={}, handle=None), Well()  # it is there by now

    def in_well(now: Target) -> dict[str, Any] | None:
        nonlocal found
        if attributes_below(now, [field.path])[0] is None:
            raise TakenOverError(f"Another process has replaced {plate}, and the field {well}/{field.path} with it.")
        before = Well.from_document(now.document.get("well"))
        found = before.with_field(field)
        more = now.fmt.wrap({**now.document, **now.fmt.encode_well(found, now.document)})
        return None if found == before else {**now.fmt.strip(now.attributes or {}), **more}

    def in_plate(now: Target) -> dict[str, Any] | None:
        there = _there(now) or Plate(grows=True)
        new, twin = there.with_well(well, found), there.place(well)
        if twin != well and new != there:
            names = " and ".join(each.partition("/")[2] for each in (twin, well))
            warn(f"{plate} now has one column under two names, {names}: two processes began it at once.")
        return None if new == there and "plate" in now.document else _attributes(now, new)

    try:
        update_attributes(below, in_well)
    except TakenOverError:
        delete_empty(below)
        raise
    if known is not None and known.wells and known.with_well(well, found) == known:
        return
    # Most fields change nothing in their plate, and then nobody waits for its lock.
    if in_plate(attrs.evolve(plate, attributes=attributes_now(plate) or {})) is not None:
        update_attributes(plate, in_plate)


def repair_plate(
    group: Any,
    *,
    acquisition: int | None = None,
    dry_run: bool = False,
    store_options: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """List the wells and fields that are there and not listed, as killed processes and other writers leave them.

    Others may write the plate meanwhile, so this is not a change that `undo` knows; all that it does is add to lists.

    Args:
        group: the plate. acquisition: of fields that do not state theirs; needed where the plate has several.
        dry_run: say which fields would be listed, and change nothing.

    Returns:
        The paths of the fields that were listed, such as "B/3/0".

    Raises:
        MissingError: there is no plate. FormatError: a field might be of any of several acquisitions.
    """
    target = _target(opened(group, store_options), None)
    plate, acquisition = _there(target), _number(acquisition, "An acquisition")
    if plate is None:
        raise MissingError(f"There is no plate at {target}; make one with create_plate.")
    fields = unlisted_fields(target, plate)
    ids = [each.id for each in plate.acquisitions]
    known = acquisition if acquisition is not None else ids[0] if len(ids) == 1 else None
    unknown = [f"{well}/{field.path}" for well, field in fields if field.acquisition is None and known is None]
    if unknown and len(ids) > 1:
        raise FormatError(f"{unknown[0]} may be of acquisition {ids}; pass acquisition= to say of which.")
    for well, field in () if dry_run else fields:
        number = known if field.acquisition is None else field.acquisition
        register_field(target, well, attrs.evolve(field, acquisition=number))
    return tuple(f"{well}/{field.path}" for well, field in fields)


def _target(group: Any, fmt: Format | str | None) -> Target:
    target = find_target(getattr(group, "target", group), fmt)
    target.refuse_package()
    replace.refuse_place(target)
    refuse_other_kind(target, "plate")
    return target


def _there(target: Target) -> Plate | None:
    """Return what a group says of the plate that it is, or becomes; None where it is none."""
    stated = format_said(target.attributes or {})
    if stated not in (None, target.fmt):
        raise FormatError(f"Another process has made {target} in OME-Zarr {stated.version}, not {target.fmt.version}.")
    return plate_of(target) if "plate" in target.plate_document else None


def _plan(target: Target) -> None:
    """Make a plate whose layout follows from its wells, where there is none."""
    update_attributes(target, lambda now: None if _there(now) else _attributes(now, Plate(grows=True)))


def _attributes(now: Target, plate: Plate, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the attributes of a group that becomes a plate: as a document once it has wells, until then as a plan."""
    refuse_other_kind(now, "plate")
    if plate.name is None:
        place = re.split(r"[/\\]", str(now).rstrip("/\\"))[-1]
        plate = attrs.evolve(plate, name=re.sub(r"(\.ome)?\.zarr$", "", place, flags=re.IGNORECASE) or "plate")
    fmt, said = now.fmt, {key: value for key, value in now.said.items() if key not in (PLANNED, _GROWS)}
    document = fmt.encode_plate(plate, now.plate_document)
    said |= {**(more or {}), **({_GROWS: True} if plate.grows else {})}
    said |= {} if plate.wells else {PLANNED: fmt.wrap(document)}
    kept = {key: value for key, value in fmt.strip(now.attributes or {}).items() if key != MARK}
    others = {key: value for key, value in now.document.items() if key != "version"}
    stated = fmt.wrap({**others, **document} if plate.wells else others) if plate.wells or others else {}
    return {**kept, **stated, **({MARK: said} if said else {})}


def _without(part: str, now: Target) -> dict[str, Any]:
    """Return the attributes of a group without its plate, or its well."""
    others = {key: value for key, value in now.document.items() if key not in ("version", part)}
    kept = {key: value for key, value in now.fmt.strip(now.attributes or {}).items() if key != MARK}
    return {**kept, **(now.fmt.wrap(others) if others else {})}


def _waiting(target: Target) -> list[str]:
    named = target.said.get(_REPLACES)
    return [path for path in named if not path_fault(path)] if isinstance(named, list) else []


def _clear(target: Target) -> None:
    """Delete the fields of the plate that was replaced, and groups that this leaves empty; files of others stay."""
    target = attrs.evolve(target, attributes=attributes_now(target) or {})
    waiting = [well for well in _waiting(target) if not leads_through_a_link(target, f"{well}/0")]
    ours = [(well, field) for well, field, state in fields_beside(target, Plate(grows=True)) if state != "image"]
    for well, found in wells_below(target, waiting).items():
        below = target.child(well)
        for path in dict.fromkeys([field.path for field in (*found.fields, *(f for of, f in ours if of == well))]):
            if not leads_through_a_link(below, f"{path}/0"):  # what a link leads to is not ours
                image = below.child(path)
                replace.clear(image, replace.to_replace(image, []), lambda: None)
                delete_group(below, path)
        update_attributes(below, partial(_without, "well"))
        for path in (well, well.partition("/")[0]):
            if children(target, path) <= _DOCUMENTS:
                delete_group(target, path)
    if waiting:
        update_attributes(target, _cleared)


def _cleared(now: Target) -> dict[str, Any]:
    said = {key: value for key, value in now.said.items() if key != _REPLACES}
    kept = {key: value for key, value in (now.attributes or {}).items() if key != MARK}
    return {**kept, **({MARK: said} if said else {})}
