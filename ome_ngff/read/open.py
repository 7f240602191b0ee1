"""`open_image`: a lazy `Multiscales` of any OME-Zarr, local or remote, ours or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zarr.storage import MemoryStore, StorePath, ZipStore

from ..exceptions import ExistsError, FormatError, InputError, MethodError
from ..image import Multiscales, NgffImage
from ..pixels import Methods, blocks_of
from ..spec import Edge, Unknown, format_from_version, label_names
from ..store import Target, find_target, readable
from ..text import mapping_of, warn
from .fields import with_parameters
from .stored import StoredImage, StoredLevel, document_of


def open_image(
    store: Any,
    validate: bool = False,
    version: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    *,
    store_options: Mapping[str, Any] | None = None,
) -> Multiscales:
    """Open an OME-Zarr image of 0.1 to 0.6, lazily.

    Args:
        store: a path, a URL, a zip file, a mapping, a Zarr group or store.
        validate: raise where the metadata breaks a MUST of the specification.
        version: the version that it has to be; None takes any.
        store_options: for the store behind a URL, as in `write_image`. storage_options: another name for them.

    Returns:
        The pyramid: one image per level as a lazy dask array, in physical space; labels by name in `labels`.

    Raises:
        MissingError: there is nothing, or a level is missing. IncompleteError: the image was never finished.
        InputError: it is not an OME-Zarr image. FormatError: it has another version, or is not understood.
        ValidationError: see `validate`.
    """
    options = mapping_of(storage_options, "storage_options") | mapping_of(store_options, "store_options")
    try:
        target = find_target(readable(store, options))
    except ExistsError as error:  # an array, such as a level
        raise InputError(str(error)) from None
    if validate:
        document_of(target)  # refuses what is not an image
        target.fmt.validate(target.attributes, "image")
    found = StoredImage.of(target)
    if version is not None and found.metadata.version != format_from_version(version).version:
        raise FormatError(f"{target} is OME-Zarr {found.metadata.version}, not {version}.")
    turned = {axis.name: axis.orientation for axis in found.metadata.axes if axis.type == "space"}
    if any(turned.values()) and not all(turned.values()):
        without = ",".join(name for name, orientation in turned.items() if orientation is None)
        warn(f"All space axes of {target} or none should have an orientation (there is none for {without}).")
    warn_of_unknown(found.metadata.edges, target)
    found.metadata.edges = [with_parameters(edge, target) for edge in found.metadata.edges]
    images = [level_image(found, k, _lazy(found.level(k))) for k in range(len(found.arrays))]
    if flat := [name for name, size in images[0].scale.items() if size == 0]:
        warn(f"{target} states a pixel size of 0 along {', '.join(flat)}, so that nothing can be measured there.")
    return Multiscales(
        images=images,
        metadata=found.metadata,
        method=_method(found.metadata.type),
        chunks=dict(zip(found.names, found.arrays[0].chunks, strict=True)),
        labels=Labels(target, found.metadata.name),
        attributes=target.fmt.strip(target.attributes or {}),
        image_label=found.image_label,
    )


def warn_of_unknown(edges: Iterable[Edge], target: Target) -> None:
    """Warn once of transformations that are not understood."""
    why = [f"{edge}: {edge.transformation.why}" for edge in edges if isinstance(edge.transformation, Unknown)]
    if why:
        warn(f"{target} has transformations that are not understood; they are kept, but never applied ({why[0]})")


def _lazy(array: StoredLevel) -> Any:
    import dask.array as da

    return da.from_array(array, chunks=blocks_of(array), asarray=False)


def level_image(found: StoredImage, number: int, data: Any) -> NgffImage:
    """Return a level in physical space, with the channels that are said, around its pixels."""
    metadata, names = found.metadata, found.names
    scale, translation = found.geometry(number)
    channels = metadata.omero.channels if metadata.omero else []
    labels, colors = [channel.label for channel in channels], [channel.color for channel in channels]
    return NgffImage(
        data,
        names,
        dict(zip(names, scale, strict=True)),
        dict(zip(names, translation, strict=True)),
        metadata.name,
        {axis.name: axis.unit for axis in metadata.axes if axis.unit} or None,
        {axis.name: axis.orientation for axis in metadata.axes if axis.orientation} or None,
        [str(label) for label in labels] if channels and None not in labels else None,
        [str(color) for color in colors] if channels and None not in colors else None,
    )


def _method(name: Any) -> Methods | None:
    try:
        return Methods(name)
    except MethodError:
        return None


class Labels(Mapping[str, Multiscales]):
    """Open the label images of an image by name, each when it is asked for."""

    def __init__(self, target: Target, image: str) -> None:
        self._target, self._image = target, image
        self._listed: list[str] | None = None

    @property
    def _names(self) -> list[str]:
        if self._listed is None:
            self._listed = label_names(self._target.child("labels").document)
        return self._listed

    def __getitem__(self, name: str) -> Multiscales:
        if name not in self._names:
            listed = ", ".join(self._names) or "none"
            raise KeyError(f"The image {self._image!r} has no labels {name!r}; it has {listed}.")
        return open_image(StorePath(self._target.store, self._target.key(f"labels/{name}")))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def at_hand(self) -> list[str]:
        """Names of the label images; none where a store elsewhere would have to be asked for them."""
        here = self._target.folder is not None or isinstance(self._target.store, (MemoryStore, ZipStore))
        return self._names if here or self._listed is not None else []

    def __repr__(self) -> str:
        return f"<labels: {', '.join(self._names) or 'none'}>"


from_ngff_zarr = open_image
from_ome_zarr = open_image
