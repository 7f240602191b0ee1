"""A pyramid of images in physical space: a value; what touches a disk is called late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import attrs

from ..exceptions import MissingError, NgffError
from ..pixels import Level, Methods
from ..show import Preview, Viewer
from ..spec import CoordinateSystem, Edge, Metadata, decode_colors, decode_properties
from ..text import by, cut, listed, show
from .patches import Patches, lies_on
from .selection import part, pixels_of, selected
from .values import NgffImage

_MOST_LEVELS = 12  # that are shown


@attrs.define(eq=False, repr=False)
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
    labels: Mapping[str, Multiscales] = attrs.field(factory=dict)
    attributes: dict[str, Any] = attrs.field(factory=dict)
    image_label: dict[str, Any] | None = attrs.field(default=None)
    levels: tuple[Level, ...] = attrs.field(default=())
    made: list[Any] = attrs.field(factory=list)
    source: Any = attrs.field(default=None)
    uncached: Callable[[], Multiscales] | None = attrs.field(default=None)

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
    def colors(self) -> dict[int, tuple[float, ...]]:
        """Colours of a label image by label value, as (r, g, b, a) from 0 to 255."""
        return decode_colors(self.image_label)

    @property
    def properties(self) -> dict[int, dict[str, Any]]:
        """Properties of a label image by label value."""
        return decode_properties(self.image_label)

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

        Each level is a dataset with one variable, named like the image (`image` where a variable of a tree cannot have
        that name), whose coordinates are positions in space.

        Raises:
            ImportError: xarray is not installed.
        """
        import xarray

        own = self.images[0].name
        name = "image" if not own or "/" in own or own in self.images[0].dims else own
        found = {f"scale{k}": image.to_xarray().to_dataset(name=name) for k, image in enumerate(self.images)}
        tree = xarray.DataTree.from_dict(found, name=name)
        for label, labels in self.labels.items():
            for scale, child in labels.to_datatree().children.items():
                tree[f"labels/{label}/{scale}"] = child.copy()
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
                side, or a coarser one where more than 512 MiB would be read, shown with 512 to 1023 pixels; where
                that is none, only the plane in the middle.
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

    def _named(self) -> dict[str, str]:
        """Return what is known besides the levels: how they were made, label images."""
        facts = {} if self.method is None else {"method": self.method.value}
        with suppress(NgffError, OSError):  # of a store that is gone or broken
            names = list(getattr(self.labels, "at_hand", self.labels))
            facts |= {"labels": listed(names, comma=", ")} if names else {}
        return facts

    def __repr__(self) -> str:
        first = self.images[0]
        version, dims = self.metadata.version, ",".join(first.dims)
        lines = [f"<Multiscales {show(first.name[:40])}: OME-Zarr {version}, {first.data.dtype} over {dims}"]
        for number, image in enumerate(self.images[:_MOST_LEVELS]):
            said = image.facts()
            parts = [by(image.data.shape)]
            parts += [f"{name} {said[name]}" for name in ("chunks", "pixel size") if name in said]
            lines.append(cut(f"  level {number}: {'; '.join(parts)}", 100))
        if len(self.images) > _MOST_LEVELS:
            lines.append(f"  and {len(self.images) - _MOST_LEVELS} more levels")
        known = {"channels": first.facts().get("channels", ""), **self._named()}
        lines += [cut(f"  {name}: {said}", 100) for name, said in known.items() if said]
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        from ..show import as_html

        levels = listed([by(image.data.shape) for image in self.images], _MOST_LEVELS, ", ")
        facts = {"levels": levels, **self.images[0].facts(), **self._named()}
        return as_html("Multiscales", facts, *self.images, labels=self.image_label)


NgffMultiscales = Multiscales  # its name in ngff-zarr
