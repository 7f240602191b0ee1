"""The metadata of an image as values that print readably, compare, and turn into the specification's JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .axes import Axis
from .space import Transformation, from_documents, to_documents


@attrs.define
class Dataset:
    """Name one level: where its array is, and how its pixels lie in space."""

    path: str
    coordinateTransformations: list[Transformation]


@attrs.define
class OmeroWindow:
    """Say which values are shown: from `start` (dark) to `end` (bright), of all that there are, `min` to `max`."""

    min: float
    max: float
    start: float
    end: float


@attrs.define
class OmeroChannel:
    """Say how a channel is shown. `extra` keeps the keys that this class does not know."""

    color: str
    window: OmeroWindow | None = None
    label: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.define
class Omero:
    """Say how the channels are shown."""

    channels: list[OmeroChannel]
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)


@attrs.define
class Metadata:
    """Describe a multi-resolution image.

    Attributes:
        axes: in the order of the dimensions.
        datasets: the levels, the largest first.
        coordinateTransformations: applied after those of every level; a writer puts everything into the levels.
        name: what the image is called. version: of OME-NGFF.
        omero: how its channels are shown.
        type: name of the downsampling method. metadata: how it was done.
        extra: keys of the document that this class does not know, kept as they are.
    """

    axes: list[Axis]
    datasets: list[Dataset]
    coordinateTransformations: list[Transformation] | None = None
    name: str = "image"
    version: str = "0.5"
    omero: Omero | None = attrs.field(default=None, repr=False)
    type: str | None = attrs.field(default=None, repr=False)
    metadata: dict[str, Any] | None = attrs.field(default=None, repr=False)
    extra: dict[str, Any] = attrs.field(factory=dict, repr=False)

    def to_multiscale(self) -> dict[str, Any]:
        """Return the entry of `multiscales`; the version and omero stand elsewhere, as the format has it."""
        document: dict[str, Any] = {
            "name": self.name,
            "axes": [axis.to_dict() for axis in self.axes],
            "datasets": [
                {"path": d.path, "coordinateTransformations": to_documents(d.coordinateTransformations)}
                for d in self.datasets
            ],
        }
        if self.coordinateTransformations:
            document["coordinateTransformations"] = to_documents(self.coordinateTransformations)
        for key in ("type", "metadata"):
            if getattr(self, key) is not None:
                document[key] = getattr(self, key)
        return {**document, **self.extra}

    @classmethod
    def from_multiscale(cls, multiscale: Mapping[str, Any], omero: Any, version: str) -> Metadata:
        """Take an entry of `multiscales` that has been found valid."""
        known = dict(multiscale)
        datasets = [
            Dataset(d["path"], from_documents(d.get("coordinateTransformations") or [])) for d in known.pop("datasets")
        ]
        shared = known.pop("coordinateTransformations", None)
        known.pop("version", None)
        return cls(
            axes=[Axis.parse(axis) for axis in known.pop("axes")],
            datasets=datasets,
            coordinateTransformations=from_documents(shared) if shared else None,
            name=known.pop("name", None) or "image",
            version=version,
            omero=parse_omero(omero),
            type=known.pop("type", None),
            metadata=known.pop("metadata", None),
            extra=known,
        )


def parse_omero(omero: Any) -> Omero | None:
    """Take an `omero` document, as far as it can be understood."""
    if not isinstance(omero, Mapping) or not isinstance(omero.get("channels"), Sequence):
        return None
    channels = []
    for channel in omero["channels"]:
        known = dict(channel) if isinstance(channel, Mapping) else {}
        window = known.pop("window", None)
        words: dict[str, Any] = {}
        if isinstance(window, Mapping):
            words = {k: window.get(k) for k in ("min", "max", "start", "end")}
        channels.append(
            OmeroChannel(
                color=str(known.pop("color", "FFFFFF")),
                window=OmeroWindow(**words) if words and None not in words.values() else None,
                label=known.pop("label", None),
                extra=known,
            )
        )
    return Omero(channels, {key: value for key, value in omero.items() if key != "channels"})


def omero_document(omero: Omero) -> dict[str, Any]:
    """Return the `omero` document."""
    channels = []
    for channel in omero.channels:
        document: dict[str, Any] = {"color": channel.color}
        if channel.window is not None:
            document["window"] = attrs.asdict(channel.window)
        if channel.label is not None:
            document["label"] = channel.label
        channels.append({**document, **channel.extra})
    return {"channels": channels, **omero.extra}
