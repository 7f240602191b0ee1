"""The classes of ome-zarr 0.18, thin ones over ours: `from ome_ngff.compat import OMEZarrImage, OMEZarrMultiscale`.

What they write differs from what ome-zarr writes as the page on migrating says; `open_image` and `write_image` do more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .exceptions import OptionError
from .image import Multiscales, NgffImage, to_multiscales
from .read import open_image
from .spec import Axes, decode_omero, encode_omero
from .store import find_target, opened
from .text import warn
from .write import to_ngff_zarr
from .writer import add_metadata, write_image, write_labels


def _as_dask(data: Any) -> Any:
    import dask.array as da

    return data if isinstance(data, da.Array) else da.from_array(data)


def _names(axes: Sequence[str]) -> list[str]:
    return list(axes)


@attrs.define(eq=False)
class OMEZarrImage:
    """Hold an array with its axes; those that `scale` leaves out have 1."""

    data: Any = attrs.field(converter=_as_dask)
    axes: Sequence[str] = attrs.field(converter=_names)
    scale: Mapping[str, float] | None = None
    axes_units: Mapping[str, str | None] | None = None
    name: str = "image"

    def __attrs_post_init__(self) -> None:
        sizes = Axes(self.axes, ndim=self.data.ndim).vector(self.scale, 1.0, "scale")
        self.scale = dict(zip(self.axes, sizes, strict=True))

    def to_ngff_image(self, **more: Any) -> NgffImage:
        """Return the image as ours."""
        units = {name: unit for name, unit in (self.axes_units or {}).items() if unit}
        return NgffImage(self.data, tuple(self.axes), dict(self.scale or {}), None, self.name, units or None, **more)


class _Said(dict[str, Any]):
    """A part of a document, which scripts ask for as they do for the models of pydantic."""

    model_dump = dict.copy

    def __getattr__(self, name: str) -> Any:
        found = self.get(name, self.get(name.replace("_", "-"), self))
        if found is self:
            raise AttributeError(f"There is no {name}; there are {', '.join(self)}.")
        if isinstance(found, list):
            return [_Said(part) if isinstance(part, Mapping) else part for part in found]
        return _Said(found) if isinstance(found, Mapping) else found


class _Pyramid:
    """Hold a pyramid: `multiscales` is ours; `given` is what it was made of, None where it was opened."""

    multiscales: Multiscales
    given: dict[str, Any] | None
    name: str
    omero: Any = None
    image_label: Any = None
    labels: Any = None

    def _make(self, image: NgffImage, scale_factors: Any, method: Any) -> None:
        factors = [
            f if isinstance(f, Mapping) else {name: f for name in image.dims if name in "yx"}
            for f in scale_factors or (2, 4, 8, 16)
        ]
        self.multiscales, self.name = to_multiscales(image, factors, method), image.name
        self.given = {"scale_factors": factors, "method": method}

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("omero", "image_label") and isinstance(value, Mapping):
            value = _Said(value.get(name.replace("_", "-"), value))
        if name == "labels" and isinstance(value, (OMEZarrLabels, list, tuple)):
            value = {label.name: label for label in ([value] if isinstance(value, OMEZarrLabels) else value)}
        super().__setattr__(name, value)

    @property
    def images(self) -> list[OMEZarrImage]:
        """The levels, the largest first."""
        return [OMEZarrImage(i.data, i.dims, i.scale, i.axes_units, i.name) for i in self.multiscales.images]

    @property
    def metadata(self) -> Any:
        """What is said of the levels."""
        return self.multiscales.metadata

    @classmethod
    def from_ome_zarr(cls, group: Any) -> Any:
        """Open an image or a label image at a path, a URL or in a group."""
        return _opened(open_image(group))

    def to_ome_zarr(
        self,
        group: Any,
        storage_options: Any = None,
        version: str = "0.5",
        compute: bool = True,
        overwrite: bool = False,
    ) -> list[Any]:
        """Write the image and its labels; where an image is there already, only the labels that it does not have."""
        return self._write(group, version, overwrite, storage_options=storage_options, compute=compute)

    def _write(self, group: Any, version: str, overwrite: bool, **words: Any) -> list[Any]:
        if self.given is not None:
            image, words = self.multiscales.images[0], {**self.given, "name": self.name, **words}
            return write_image(image, group, fmt=version, overwrite=overwrite, **words)
        if words.pop("storage_options") is not None:
            raise OptionError("A pyramid that was opened is written with its own chunks; leave out storage_options.")
        omero = words.pop("omero", None)
        metadata = attrs.evolve(self.metadata, omero=decode_omero(omero) if omero else self.metadata.omero)
        alone = attrs.evolve(self.multiscales, labels={}, metadata=metadata)
        return to_ngff_zarr(group, alone, version, overwrite=overwrite, **words)


class OMEZarrMultiscale(_Pyramid):
    """Make a pyramid of an image; the arguments are those of ome-zarr, but for `coordinateTransformations`."""

    def __init__(
        self,
        image: OMEZarrImage,
        scale_factors: Any = None,
        method: Any = "resize",
        coordinateTransformations: None = None,
        labels: Any = None,
        channel_names: Sequence[str] | None = None,
        channel_colors: Sequence[Any] | None = None,
        contrast_limits: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        if coordinateTransformations is not None:
            raise OptionError("coordinateTransformations are not taken here; they follow from the scale of the image.")
        colors = [c.lstrip("#") if isinstance(c, str) else bytes(c[:3]).hex() for c in channel_colors or ()]
        known = {"channel_names": channel_names, "channel_colors": colors or None, "channel_windows": contrast_limits}
        self._make(image.to_ngff_image(**known), scale_factors, method or "resize")
        self.labels = labels

    def _write(self, group: Any, version: str, overwrite: bool, **words: Any) -> list[Any]:
        tasks, target = [], find_target(opened(group, None))
        if not target.is_image or overwrite:
            tasks = super()._write(group, version, overwrite, omero=self.omero, **words)
        listed = find_target(opened(group, None)).child("labels")
        for name, label in (self.labels or {}).items():
            if not listed.child(name).is_image:
                tasks += label._write_below(group, name, words)
            elif label.given is not None:
                warn(f"{group} has the labels {name!r} already, which stay; overwrite=True replaces all.")
        return tasks


class OMEZarrLabels(_Pyramid):
    """Make a pyramid of labels; `auto_parse_labels` gives each value a colour when they are written."""

    def __init__(
        self, image: OMEZarrImage, scale_factors: Any = None, method: Any = "nearest", auto_parse_labels: bool = True
    ) -> None:
        self._make(image.to_ngff_image(), scale_factors, method or "nearest")
        self.auto = auto_parse_labels

    def _write(self, group: Any, version: str, overwrite: bool, **words: Any) -> list[Any]:
        tasks = super()._write(group, version, overwrite, omero=False, **words)
        if words["compute"]:
            add_metadata(group, {"image-label": dict(self.image_label or {})})
        return tasks

    def _write_below(self, group: Any, name: str, words: Mapping[str, Any]) -> list[Any]:
        image, said = self.multiscales.images[0], self.image_label
        how: dict[str, Any] = {"label_metadata": dict(said)} if said else {"colors": "auto" if self.auto else None}
        how["method"] = (self.given or {}).get("method", "nearest")  # the levels are those of the image
        return write_labels(image.data, group, name, axes=image.dims, scale=image.scale, **how, **words)


def _opened(found: Multiscales) -> Any:
    made: Any = object.__new__(OMEZarrMultiscale if found.image_label is None else OMEZarrLabels)
    made.multiscales, made.given, made.name, made.auto = found, None, found.metadata.name, False
    made.omero = found.metadata.omero and encode_omero(found.metadata.omero)
    made.image_label = found.image_label
    made.labels = {name: _opened(label) for name, label in found.labels.items()} or None
    return made
