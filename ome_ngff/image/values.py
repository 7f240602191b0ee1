"""The data model: an image in physical space, and a pyramid of them. Values only; nothing here touches a disk."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np

from ..exceptions import AxesError, MissingError, OptionError, ScaleError
from ..pixels import Level, Methods
from ..show import Preview, Viewer
from ..spec import (
    Axes,
    Axis,
    CoordinateSystem,
    Edge,
    Metadata,
    direction,
    entries,
    is_integer,
    is_list,
    parse_units,
)
from ..text import by, mapping_of, show
from .patches import Patches, lies_on
from .selection import part, pixels_of, selected


def _mapping(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else mapping_of(value, "What is said of axes")


def _directions(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else {name: direction(each) for name, each in value.items()}


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def check_channels(
    count: int, names: Sequence[str] | None, colors: Sequence[str] | None, windows: Sequence[Any] | None = None
) -> None:
    """Raise `AxesError` where there are more or fewer than channels, `OptionError` for what is none of these."""
    for what, given in (("channel_names", names), ("channel_colors", colors), ("channel_windows", windows)):
        if given is not None and (isinstance(given, str) or not isinstance(given, Sequence)):
            raise OptionError(f"{what} is a list with one for each channel (got {show(given)}).")
        if given and len(given) != count:
            raise AxesError(f"{what} has {len(given)} entries, but the image has {count} channels.")
    for name in names or ():
        if name is None or isinstance(name, bytes):
            raise OptionError(f"The name of a channel is a string (got {name!r}).")
    for color in colors or ():
        if not re.fullmatch("[0-9a-fA-F]{6}", str(color)):
            raise OptionError(f"A colour is RRGGBB, such as '00FF00' (got {color!r}).")
    for window in windows or ():
        try:
            low, high = map(float, window)
        except (TypeError, ValueError):
            low = high = math.nan
        if not -math.inf < low <= high < math.inf:
            raise OptionError(f"A window of values is two numbers, low and high, for each channel (got {window!r}).")


@attrs.define(eq=False, repr=False)
class NgffImage:
    """Hold an array and its place in physical space.

    Attributes:
        data: anything with `shape`, `dtype` and slicing: NumPy, dask, Zarr, h5py, a memory map.
        dims: name of each dimension, slowest first, such as `("c", "z", "y", "x")`.
        scale: pixel size per axis, in `axes_units` per pixel; an axis that is missing has 1.
        translation: position of the centre of the first pixel per axis, in `axes_units`; missing axes have 0.
        name: what the image is called.
        axes_units: UDUNITS-2 unit per axis, such as "micrometer".
        axes_orientations: direction in which an axis grows (RFC-4), a member of `AnatomicalOrientation`.
        channel_names: one name per channel.
        channel_colors: one "RRGGBB" per channel.
        computed_callbacks: called without arguments once the image has been written.
        given_dims: the dims in the order in which `to_ngff_image` got them, where that was another.
        channel_windows: the values, low and high, that each channel is shown between.
    """

    data: Any
    dims: tuple[str, ...] = attrs.field(converter=_names)
    scale: dict[str, float] | None = attrs.field(default=None, converter=_mapping)
    translation: dict[str, float] | None = attrs.field(default=None, converter=_mapping)
    name: str = "image"
    axes_units: dict[str, str] | None = None
    axes_orientations: dict[str, Any] | None = attrs.field(default=None, converter=_directions)
    channel_names: Sequence[str] | None = None
    channel_colors: Sequence[str] | None = None
    computed_callbacks: list[Callable[[], object]] = attrs.field(factory=list)
    given_dims: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    channel_windows: Sequence[tuple[float, float]] | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.dims) != self.data.ndim:
            raise AxesError(f"dims {self.dims} name {len(self.dims)} dimensions, but the data has {self.data.ndim}.")
        if self.axes_units is not None:
            self.axes_units = parse_units(self.axes_units, [Axis.parse({"name": name}) for name in self.dims])
        for what in ("scale", "translation", "axes_units", "axes_orientations"):
            for name in getattr(self, what) or ():
                if name not in self.dims:
                    raise AxesError(f"{what} names the axis {name!r}, but the dims are {','.join(self.dims)}.")

    @property
    def axes(self) -> Axes:
        """Axes with their units and orientation."""
        units, orientations = self.axes_units or {}, self.axes_orientations or {}
        return Axes(
            [{"name": d, "unit": units.get(d), "orientation": orientations.get(d)} for d in self.dims], lines=True
        )

    def check(self) -> None:
        """Raise where the image cannot be written as it is.

        Raises:
            ScaleError: a pixel size is not above zero. AxesError: there are not as many channel names or colours as
                channels. OptionError: a colour is not RRGGBB, or a window no two numbers.
        """
        for name, size in (self.scale or {}).items():
            if not size > 0:
                raise ScaleError(f"A pixel size is above zero (got {size!r} for {name}); turn the axis round instead.")
        count = self.data.shape[self.dims.index("c")] if "c" in self.dims else 1
        check_channels(count, self.channel_names, self.channel_colors, self.channel_windows)

    def facts(self) -> dict[str, str]:
        """Return what describes the image to a person: shape, dtype, chunks, pixel sizes, extent."""
        shape = self.data.shape
        facts = {
            "pixels": ", ".join(f"{name} {n}" for name, n in zip(self.dims, shape, strict=True)),
            "dtype": str(self.data.dtype),
        }
        chunks = getattr(self.data, "chunksize", None) or getattr(self.data, "chunks", None)
        if chunks:
            facts["chunks"] = by(chunks)
        sizes, extents = [], []
        for name, n in zip(self.dims, shape, strict=True):
            size, unit = (self.scale or {}).get(name, 1.0), (self.axes_units or {}).get(name)
            if size != 1.0 or unit:
                sizes.append(f"{name} {size:g}{f' {unit}' if unit else ''}")
                extents.append(f"{name} {size * n:g}{f' {unit}' if unit else ''}")
        if sizes:
            facts["pixel size"], facts["extent"] = ", ".join(sizes), ", ".join(extents)
        if self.channel_names:
            facts["channels"] = ", ".join(self.channel_names)
        return facts

    def to_xarray(self) -> Any:
        """Return an `xarray.DataArray` whose coordinates are positions in physical space.

        Raises:
            ImportError: xarray is not installed.
        """
        import xarray

        coords = {}
        for name, n in zip(self.dims, self.data.shape, strict=True):
            if name == "c" and self.channel_names and len(self.channel_names) == n:
                coords[name] = (name, list(self.channel_names))
                continue
            start, step = (self.translation or {}).get(name, 0.0), (self.scale or {}).get(name, 1.0)
            unit = (self.axes_units or {}).get(name)
            coords[name] = (name, start + step * np.arange(n), {"units": unit} if unit else {})  # type: ignore[assignment]
        return xarray.DataArray(self.data, coords, self.dims, self.name)

    def __repr__(self) -> str:
        return f"<NgffImage {self.name!r}: " + "; ".join(f"{k} {v}" for k, v in self.facts().items()) + ">"

    def _repr_html_(self) -> str:
        from ..show import as_html

        return as_html("NgffImage", self.facts(), self)


@attrs.define(eq=False)
class Multiscales:
    """Hold a pyramid: its levels, its metadata, and how it was made.

    Attributes:
        images: the levels, the largest first.
        metadata: what is written about them.
        scale_factors: as they were given to `to_multiscales`. method: how levels are made. chunks: by axis.
        labels: label images of this image, by name.
        attributes: attributes of the group that belong to others, kept as they are.
        image_label: colours, properties and source, where this is a label image; see `colors` and `properties`.
        levels: geometry of the levels that `to_multiscales` made. made: the lazy arrays that it made.
        source: level 0 before it was cut into blocks. uncached: makes the pyramid anew, without the cache.
    """

    images: list[NgffImage]
    metadata: Metadata
    scale_factors: Sequence[Any] | None = None
    method: Methods | None = None
    chunks: dict[str, int] | None = None
    labels: Mapping[str, Multiscales] = attrs.field(factory=dict, repr=False)
    attributes: dict[str, Any] = attrs.field(factory=dict, repr=False)
    image_label: dict[str, Any] | None = attrs.field(default=None, repr=False)
    levels: tuple[Level, ...] = attrs.field(default=(), repr=False)
    made: list[Any] = attrs.field(factory=list, repr=False)
    source: Any = attrs.field(default=None, repr=False)
    uncached: Callable[[], Multiscales] | None = attrs.field(default=None, repr=False)

    @property
    def systems(self) -> list[CoordinateSystem]:
        """Coordinate systems, the intrinsic one first: that of the pixel sizes and positions of `images`."""
        return self.metadata.systems

    @property
    def transformations(self) -> list[Edge]:
        """Transformations that lead from the intrinsic coordinate system to others, and to those of label images."""
        return self.metadata.edges

    def transform(self, points: Any, source: Any, target: Any) -> Any:
        """Return points of one coordinate system as points of another, by the shortest way.

        Args:
            points: an array of shape (..., number of axes); component k belongs to axis k.
            source, target: names of coordinate systems, such as "physical"; or paths of levels, such as "0", whose
                pixels are counted from 0, at their centres.

        Raises:
            SpaceError: there is no such system, no way, or the points do not fit.
        """
        return self.metadata.graph.transform(points, source, target)

    @property
    def colors(self) -> dict[int, tuple[int, ...]]:
        """Colours of a label image by label value, as (r, g, b, a) from 0 to 255."""
        return {
            value: tuple(entry["rgba"]) for value, entry in self._annotation("colors") if is_list(entry.get("rgba"))
        }

    @property
    def properties(self) -> dict[int, dict[str, Any]]:
        """Properties of a label image by label value."""
        found = self._annotation("properties")
        return {value: {k: v for k, v in entry.items() if k != "label-value"} for value, entry in found}

    def _annotation(self, key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield what `image_label` lists, as far as it can be understood."""
        for _, entry in entries((self.image_label or {}).get(key), key):
            if is_integer(entry.get("label-value")):
                yield entry["label-value"], entry

    def pixels(self, number: int) -> Any:
        """Return what a level is written from."""
        data = self.images[number].data
        return self.source if number == 0 and self.made and data is self.made[0] else data

    def forget_cache(self) -> None:
        """Make the levels of the source itself again; the pixels that were cached go once nobody holds them."""
        if self.uncached is None:
            return
        new = self.uncached()
        for image, old, lazy in zip(self.images, self.made, new.made, strict=False):
            image.data = lazy if image.data is old else image.data
        self.made, self.source, self.uncached = new.made, new.source, None

    def given(self) -> set[int]:
        """Return the numbers of the levels whose pixels have to be written as they are.

        The engine makes a level anew, out of the one before it, only where nobody has put other pixels into it or into
        one that it is made from.
        """
        own = [k < len(self.made) and image.data is self.made[k] for k, image in enumerate(self.images)]
        found = {0}
        for k, level in enumerate(self.levels[: len(self.images)]):
            if not own[k] or not own[0] or (k and level.parent in found - {0}):
                found.add(k)
        return found | set(range(len(self.levels), len(self.images)))

    def read(self, *, resolution: float | None = None, level: int | None = None, **region: Any) -> NgffImage:
        """Read a part of the image, such as `read(x=(10, 60), z=5.0, c="DAPI", resolution=0.5)`, by all cores.

        Args:
            resolution: pixel size along y and x that is needed, in the units of the image: the coarsest level is read
                whose pixels are at most so large. level: the number of a level instead; 0, the finest, by default.
            region: by axis, in the units of the image: an interval [from, to) as a tuple, for all pixels whose centres
                lie in it, None for an end of the image; or a number, for the nearest pixel. Channels are counted, or
                named. Axes left out are whole.

        Returns:
            The image of that part, all its axes kept, with its pixels as NumPy and with its own translation.

        Raises:
            OptionError: the region reaches beyond the image, holds no pixel, or is not understood.
            ScaleError: no level is as fine. StoreError: a chunk cannot be read.
        """
        image, box = selected(self.images, region, resolution, level)
        found: NgffImage = part(image, box, pixels_of(image.data, box))
        return found

    def patches(
        self,
        size: Any,
        *,
        seed: int | None = None,
        count: int | None = None,
        labels: str | None = None,
        resolution: float | None = None,
        level: int | None = None,
        **region: Any,
    ) -> Patches:
        """Cut the image into patches for training or for inference, read when they are asked for.

        What is returned can be pickled and read by any process, forked or spawned: a dataset of PyTorch as it is.

        Args:
            size: pixels of a patch: an int for the spatial axes, one per axis, or a dict; axes left out are whole.
            seed: patches lie at random, and for one seed at the same places. None: they tile the image, in order; what
                is left at its end is in patches that overlap their neighbours.
            count: how many; as many as tile the image by default. labels: a label image that is read along with it.
            resolution, level, region: where patches are taken from, as in `read`.

        Returns:
            A sequence of arrays of NumPy; of pairs (image, labels) where labels are named.

        Raises:
            OptionError, ScaleError: see `read`. ChunkError: the size is not understood.
            MissingError: there are no such labels, or none that lie on the pixels of the level.
        """
        image, box = selected(self.images, region, resolution, level)
        return Patches.of(image, box, size, seed, count, None if labels is None else self._labels_on(labels, image))

    def to_ome_zarr(self, group: Any, *args: Any, **words: Any) -> list[Any]:
        """Write the pyramid, as `to_ngff_zarr(group, multiscales, ...)` does."""
        from ..write import to_ngff_zarr

        return to_ngff_zarr(group, self, *args, **words)

    def _labels_on(self, name: str, image: NgffImage) -> NgffImage:
        """Return the level of a label image whose pixels lie on those of a level of this image."""
        if name not in self.labels:
            raise MissingError(f"There are no labels {name!r}; there are {', '.join(self.labels) or 'none'}.")
        for found in self.labels[name].images:
            if lies_on(found, image):
                return found
        raise MissingError(f"The labels {name!r} have no level with the pixels of {by(image.data.shape)} of the image.")

    def to_datatree(self) -> Any:
        """Return an `xarray.DataTree`: the levels as `scale0`, `scale1`, ... and those of labels below `labels/<name>`.

        Each level is a dataset with one variable, named like the image, whose coordinates are positions in space.

        Raises:
            ImportError: xarray is not installed.
        """
        import xarray

        found = {f"scale{k}": image.to_xarray().to_dataset(name=image.name) for k, image in enumerate(self.images)}
        tree = xarray.DataTree.from_dict(found, name=self.images[0].name)
        for name, labels in self.labels.items():
            for scale, child in labels.to_datatree().children.items():
                tree[f"labels/{name}/{scale}"] = child.copy()
        return tree

    def preview(
        self,
        labels: str | Sequence[str] = (),
        *,
        level: int | None = None,
        channels: Sequence[int | str] | None = None,
        projection: Literal["max", "middle"] = "max",
        time: int = 0,
        fill: bool = False,
        bar: bool = True,
    ) -> Preview:
        """Make a picture: channels in their colours, labels on top, a scale bar.

        Contrast is that of `omero`, else the 0.1th to 99.9th percentile of what is seen.

        Args:
            labels: names of label images; their objects are outlined.
            level: number of the level, shown pixel by pixel. None: the coarsest that has 512 pixels along its longer
                side, or a coarser one where more than 512 MiB would be read, shown with 512 to 1023 pixels.
            channels: names or numbers. None: those that are active in `omero`, six at most.
            projection: along z, "max" for the brightest of all planes, "middle" for the plane in the middle.
            time: number of the time point. fill: whether labels are filled, too. bar: whether there is a scale bar.

        Returns:
            A picture that notebooks show: `.save("a.png")` writes it, `.pixels` has it as an array.

        Raises:
            MissingError: there is no such level, time point or label image. OptionError: there is no such channel.
            LabelError: labels are not integers. InputError: there is no picture of it, or it would be too large.
        """
        from ..show import look

        view = look(self, labels, level=level, channels=channels, projection=projection, time=time, fill=fill, bar=bar)
        return view.paint()

    def view(self, labels: str | Sequence[str] | None = None, *, port: int = 0) -> Viewer:
        """Serve the image to a browser on this machine, in neuroglancer; needs the extra `view`, but no network.

        Channels have their colours and contrast from `omero`, else as in `preview`, and labels their colours.

        Args:
            labels: names of label images. None: all of them. port: of this machine; 0 takes any that is free.

        Returns:
            A page that notebooks show; `.open()` shows it in the browser, `.url` is its address, `.close()` ends it.

        Raises:
            MissingError: neuroglancer is not installed, or there is no such label image.
            InputError: there is no picture of it. OptionError: the port cannot be used.
        """
        from ..show import serve

        return serve(self, labels, port)

    def _repr_html_(self) -> str:
        from ..show import as_html

        facts = {"levels": ", ".join(by(image.data.shape) for image in self.images), **self.images[0].facts()}
        if self.method is not None:
            facts["method"] = self.method.value
        return as_html("Multiscales", facts, self.images[0], self.images[-1])


NgffMultiscales = Multiscales  # its name in ngff-zarr
