"""The classes of ome-zarr, thin ones over ours: `from ome_ngff.compat import OMEZarrImage, OMEZarrMultiscale`.

What they write differs from what ome-zarr writes as the page on migrating says; `open_image` and `write_image` do more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from .exceptions import AxesError, OptionError
from .image import Multiscales, NgffImage, to_multiscales
from .pixels import as_dask
from .read import open_image
from .spec import Axes, decode_omero, encode_omero
from .store import find_target, opened
from .text import warn
from .write import to_ngff_zarr
from .writer import add_metadata, write_image, write_labels


def _names(axes: Iterable[str]) -> list[str]:
    return list(axes)


@attrs.define(eq=False)
class OMEZarrImage:
    """Hold an array with its axes; those that `scale` leaves out have 1, and `axes_types` are those of their names."""

    data: Any = attrs.field(converter=as_dask)
    axes: Sequence[str] = attrs.field(converter=_names)
    scale: Mapping[str, float] | None = None
    axes_units: Mapping[str, str | None] | None = None
    name: str = "image"
    axes_types: Mapping[str, str | None] | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        axes = Axes(self.axes, ndim=self.data.ndim)
        kinds = {axis.name: axis.type for axis in axes}
        for name, kind in (self.axes_types or {}).items():
            if kind not in (None, kinds.get(name)):
                raise AxesError(f"The axis {name!r} cannot be of type {kind!r}: types follow from names ({kinds}).")
        self.scale, self.axes_types = dict(zip(self.axes, axes.vector(self.scale, 1.0, "scale"), strict=True)), kinds

    def to_ngff_image(self, **more: Any) -> NgffImage:
        """Return the image as ours."""
        units = {name: unit for name, unit in (self.axes_units or {}).items() if unit}
        return NgffImage(self.data, tuple(self.axes), dict(self.scale or {}), None, self.name, units or None, **more)


class _Said(dict[str, Any]):
    """A part of a document, which scripts ask for as they do for the models of pydantic."""

    model_dump = dict.copy

    def __getattr__(self, name: str) -> Any:
        for key in (name, name.replace("_", "-")):
            if key in self:
                return _said(self[key])
        raise AttributeError(f"There is no {name}; there are {', '.join(self)}.")


def _said(value: Any) -> Any:
    if isinstance(value, list):
        return [_said(part) for part in value]
    return _Said(value) if isinstance(value, Mapping) else value


def _by_name(labels: Any) -> Any:
    labels = [labels] if isinstance(labels, OMEZarrLabels) else labels
    return {label.name: label for label in labels} if isinstance(labels, (list, tuple)) else labels


@attrs.define(eq=False)
class _Pyramid:
    """Hold a pyramid: `multiscales` is ours, made of `scale_factors` or opened; the rest is said of it."""

    multiscales: Multiscales
    omero: Any = attrs.field(default=None, converter=_said)
    image_label: Any = attrs.field(default=None, converter=_said)
    labels: Any = attrs.field(default=None, converter=_by_name)
    auto: bool = False

    @staticmethod
    def _made(image: NgffImage, scale_factors: Any, method: Any) -> Multiscales:
        plane = [name for name in image.dims if name in "yx"]
        factors = [f if isinstance(f, Mapping) else dict.fromkeys(plane, f) for f in scale_factors or (2, 4, 8, 16)]
        return to_multiscales(image, factors, method)

    @property
    def name(self) -> Any:
        """What the image is called."""
        return self.metadata.name

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
        words: dict[str, Any] = {"storage_options": storage_options, "compute": compute}
        only_labels = self.labels and not overwrite and find_target(opened(group, None)).is_image
        tasks = [] if only_labels else self._write(group, version, overwrite, self.omero, **words)
        listed = find_target(opened(group, None)).child("labels")
        for name, label in (self.labels or {}).items():
            if not listed.child(name).is_image:
                tasks += label._write_below(group, name, words)
            elif label.multiscales.scale_factors is not None:
                warn(f"{group} has the labels {name!r} already, which stay; overwrite=True replaces all.")
        return tasks

    def _write(self, group: Any, version: str, overwrite: bool, omero: Any, **words: Any) -> list[Any]:
        ours = self.multiscales
        if ours.scale_factors is not None:
            words.update(name=self.name, omero=omero, fmt=version, overwrite=overwrite)
            return write_image(ours.images[0], group, ours.scale_factors, method=ours.method, **words)
        if words.pop("storage_options") is not None:
            raise OptionError("A pyramid that was opened is written with its own chunks; leave out storage_options.")
        metadata = attrs.evolve(ours.metadata, omero=decode_omero(omero) if omero else ours.metadata.omero)
        return to_ngff_zarr(group, attrs.evolve(ours, labels={}, metadata=metadata), version, overwrite, **words)


class OMEZarrMultiscale(_Pyramid):
    """Make a pyramid of an image; the arguments are those of ome-zarr, but for those of coordinate systems."""

    def __init__(
        self, image: OMEZarrImage, scale_factors: Any = None, method: Any = "resize",
        coordinateTransformations: None = None, labels: Any = None, channel_names: Sequence[str] | None = None,
        channel_colors: Sequence[Any] | None = None, contrast_limits: Sequence[tuple[float, float]] | None = None, *,
        coordinate_transformations: None = None, coordinate_systems: None = None,
    ) -> None:  # fmt: skip
        if (coordinateTransformations, coordinate_transformations, coordinate_systems) != (None, None, None):
            raise OptionError(
                "Coordinate systems and transformations are not taken here: pixel sizes follow from the scale of the "
                "image, and what ome_ngff.spaces can say goes into the `metadata` of a Multiscales."
            )
        colors = [c.lstrip("#") if isinstance(c, str) else bytes(c[:3]).hex() for c in channel_colors or ()]
        known = {"channel_names": channel_names, "channel_colors": colors or None, "channel_windows": contrast_limits}
        super().__init__(self._made(image.to_ngff_image(**known), scale_factors, method or "resize"), labels=labels)


class OMEZarrLabels(_Pyramid):
    """Make a pyramid of labels; `auto_parse_labels` gives each value a colour when they are written."""

    def __init__(
        self, image: OMEZarrImage, scale_factors: Any = None, method: Any = "nearest", auto_parse_labels: bool = True
    ) -> None:
        made = self._made(image.to_ngff_image(), scale_factors, method or "nearest")
        super().__init__(made, auto=auto_parse_labels)

    def _write(self, group: Any, version: str, overwrite: bool, omero: Any, **words: Any) -> list[Any]:
        tasks = super()._write(group, version, overwrite, False, **words)
        if words["compute"]:
            add_metadata(group, {"image-label": dict(self.image_label or {})})
        return tasks

    def _write_below(self, group: Any, name: str, words: Mapping[str, Any]) -> list[Any]:
        image, said = self.multiscales.images[0], self.image_label
        how: dict[str, Any] = {"label_metadata": dict(said)} if said else {"colors": "auto" if self.auto else None}
        how["method"] = self.multiscales.method or "nearest"  # the levels are those of the image
        return write_labels(image.data, group, name, axes=image.dims, scale=image.scale, **how, **words)


def _opened(found: Multiscales) -> Any:
    made: Any = object.__new__(OMEZarrMultiscale if found.image_label is None else OMEZarrLabels)
    omero = encode_omero(found.metadata.omero) if found.metadata.omero else None
    labels = {name: _opened(label) for name, label in found.labels.items()}
    _Pyramid.__init__(made, found, omero, found.image_label, labels or None)
    return made
