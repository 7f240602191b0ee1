"""OME-NGFF 0.6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...exceptions import FormatError
from ..dialect import Dialect
from ..metadata import Metadata, Scale, Translation, placed
from ..rules.spaces import flat, intrinsic_names
from ..space.systems import CoordinateSystem, Edge
from .base import Document, Format
from .parts import entries_of, entry_of


class FormatV06(Format):
    """OME-NGFF 0.6: stored as 0.5, but images have coordinate systems, and transformations from one to another."""

    dialect = Dialect(
        "0.6", zarr_format=3, namespace="ome", chunk_keys="default", dimension_names=True, earlier=("0.6rc0",),
        spaces=True,
    )  # fmt: skip
    version, zarr_format = dialect.version, dialect.zarr_format

    def flat(self, multiscale: Mapping[str, Any]) -> Document:
        return flat(multiscale)

    def encode(self, metadata: Metadata) -> Document:
        shared = metadata.coordinateTransformations or []
        levels = []
        for dataset in metadata.datasets:
            steps = dataset.coordinateTransformations
            if shared or [type(step) for step in steps] not in ([Scale], [Scale, Translation]):
                scale, translation = placed([steps, shared], len(metadata.axes))
                steps = [Scale(scale), Translation(translation)]
            levels.append(attrs.evolve(dataset, coordinateTransformations=steps))
        document = super().encode(attrs.evolve(metadata, datasets=levels, coordinateTransformations=None))
        (multiscale,) = document["multiscales"]
        multiscale["coordinateSystems"] += [system.to_document() for system in metadata.others]
        if metadata.edges:
            multiscale["coordinateTransformations"] = [edge.to_document() for edge in metadata.edges]
        multiscale["coordinateSystems"][0] = metadata.systems[0].to_document()
        for dataset in multiscale["datasets"]:
            dataset["coordinateTransformations"][0]["output"] = {"name": metadata.intrinsic.name}
        return document

    def decode(self, document: Mapping[str, Any], series: int = 0, ndim: int | None = None) -> Metadata:
        multiscale = entry_of(document, series)
        names = intrinsic_names(multiscale)
        if len(set(names)) > 1:
            raise FormatError(f"All levels of an image lead to one coordinate system (got {', '.join(sorted(names))}).")
        flattened = {**document, "multiscales": [{} for _ in range(series)] + [flat(multiscale)]}
        metadata = super().decode(flattened, series, ndim)
        systems = [CoordinateSystem.parse(each) for each in entries_of(multiscale.get("coordinateSystems"))]
        name = names[0] if names else systems[0].name
        metadata.intrinsic = attrs.evolve({system.name: system for system in systems}[name], axes=())
        metadata.others = [system for system in systems if system.name != name]
        metadata.edges = [Edge.parse(each) for each in entries_of(multiscale.get("coordinateTransformations"))]
        return metadata

    def multiscale(
        self, axes: list[Document], datasets: Sequence[Mapping[str, Any]], name: str, **optional: Any
    ) -> Document:
        document = super().multiscale(axes, [_led(dict(dataset)) for dataset in datasets], name, **optional)
        (multiscale,) = document["multiscales"]
        system = {"name": "physical", "axes": multiscale.pop("axes")}
        return {"multiscales": [{"name": multiscale.pop("name"), "coordinateSystems": [system], **multiscale}]}


def _led(dataset: Document) -> Document:
    """Wrap the transformations of a level, as 0.5 has them, into one that leads to the intrinsic system."""
    steps = dataset.get("coordinateTransformations")
    if not isinstance(steps, (list, tuple)) or not steps or any("output" in step for step in steps):
        return dataset
    ends = {"input": {"path": dataset.get("path")}, "output": {"name": "physical"}}
    one = dict(steps[0]) if len(steps) == 1 else {"type": "sequence", "transformations": [dict(step) for step in steps]}
    return {**dataset, "coordinateTransformations": [{**one, **ends}]}
