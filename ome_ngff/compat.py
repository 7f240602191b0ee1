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
from .spec import Axes
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


class _Pyramid:
    """Hold a pyramid: `multiscales` is ours; `given` is what it was made of, None where it was opened."""

    multiscales: Multiscales
    given: dict[str, Any] | None
    name: str

    def _make(self, image: NgffImage, scale_factors: Any, method: Any) -> None:
        spatial = [name for name in image.dims if name in ("z", "y", "x")]
        factors = [f if isinstance(f, Mapping) else dict.fromkeys(spatial, f) for f in scale_factors or (2, 4, 8, 16)]
        self.multiscales, self.name = to_multiscales(image, factors, method), image.name
        self.given = {"scale_factors": factors, "method": method}

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


def _opened(found: Multiscales) -> Any:
    made: Any = object.__new__(OMEZarrMultiscale if found.image_label is None else OMEZarrLabels)
    made.multiscales, made.given, made.name, made.omero = found, None, found.metadata.name, found.metadata.omero
    made.image_label, made.auto = None if found.image_label is None else _Label(found.image_label), False
    made._labels = {name: _opened(label) for name, label in found.labels.items()} or None
    return made


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
        colors = [c.lstrip("#") if isinstance(c, str) else bytes(c[:3]).hex().upper() for c in channel_colors or ()]
        known = {"channel_names": channel_names, "channel_colors": colors or None, "channel_windows": contrast_limits}
        self._make(image.to_ngff_image(**known), scale_factors, method or "resize")
        self.omero: Any = None
        self.labels = labels

    @property
    def labels(self) -> dict[str, OMEZarrLabels] | None:
        """Label images by name; None where there are none."""
        return self._labels

    @labels.setter
    def labels(self, labels: Any) -> None:
        listed = [labels] if isinstance(labels, OMEZarrLabels) else labels
        self._labels = {label.name: label for label in listed} if isinstance(listed, (list, tuple)) else listed

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
        tasks, target = [], find_target(opened(group, None))
        if "multiscales" not in target.document or overwrite:
            omero = self.omero.get("omero", self.omero) if isinstance(self.omero, Mapping) else None
            tasks = _written(self, group, version, overwrite, omero=omero, **words)
        listed = find_target(opened(group, None)).child("labels")
        for name, label in (self.labels or {}).items():
            if "multiscales" not in listed.child(name).document:
                tasks += label._write_below(group, name, words)
            elif label.given is not None:
                warn(f"{group} has the labels {name!r} already, which stay; overwrite=True replaces all.")
        return tasks


class _Label(dict[str, Any]):
    """What is said of a label image, which scripts ask for as a dict by `model_dump()`."""

    model_dump = dict.copy


class OMEZarrLabels(_Pyramid):
    """Make a pyramid of labels; `auto_parse_labels` gives each value a colour when they are written."""

    def __init__(
        self, image: OMEZarrImage, scale_factors: Any = None, method: Any = "nearest", auto_parse_labels: bool = True
    ) -> None:
        self._make(image.to_ngff_image(), scale_factors, method or "nearest")
        self.image_label: Any = None
        self.auto = auto_parse_labels

    def to_ome_zarr(
        self,
        group: Any,
        storage_options: Any = None,
        version: str = "0.5",
        compute: bool = True,
        overwrite: bool = False,
    ) -> list[Any]:
        """Write the labels as an image of their own."""
        tasks = _written(self, group, version, overwrite, storage_options=storage_options, compute=compute, omero=False)
        if compute:
            add_metadata(group, {"image-label": self._said()})
        return tasks

    def _said(self) -> dict[str, Any]:
        said = dict(self.image_label or {})
        return dict(said.get("image-label", said))

    def _write_below(self, group: Any, name: str, words: Mapping[str, Any]) -> list[Any]:
        image, said = self.multiscales.images[0], self._said()
        how: dict[str, Any] = {"label_metadata": said} if said else {"colors": "auto" if self.auto else None}
        how["method"] = (self.given or {}).get("method", "nearest")  # the levels are those of the image
        return write_labels(image.data, group, name, axes=image.dims, scale=image.scale, **how, **words)


def _written(pyramid: _Pyramid, group: Any, version: str, overwrite: bool, **words: Any) -> list[Any]:
    if pyramid.given is None:
        if words.pop("storage_options", None) is not None:
            raise OptionError("A pyramid that was opened is written with its own chunks; leave out storage_options.")
        words.pop("omero", None)
        alone = attrs.evolve(pyramid.multiscales, labels={})
        return to_ngff_zarr(group, alone, version, overwrite=overwrite, **words)
    image = pyramid.multiscales.images[0]
    return write_image(image, group, fmt=version, name=pyramid.name, overwrite=overwrite, **pyramid.given, **words)
