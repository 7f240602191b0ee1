"""Stores to values: `open_image` gives a lazy `Multiscales` of any OME-Zarr, local or remote, ours or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import zarr

from ..exceptions import FormatError, IncompleteError, InputError, MethodError, MissingError, StoreError
from ..image import Multiscales, NgffImage
from ..pixels import Methods
from ..spec import Metadata, Scale, format_from_version, placed, stated_version
from ..store import Target, find_target, open_array, open_node, place, readable


def open_image(
    store: Any,
    validate: bool = False,
    version: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Multiscales:
    """Open an OME-Zarr image of 0.1 to 0.5, lazily.

    Args:
        store: a path, a URL, a zip file, a mapping, a Zarr group or store.
        validate: raise where the metadata breaks a MUST of the specification.
        version: the version that it has to be; None takes any.
        storage_options: for the file system behind a URL.

    Returns:
        The pyramid: one image per level as a lazy dask array, in physical space; labels by name in `labels`.

    Raises:
        MissingError: there is nothing, or a level is missing. IncompleteError: the image was never finished.
        InputError: it is no OME-Zarr image. FormatError: it has another version. ValidationError: see `validate`.
    """
    target = find_target(readable(store, storage_options))
    if target.attributes is None:
        raise MissingError(f"There is no OME-Zarr at {target}.")
    if target.mark is not None:
        raise IncompleteError(f"{target} is incomplete; finish it with resume=True.")
    document = target.document
    multiscales = document.get("multiscales")
    if not isinstance(multiscales, Sequence) or not multiscales or not isinstance(multiscales[0], Mapping):
        found = ", ".join(sorted(set(document) - {"version"})) or "no metadata of OME"
        raise InputError(f"{target} is no OME-Zarr image (it has {found}).")
    stated = stated_version(document) or target.fmt.version
    if version is not None and stated != format_from_version(version).version:
        raise FormatError(f"{target} is OME-Zarr {stated}, not {version}.")
    if validate:
        target.fmt.validate(target.attributes, "image")
    return _pyramid(target, document, dict(multiscales[0]), stated)


def _pyramid(target: Target, document: Mapping[str, Any], multiscale: dict[str, Any], version: str) -> Multiscales:
    """Open every level, and bring older metadata to the form of 0.4."""
    try:
        arrays = [StoredLevel.open(target, dataset["path"]) for dataset in multiscale["datasets"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"The datasets of {target} cannot be understood: {multiscale.get('datasets')!r}.") from error
    if not arrays:
        raise InputError(f"{target} names no level.")
    ndim = arrays[0].ndim
    multiscale.setdefault("axes", list("tczyx"[-ndim:]))  # before 0.3 axes were always t, c, z, y, x
    metadata = Metadata.from_multiscale(multiscale, document.get("omero"), version)
    if len(metadata.axes) != ndim:
        names = ",".join(axis.name for axis in metadata.axes)
        raise InputError(f"{target} names the axes {names}, but its arrays have {ndim} dimensions.")
    for dataset, array in zip(metadata.datasets, arrays, strict=True):
        if not dataset.coordinateTransformations:  # before 0.4 there were none
            ratios = [full / part for full, part in zip(arrays[0].shape, array.shape, strict=True)]
            dataset.coordinateTransformations = [Scale(ratios)]
    images = [_image(metadata, k, array) for k, array in enumerate(arrays)]
    return Multiscales(
        images=images,
        metadata=metadata,
        method=_method(metadata.type),
        chunks=dict(zip(images[0].dims, arrays[0].inner, strict=True)),
        labels=Labels(target, images[0].name),
        attributes=target.fmt.strip(target.attributes or {}),
        image_label=document.get("image-label"),
    )


def _image(metadata: Metadata, number: int, array: StoredLevel) -> NgffImage:
    import dask.array as da

    names = tuple(axis.name for axis in metadata.axes)
    parts = [metadata.datasets[number].coordinateTransformations, metadata.coordinateTransformations or []]
    try:
        scale, translation = placed(parts, array.ndim)
    except ValueError as error:
        raise InputError(f"The transformations of level {number} do not fit its {array.ndim} axes.") from error
    channels = metadata.omero.channels if metadata.omero else []
    labels = [channel.label for channel in channels]
    return NgffImage(
        da.from_array(array, chunks=array.chunks, asarray=False),
        names,
        dict(zip(names, scale, strict=True)),
        dict(zip(names, translation, strict=True)),
        metadata.name,
        {axis.name: axis.unit for axis in metadata.axes if axis.unit} or None,
        {axis.name: axis.orientation for axis in metadata.axes if axis.orientation} or None,
        [str(label) for label in labels] if channels and None not in labels else None,
        [channel.color for channel in channels] or None,
    )


def _method(name: Any) -> Methods | None:
    try:
        return Methods(name)
    except MethodError:
        return None


@attrs.frozen(eq=False)
class StoredLevel:
    """Read a stored array box by box, and say where a chunk cannot be read."""

    array: Any
    where: str

    @classmethod
    def open(cls, target: Target, path: str) -> StoredLevel:
        """Open the array of a level.

        Raises:
            MissingError: there is none. InputError: the path leaves the image.
        """
        if ".." in path.split("/") or path.startswith("/"):
            raise InputError(f"{target} names the level {path!r}, which lies outside of it.")
        where = place(target.store, target.key(path))
        try:
            return cls(open_array(target.store, target.key(path)), where)
        except Exception:  # once more, and slowly, to say what is there instead
            if isinstance(open_node(target.store, target.key(path)), zarr.Array):
                raise
        raise MissingError(f"{target} names the level {path!r}, but there is no array at {where}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the type of the pixels, in native byte order."""
        native: np.dtype[Any] = np.dtype(self.array.dtype).newbyteorder("=")
        return native

    @property
    def ndim(self) -> int:
        """Give the number of dimensions."""
        return len(self.array.shape)

    @property
    def inner(self) -> tuple[int, ...]:
        """Give the lengths of a chunk."""
        return tuple(self.array.chunks)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Give the lengths of what is best read whole: a shard, or a chunk."""
        return tuple(self.array.shards or self.array.chunks)

    @property
    def origin(self) -> Any:
        """Give the array that is read."""
        return self.array

    def __getitem__(self, box: Any) -> Any:
        try:
            return np.asarray(self.array[box]).astype(self.dtype, copy=False)
        except Exception as error:  # every codec and every file system has errors of its own
            raise StoreError(f"{self.where} cannot be read at {box}: {error}") from error


class Labels(Mapping[str, Multiscales]):
    """Open the label images of an image by name, each when it is asked for."""

    def __init__(self, target: Target, image: str) -> None:
        self._target, self._image = target, image
        self._listed: list[str] | None = None

    @property
    def _names(self) -> list[str]:
        if self._listed is None:
            names = self._target.child("labels").document.get("labels")
            self._listed = [n for n in names if isinstance(n, str)] if isinstance(names, Sequence) else []
        return self._listed

    def __getitem__(self, name: str) -> Multiscales:
        if name not in self._names:
            listed = ", ".join(self._names) or "none"
            raise KeyError(f"The image {self._image!r} has no labels {name!r}; it has {listed}.")
        return open_image(zarr.storage.StorePath(self._target.store, self._target.key(f"labels/{name}")))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<labels: {', '.join(self._names) or 'none'}>"


from_ngff_zarr = open_image
from_ome_zarr = open_image
