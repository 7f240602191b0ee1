"""The rules for images from 0.6 on: coordinate systems, and the transformations between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import Finding
from ...text import listed, show
from .axes import UNITS_GIVEN, axes_findings
from .book import MISSING, Faults, Rules, entries, is_list, is_objects, part_of, path_fault
from .transformations import transformation_findings

Document = Mapping[str, Any]
_FIRST = "multiscales[0].datasets[0].coordinateTransformations"
_SYSTEMS, _EDGES = "multiscales[0].coordinateSystems", "multiscales[0].coordinateTransformations"


def flat(multiscale: Document) -> dict[str, Any]:
    """Return an image as 0.5 would write it: the axes of its intrinsic system, and the steps that lead there."""
    other = ("axes", "coordinateSystems", "coordinateTransformations")
    own = {key: value for key, value in multiscale.items() if key not in other}
    if is_list(multiscale.get("datasets")):
        own["datasets"] = [
            {**dataset, "coordinateTransformations": _steps(dataset)}
            if isinstance(dataset, Mapping) and "coordinateTransformations" in dataset
            else dataset
            for dataset in multiscale["datasets"]
        ]
    system = intrinsic_system(multiscale)
    return own if system is None else {**own, "axes": system.get("axes")}


def _steps(dataset: Document) -> Any:
    given = dataset["coordinateTransformations"]
    if not is_list(given) or len(given) != 1 or not isinstance(given[0], Mapping):
        return given
    steps = given[0].get("transformations") if given[0].get("type") == "sequence" else given
    if not is_list(steps):
        return given
    return [
        {k: v for k, v in t.items() if k not in ("input", "output")} if isinstance(t, Mapping) else t for t in steps
    ]


def intrinsic_names(multiscale: Document) -> list[str]:
    """Return the names of the systems that the datasets lead to."""
    outputs = [
        part_of(t.get("output"), "name")
        for _, dataset in entries(multiscale.get("datasets"), "")
        for _, t in entries(dataset.get("coordinateTransformations"), "")
    ]
    return [name for name in outputs if isinstance(name, str)]


def intrinsic_system(multiscale: Document) -> Document | None:
    """Return the system that the datasets lead to; where they lead to none, the only one that there is."""
    systems = [system for _, system in entries(multiscale.get("coordinateSystems"), "")]
    names = intrinsic_names(multiscale)
    found = [system for system in systems if system.get("name") in names[:1]] if names else systems
    return found[0] if found and (names or len(systems) == 1) else None


def space_findings(multiscale: Document, where: str, version: str) -> Iterator[Finding]:
    """Yield every violation by the coordinate systems of an image and by its transformations."""
    intrinsic = intrinsic_system(multiscale)
    systems = multiscale.get("coordinateSystems")
    yield from SYSTEMS(systems, f"{where}.coordinateSystems")
    for place, system in entries(systems, f"{where}.coordinateSystems"):
        yield from axes_findings(system.get("axes"), f"{place}.axes", version, spatial=system is intrinsic)
        if system is intrinsic:
            yield from UNITS_GIVEN(system.get("axes"), f"{place}.axes")
    counts = axis_counts(systems)
    n = counts.get(str(part_of(intrinsic, "name")))
    for place, dataset in entries(multiscale.get("datasets"), f"{where}.datasets"):
        given, place = dataset.get("coordinateTransformations"), f"{place}.coordinateTransformations"
        yield from DATASET(given, dataset, place)
        for inner, t in entries(given, place):
            yield from transformation_findings(t, n, n, inner)
    yield from INTRINSIC(multiscale, where)
    if "coordinateTransformations" in multiscale:
        edges, place = multiscale["coordinateTransformations"], f"{where}.coordinateTransformations"
        yield from EDGES(edges, place)
        for inner, edge in entries(edges, place):
            yield from EDGE(edge, multiscale, inner)
            yield from edge_findings(edge, counts, inner)


def edge_findings(edge: Document, counts: Mapping[str, int], where: str) -> Iterator[Finding]:
    """Yield every violation by the transformation of an edge, between systems of which some are counted by name."""
    n, m = (
        None if part_of(edge.get(end), "path") else counts.get(str(part_of(edge.get(end), "name")))
        for end in ("input", "output")
    )
    yield from transformation_findings(edge, n, m, where)


def axis_counts(systems: Any) -> dict[str, int]:
    """Return how many axes each system has, by its name."""
    named = [system for _, system in entries(systems, "") if isinstance(system.get("name"), str)]
    return {system["name"]: len(system["axes"]) for system in reversed(named) if is_objects(system.get("axes"))}


SYSTEMS = Rules("image", since="0.6")


@SYSTEMS.must("systems-form", at=_SYSTEMS, wrong=[], form=True)
def _systems_form(systems: Any, where: str) -> Faults:
    """Each "multiscales" dictionary MUST contain the field "coordinateSystems", a list of at least one coordinate
    system."""
    if not is_objects(systems):
        what = f"coordinateSystems must be a list of at least one dict (got {show(systems)})."
        yield where, what, 'Write [{"name": "physical", "axes": [...]}].'


@SYSTEMS.must("system-name", at=f"{_SYSTEMS}[1].name", wrong="")
def _system_name(systems: Any, where: str) -> Faults:
    """Each coordinate system MUST contain the field "name", a non-empty string."""
    for place, system in entries(systems, where):
        if not isinstance(system.get("name"), str) or not system["name"]:
            what = f"A coordinate system must have a name (got {show(system.get('name'))})."
            yield f"{place}.name", what, "Name it after what it is, such as physical."


@SYSTEMS.must("system-name-unique", at=f"{_SYSTEMS}[1].name", wrong="pixels")
def _system_unique(systems: Any, where: str) -> Faults:
    """The name of a coordinate system MUST be unique among all coordinate systems of its list."""
    names = Counter(system["name"] for _, system in entries(systems, where) if isinstance(system.get("name"), str))
    for name, count in names.items():
        if count > 1:
            yield where, f"{count} coordinate systems have the name {show(name)}.", "Rename all but one."


DATASET = Rules("image", since="0.6")
_WANTED = 'Write one scale, identity, or sequence of a scale and a translation, with "input" and "output".'


@DATASET.must("dataset-transformation", at=_FIRST, wrong=[], form=True)
def _dataset_transformation(given: Any, dataset: Document, where: str) -> Faults:
    """Each dictionary in "datasets" MUST contain the field "coordinateTransformations", a list of exactly one
    transformation, which MUST be a scale, an identity or a sequence."""
    kinds = [part_of(t, "type") for t in given] if is_list(given) else given
    if not is_objects(given) or len(given) != 1 or kinds[0] not in ("scale", "identity", "sequence"):
        yield where, f"A level must have one scale, identity or sequence (got {show(kinds)}).", _WANTED


@DATASET.must("dataset-sequence", at=f"{_FIRST}[0].transformations[1].type", wrong="scale")
def _dataset_sequence(given: Any, dataset: Document, where: str) -> Faults:
    """If it is a sequence, it MUST be of exactly one scale, followed by exactly one translation."""
    if given[0]["type"] == "sequence":
        steps = given[0].get("transformations")
        kinds = [part_of(t, "type") for t in steps] if is_list(steps) else steps
        if kinds != ["scale", "translation"]:
            what = f"The sequence of a level must be a scale, then a translation (got {show(kinds)})."
            yield f"{where}[0].transformations", what, "Combine the steps into these two."


@DATASET.must("dataset-input", at=f"{_FIRST}[0].input", wrong={"path": "7"})
def _dataset_input(given: Any, dataset: Document, where: str) -> Faults:
    """The `input` MUST be an object with the `path` of the dataset."""
    for place, t in entries(given, where):
        path = part_of(t.get("input"), "path")
        if not isinstance(path, str) or path != dataset.get("path"):
            what = f"The input must be the path of the level, {show(dataset.get('path'))} (got {show(t.get('input'))})."
            yield f"{place}.input", what, 'Write {"path": ...} with the path of the array.'


@DATASET.must("dataset-output", at=f"{_FIRST}[0].output", wrong="physical")
def _dataset_output(given: Any, dataset: Document, where: str) -> Faults:
    """The `output` MUST be an object with the `name` of the intrinsic coordinate system."""
    for place, t in entries(given, where):
        if not isinstance(part_of(t.get("output"), "name"), str):
            what = f"The output must name a coordinate system (got {show(t.get('output'))})."
            yield f"{place}.output", what, 'Write {"name": "physical"}, or what it is called.'


@DATASET.should("dataset-ends", at=f"{_FIRST}[0].input.name", wrong="pixels")
def _dataset_ends(given: Any, dataset: Document, where: str) -> Faults:
    """For datasets, the fields `input.name` and `output.path` SHOULD be left out (another section: MUST)."""
    for place, t in entries(given, where):
        for end, key in (("input", "name"), ("output", "path")):
            if part_of(t.get(end), key) is not None:
                yield f"{place}.{end}.{key}", f"The {end} of a level should have no {key}.", "Leave it out."


INTRINSIC = Rules("image", since="0.6")


@INTRINSIC.must("intrinsic-one", at="multiscales[0].datasets[1].coordinateTransformations[0].output.name",
                wrong="pixels")  # fmt: skip
def _intrinsic_one(multiscale: Document, where: str) -> Faults:
    """Every dataset MUST lead to the same coordinate system, the intrinsic one."""
    names = list(dict.fromkeys(intrinsic_names(multiscale)))
    if len(names) > 1:
        what = f"All levels must lead to one coordinate system (got {listed(names)})."
        yield f"{where}.datasets", what, "Lead further from the intrinsic system, beside datasets."


@INTRINSIC.must("intrinsic-listed", at=f"{_SYSTEMS}[0].name", wrong="world")
def _intrinsic_listed(multiscale: Document, where: str) -> Faults:
    """The intrinsic coordinate system MUST be listed in the "coordinateSystems" of the image."""
    known = [system.get("name") for _, system in entries(multiscale.get("coordinateSystems"), "")]
    for name in dict.fromkeys(intrinsic_names(multiscale)):
        if name not in known:
            what = f"The levels lead to the coordinate system {show(name)}, which is not listed."
            yield f"{where}.coordinateSystems", what, "Describe it in coordinateSystems."


@INTRINSIC.must("systems-connected", at=f"{_EDGES}[0]", wrong=MISSING)
def _connected(multiscale: Document, where: str) -> Faults:
    """The coordinate systems and transformations MUST form a connected graph."""
    ends = [part_of(t.get(e), "name") for _, t in entries(multiscale.get("coordinateTransformations"), "")
            for e in ("input", "output") if not part_of(t.get(e), "path")]  # fmt: skip
    for place, system in entries(multiscale.get("coordinateSystems"), f"{where}.coordinateSystems"):
        if system.get("name") not in (*intrinsic_names(multiscale), *ends):
            what = f"No transformation leads to the coordinate system {show(system.get('name'))}."
            yield place, what, "Add one from the intrinsic system to it, or leave it out."


EDGES = Rules("image", since="0.6")


@EDGES.must("edges-form", at=_EDGES, wrong=[], form=True)
def _edges_form(edges: Any, where: str) -> Faults:
    """Each "multiscales" dictionary MAY contain the field "coordinateTransformations", a list of at least one
    transformation."""
    if not is_objects(edges):
        what = f"coordinateTransformations must be a list of at least one dict (got {show(edges)})."
        yield where, what, "Leave it out where there is none."


@EDGES.should("edge-name-unique", at=f"{_EDGES}[1].name", wrong="to pixels")
def _edge_unique(edges: Any, where: str) -> Faults:
    """The name of a transformation SHOULD be unique (it says MUST, not among which, and valid documents repeat one)."""
    names = Counter(t["name"] for _, t in entries(edges, where) if isinstance(t.get("name"), str))
    for name, count in names.items():
        if count > 1:
            yield where, f"{count} transformations have the name {show(name)}.", "Rename all but one."


EDGE = Rules("image", since="0.6")


@EDGE.must("edge-ends", at=f"{_EDGES}[0].input", wrong="physical", form=True)
def _edge_ends(edge: Document, multiscale: Document, where: str) -> Faults:
    """Transformations MUST have `input` and `output`, objects with `name` and, for another group, `path`; both are
    strings."""
    for end in ("input", "output"):
        name, path = (part_of(edge.get(end), key) for key in ("name", "path"))
        if not isinstance(name, str) or not isinstance(path, (str, type(None))):
            what = f"The {end} must be an object with the name of a coordinate system (got {show(edge.get(end))})."
            yield f"{where}.{end}", what, 'Write {"name": "physical"}, or what it is called.'


@EDGE.must("edge-name", at=f"{_EDGES}[0].name", wrong=7)
def _edge_name(edge: Document, multiscale: Document, where: str) -> Faults:
    """Transformations MAY have the field "name", a string."""
    if not isinstance(edge.get("name", ""), str):
        yield f"{where}.name", f"The name must be a string (got {show(edge['name'])}).", "Put it in quotes."


@EDGE.must("edge-intrinsic", at=f"{_EDGES}[0].input.name", wrong="aligned")
def _edge_intrinsic(edge: Document, multiscale: Document, where: str) -> Faults:
    """The intrinsic coordinate system MUST be the `input` or the `output` of every transformation beside datasets."""
    names = [edge[end]["name"] for end in ("input", "output") if not edge[end].get("path")]
    if not set(names) & set(intrinsic_names(multiscale)):
        what = f"One end must be the intrinsic coordinate system (got {listed(names) or 'other groups'})."
        yield where, what, "Start from the system that the levels lead to; a sequence does several steps."


@EDGE.must("edge-system", at=f"{_EDGES}[0].output.name", wrong="nowhere")
def _edge_system(edge: Document, multiscale: Document, where: str) -> Faults:
    """The other end MUST be a coordinate system of the same image, or of a label image by its `path`."""
    known = [system.get("name") for _, system in entries(multiscale.get("coordinateSystems"), "")]
    for end in ("input", "output"):
        name, path = edge[end]["name"], edge[end].get("path")
        if path and (path_fault(path) or not path.startswith("labels/")):
            what = f"The path of the {end} must lead to a label image of this image (got {show(path)})."
            yield f"{where}.{end}.path", what, "Leave the path out, or write labels/ and the name of a label image."
        elif not path and name not in known:
            what = f"The {end} must be a coordinate system of this image (got {show(name)})."
            yield f"{where}.{end}.name", what, "Describe it in coordinateSystems, or correct the name."


@EDGE.must("edge-label", at=f"{_EDGES}[1].output", wrong={"name": "physical", "path": "labels/cells"})
def _edge_label(edge: Document, multiscale: Document, where: str) -> Faults:
    """A transformation between an image and its label image MUST be an identity, a scale or a translation."""
    steps = edge.get("transformations")
    steps = steps if edge.get("type") == "sequence" and is_list(steps) else [edge]
    kinds, known = [part_of(t, "type") for t in steps], ("identity", "scale", "translation")
    if any(edge[end].get("path") for end in ("input", "output")) and not all(kind in known for kind in kinds):
        what = f"Labels are linked by identity, scale or translation alone (got {show(edge.get('type'))})."
        yield where, what, "Apply anything else to the pixels of the labels."


GROUP = Rules("image", since="0.6")


@GROUP.note("system-name-group", at="multiscales", wrong=[
    {"name": name, "coordinateSystems": [{"name": "physical", "axes": []}]} for name in ("nuclei", "membranes")
])  # fmt: skip
def _group_unique(multiscales: Any, where: str) -> Faults:
    """References cannot tell several multiscales of a group apart: no two of them should have a coordinate system of
    the same name."""
    owners: dict[str, set[str]] = {}
    for place, multiscale in entries(multiscales, where):
        for _, system in entries(multiscale.get("coordinateSystems"), ""):
            owners.setdefault(str(system.get("name")), set()).add(place)
    for name, places in owners.items():
        if len(places) > 1:
            what = f"{len(places)} images of this group have a coordinate system {show(name)}."
            yield where, what, "Rename it in all but one; a reference means that of the first."
