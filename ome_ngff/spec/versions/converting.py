"""Documents of one version as documents of another one, for arrays that stay where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ...exceptions import FormatError, NgffError
from ...text import show
from ..metadata import Metadata, Placement, Scale, Translation, placed
from ..rules.book import is_list, is_objects, part_of
from ..rules.document import stated_version
from ..space.stored import Affine
from ..space.systems import CoordinateSystem, Edge, Ref
from .base import Document, Format
from .parts import entries_of, label_names

_PARTS = ("image-label", "plate", "well", "omero")  # what may state a version of its own
_OF_GROUPS = ("multiscales", "plate", "well", "image-label", "bioformats2raw.layout", "scene")
_MEANINGLESS = ("discrete", "longName")  # of an axis, before 0.6


@attrs.frozen
class Link:
    """Hold what maps a coordinate system of an image onto what that is a part of: a label image onto its image.

    Attributes:
        system: its name. steps: scale and shift. axes: those of the system of a scene that they lead to.
    """

    system: str | None
    steps: list[Placement]
    axes: Any = None


@attrs.frozen
class Restated:
    """Hold the document of a group in another version.

    Attributes:
        document: of the other version. losses: what it cannot hold, in words.
        names: of the dimensions of each level, by its path.
        links: what maps label images onto this image, or images onto this scene, by their paths: it has to go into
            their own transformations.
    """

    document: Document
    losses: tuple[str, ...]
    names: Mapping[str, list[str]]
    links: Mapping[str, Link] = attrs.field(factory=dict)


def restate(document: Mapping[str, Any], source: Format, to: Format, link: Link | None = None) -> Restated:
    """Return the document of a group in another version.

    Args:
        document: as `unwrap` returns it. source, to: the versions. link: what maps this label image onto its image, or
            this image onto its scene.

    Raises:
        FormatError: it states another version than the source.
    """
    stated = stated_version(document)
    if stated is not None and not states(source, stated):
        raise FormatError(f"it is OME-Zarr {show(stated)} in a hierarchy of {source.version}")
    found = {key: part for key, part in document.items() if key != "version"}
    for key in _PARTS:
        if isinstance(found.get(key), Mapping):
            found[key] = {k: v for k, v in found[key].items() if k != "version"}
    for key in ("image-label", "well"):
        if isinstance(found.get(key), Mapping):
            found[key] = to.dialect.stamp(found[key])
    if isinstance(found.get("plate"), Mapping):
        found |= to.plate(**found["plate"])
    losses: list[str] = []
    links: dict[str, Link] = {}
    names: dict[str, list[str]] = {}
    if not to.dialect.spaces and "scene" in found:
        links |= _scene(found.pop("scene"), losses)
    if is_list(found.get("multiscales")):
        found["multiscales"] = list(found["multiscales"])
        for number, entry in enumerate(found["multiscales"]):
            if isinstance(entry, Mapping):
                found["multiscales"][number] = _image(document, number, source, to, link, losses, links)
                names |= _names(source.flat(entry))
    return Restated(found, tuple(losses), names, links)


def without_names(document: Mapping[str, Any]) -> tuple[Document, list[str]]:
    """Return the document of a group without the names of its images, and these; none where one has no name."""
    images = document.get("multiscales")
    names = [part_of(image, "name") for image in images] if is_list(images) else []
    if not all(isinstance(name, str) and name for name in names):
        return dict(document), []
    return with_names(document, [""] * len(names)), names


def with_names(document: Mapping[str, Any], names: Sequence[str]) -> Document:
    """Return the document of a group with other names of its images."""
    images = zip(document.get("multiscales", ()), names, strict=True)
    return {**document, **({"multiscales": [{**image, "name": name} for image, name in images]} if names else {})}


def states(fmt: Format, stated: str) -> bool:
    """Return whether a version can be changed as one of a format: itself, or a candidate of its release."""
    return stated in (fmt.version, *(fmt.dialect.earlier if fmt.dialect.spaces else ()))


def _image(
    document: Mapping[str, Any],
    number: int,
    source: Format,
    to: Format,
    link: Link | None,
    losses: list[str],
    links: dict[str, Link],
) -> Document:
    """Return the entry of an image in another version; add to `losses` and `links`."""
    entry = document["multiscales"][number]
    if source.dialect.spaces == to.dialect.spaces and not link:
        return to.dialect.stamp({k: v for k, v in entry.items() if k != "version"})
    metadata = source.decode(document, number)
    axes = source.flat(entry).get("axes")
    if not to.dialect.spaces:
        losses += _losses(metadata, links)
        axes = [{k: v for k, v in axis.items() if k not in _MEANINGLESS} for axis in axes] if is_objects(axes) else axes
        same = link is None or link.axes is None or _spelled(link.axes) == _spelled(axes)
        if link is not None and same and link.system in (None, metadata.intrinsic.name):
            metadata, axes = _folded(metadata, link.steps), link.axes or axes
        elif link is not None:
            losses.append(f"the transformation that is of its coordinate system {show(link.system)}")
    whole = _upright(metadata) if to.dialect.spaces else attrs.evolve(metadata, others=[], edges=[])
    (found,) = to.encode(whole)["multiscales"]
    if "name" not in entry:
        del found["name"]
    if is_objects(axes):  # as they are written there, not as they are understood
        for holder in found["coordinateSystems"] if to.dialect.spaces else [found]:
            holder["axes"] = [dict(axis) for axis in axes]
    return dict(found)


def _upright(metadata: Metadata) -> Metadata:
    """Let axes grow whose scales are below zero, which 0.6 forbids; an affine leads to the system as it was."""
    n = len(metadata.axes)
    shared = metadata.coordinateTransformations or []
    levels = [placed([dataset.coordinateTransformations, shared], n) for dataset in metadata.datasets]
    turned = [[-1.0 if size < 0 else 1.0 for size in scale] for scale, _ in levels]
    if min(turned[0]) > 0 or any(signs != turned[0] for signs in turned):
        return metadata
    signs, datasets = np.array(turned[0]), []
    for dataset, (scale, shift) in zip(metadata.datasets, levels, strict=True):
        steps: list[Placement] = [Scale((signs * scale).tolist()), Translation((signs * shift + 0.0).tolist())]
        datasets.append(attrs.evolve(dataset, coordinateTransformations=steps))
    edge = Edge(Ref("upright"), Ref("physical"), Affine(np.column_stack([np.diag(signs), np.zeros(n)])))
    others = [CoordinateSystem("physical", metadata.axes)]
    upright = CoordinateSystem("upright", ())
    own: dict[str, Any] = {"datasets": datasets, "coordinateTransformations": None, "intrinsic": upright}
    return attrs.evolve(metadata, **own, others=others, edges=[edge])


def _folded(metadata: Metadata, shared: list[Placement]) -> Metadata:
    """Put what follows the levels into each of them, as a writer does."""
    n, levels = len(metadata.axes), []
    for dataset in metadata.datasets:
        scale, translation = placed([dataset.coordinateTransformations, shared], n)
        levels.append(attrs.evolve(dataset, coordinateTransformations=[Scale(scale), Translation(translation)]))
    return attrs.evolve(metadata, datasets=levels, coordinateTransformations=None)


def _losses(metadata: Metadata, links: dict[str, Link]) -> Iterator[str]:
    """Yield what an image of 0.5 cannot hold of one of 0.6, and add to `links` what goes into its label images."""
    if metadata.intrinsic.name != "physical":
        yield f"the name of the coordinate system {show(metadata.intrinsic.name)}"
    for system in metadata.others:
        yield f"the coordinate system {show(system.name)}"
    for edge in metadata.edges:
        label = next((ref for ref in (edge.input, edge.output) if ref.path), None)
        folded = None if label is None else _steps(edge, label, metadata.intrinsic.name, len(metadata.axes))
        if label is not None and label.path is not None and folded is not None:
            links[label.path.strip("/")] = Link(label.name, folded)
        else:
            yield f"the transformation {edge}"


def _steps(edge: Edge, end: Ref, name: str, n: int) -> list[Placement] | None:
    """Return the scale and shift that map one end of an edge onto a system of `n` axes; None where it is more."""
    other = edge.output if edge.input == end else edge.input
    try:
        leads = edge.transformation if edge.input == end else edge.transformation.inverted()
        matrix = leads.matrix(n)
    except NgffError:
        return None
    if other != Ref(name) or matrix is None or matrix.shape != (n, n + 1):
        return None
    scale = np.diag(matrix[:, :n])
    if (matrix[:, :n] != np.diag(scale)).any() or not (scale > 0).all():
        return None
    return [Scale(scale.tolist()), Translation(matrix[:, n].tolist())]


def _scene(scene: Any, losses: list[str]) -> dict[str, Link]:
    """Return what maps the images of a scene onto its system, where it has one that scales and shifts lead to.

    Anything else is added to `losses`, and so is the name of the system.
    """
    systems = {part_of(each, "name"): part_of(each, "axes") for each in entries_of(part_of(scene, "coordinateSystems"))}
    edges = [Edge.parse(each) for each in entries_of(part_of(scene, "coordinateTransformations"))]
    name, axes = next(iter(systems.items())) if len(systems) == 1 else (None, None)
    links: dict[str, Link] = {}
    for edge in edges if isinstance(name, str) and is_objects(axes) else ():
        ends = [ref for ref in (edge.input, edge.output) if ref.path]
        steps = _steps(edge, ends[0], str(name), len(axes or ())) if len(ends) == 1 else None
        if steps is not None:
            links[str(ends[0].path).strip("/")] = Link(ends[0].name, steps, axes)
    if len(links) == len(edges):
        losses += [] if name == "physical" else [f"the name of the coordinate system {show(name)} of the scene"]
        return links
    losses += [f"the coordinate system {show(each)} of the scene" for each in systems]
    losses += [f"the transformation {edge} of the scene" for edge in edges]
    return {}


def _spelled(axes: Any) -> list[Any]:
    return [part_of(axis, "name") for axis in entries_of(axes)]


def _names(multiscale: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the axes, by the paths of the levels that have them."""
    axes, datasets = part_of(multiscale, "axes"), entries_of(part_of(multiscale, "datasets"))
    if not is_objects(axes) or not all(isinstance(axis.get("name"), str) for axis in axes):
        return {}
    paths = [part_of(dataset, "path") for dataset in datasets]
    return {path.strip("/"): [axis["name"] for axis in axes] for path in paths if isinstance(path, str)}


def states_ome(document: Mapping[str, Any], name: str) -> bool:
    """Return whether what a group of this name has in its attributes are metadata of OME, and not another's words."""
    listed = {"labels": "labels", "series": "OME"}
    return any(key in document for key in _OF_GROUPS) or any(
        is_list(document.get(key)) and name == group for key, group in listed.items()
    )


def paths_below(document: Mapping[str, Any]) -> list[str]:
    """Return the paths that a document names below its group: levels, label images, wells, fields, images of scenes."""
    plate, well = part_of(document.get("plate"), "wells"), part_of(document.get("well"), "images")
    levels = [part_of(entry, "datasets") for entry in entries_of(document.get("multiscales"))]
    named = [part_of(each, "path") for part in (plate, well, *levels) for each in entries_of(part)]
    edges = entries_of(part_of(document.get("scene"), "coordinateTransformations"))
    named += [part_of(part_of(edge, end), "path") for edge in edges for end in ("input", "output")]
    return [path for path in (*named, *label_names(document)) if isinstance(path, str)]
