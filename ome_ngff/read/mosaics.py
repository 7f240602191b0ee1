"""Images of a plate as one: an overview of its wells, a well stitched of its fields. Nothing is read but documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import attrs
from zarr.storage import StorePath

from ..config import config
from ..exceptions import MissingError, NgffError, OptionError
from ..image import Multiscales, NgffImage, montage, stitched
from ..pixels import blocks_of
from ..spec import Dataset, Field, Metadata, Omero, Plate, Scale, Translation, is_integer
from ..store import Target, find_target
from ..text import listed, show, warn
from .open import level_image
from .stored import StoredImage

T = TypeVar("T")


@attrs.frozen(eq=False)
class Overview:
    """Hold the wells of a plate side by side.

    Attributes:
        image: of all rows and columns; its one level is lazy, and read tile by tile. name: of the plate.
        rows, columns: names of all. filled: row and column, counted from 0, of the wells that are seen.
        level: which one of each image. text: what is seen, in words.
    """

    image: Multiscales
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    filled: frozenset[tuple[int, int]]
    level: int
    text: str


def overview_of(
    target: Target,
    plate: Plate,
    fields: dict[str, tuple[Field, ...]],
    level: int | Literal["auto"] = "auto",
    acquisition: int | None = None,
    field: int | str = 0,
) -> Overview:
    """Lay one field of each well into the rows and columns of the plate; see `StoredPlate.overview`."""
    if level != "auto" and not is_integer(level):
        raise OptionError(f"A level is 'auto' or a number (got {show(level)}).")
    chosen = {well: path for well, each in fields.items() if (path := _chosen(well, each, acquisition, field))}
    said = f"acquisition {acquisition}, " if acquisition is not None else ""
    if not chosen:
        raise MissingError(f"No well of {target} has the {said}field {field}.")
    found, broken = {}, []
    for well, image in zip(chosen, _at_once(lambda path: _opened(target, path), list(chosen.values())), strict=True):
        if isinstance(image, StoredImage):
            found[well] = image
        else:
            broken.append(f"{chosen[well]} ({image})")
    if not found:
        raise MissingError(f"No image of {target} can be opened: {broken[0]}")
    if broken:
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        warn(f"Images of {target} cannot be opened, and are not seen: {broken[0]}{more}")
    number = min(len(image.arrays) for image in found.values()) - 1 if level == "auto" else level
    at = [{name: i for i, name in enumerate(names)} for names in (plate.rows, plate.columns)]
    tiles = []
    for well, image in found.items():
        if not -len(image.arrays) <= number < len(image.arrays):
            raise MissingError(f"{well} has no level {number}; it has 0 to {len(image.arrays) - 1}.")
        row, column = (at[i][part] for i, part in enumerate(well.split("/")))
        tiles.append((row, column, level_image(image, number, image.level(number))))
    whole = montage(tiles, len(plate.rows), len(plate.columns), f"{plate.name or 'plate'}, overview")
    first = next(iter(found.values()))
    text = f"{plate.name or 'plate'}: {said}field {field}, level {number} of {len(tiles)} wells"
    filled = frozenset((row, column) for row, column, _ in tiles)
    omero = _omero([image.metadata.omero for image in found.values()])
    return Overview(_alone(whole, first.metadata, omero), plate.rows, plate.columns, filled, number, text)


def stitched_well(
    target: Target,
    path: str,
    fields: Sequence[Field],
    acquisition: int | None = None,
    overlap: Literal["last", "mean"] = "last",
) -> Multiscales:
    """Lay the fields of a well into one image; see `StoredPlate.stitch`."""
    paths = [f"{path}/{field.path}" for field in fields if acquisition in (None, field.acquisition)]
    if not paths:
        raise MissingError(f"The well {path} of {target} has no field of the acquisition {acquisition}.")
    several = sorted({field.acquisition for field in fields if field.acquisition is not None})
    if acquisition is None and len(several) > 1:
        raise OptionError(
            f"The well {path} of {target} has fields of acquisitions {listed(list(map(str, several)), 8, ', ')}, "
            "which lie one over the other; pass acquisition= to say of which."
        )
    found = _at_once(lambda place: StoredImage.of(find_target(StorePath(target.store, target.key(place)))), paths)
    images = [level_image(image, 0, image.level(0)) for image in found]
    whole = attrs.evolve(stitched(images, overlap, f"the well {path}"), name=f"{path}, stitched")
    return _alone(whole, found[0].metadata, _omero([image.metadata.omero for image in found]))


def _chosen(well: str, fields: Sequence[Field], acquisition: int | None, field: int | str) -> str | None:
    """Return the path of the field that is meant: of that name, or the one that is counted."""
    mine = [each.path for each in fields if acquisition in (None, each.acquisition)]
    if isinstance(field, str):
        return f"{well}/{field}" if field in mine else None
    return f"{well}/{mine[field]}" if -len(mine) <= field < len(mine) else None


def _at_once(function: Callable[[str], T], paths: Sequence[str]) -> list[T]:
    with ThreadPoolExecutor(config.workers) as pool:
        return list(pool.map(function, paths))


def _opened(target: Target, path: str) -> StoredImage | Exception:
    try:
        return StoredImage.of(find_target(StorePath(target.store, target.key(path))))
    except (NgffError, OSError) as error:
        return error


def _omero(said: Sequence[Omero | None]) -> Omero | None:
    """Return how the first is shown, with contrast that is the same for all: from the darkest to the brightest."""
    first = said[0]
    if first is None or any(omero is None or len(omero.channels) != len(first.channels) for omero in said):
        return None
    channels = []
    for k, channel in enumerate(first.channels):
        windows = [omero.channels[k].window for omero in said if omero is not None]
        ends = [window for window in windows if window is not None]
        if len(ends) < len(windows):
            return None
        window = attrs.evolve(
            ends[0],
            **{name: min(getattr(each, name) for each in ends) for name in ("min", "start")},
            **{name: max(getattr(each, name) for each in ends) for name in ("max", "end")},
        )
        channels.append(attrs.evolve(channel, window=window))
    kept = {key: value for key, value in first.extra.items() if key != "name"}
    return attrs.evolve(first, channels=channels, extra=kept)


def _alone(image: NgffImage, said: Metadata, omero: Omero | None) -> Multiscales:
    """Return a pyramid of one level, as a lazy dask array."""
    import dask.array as da

    mosaic = image.data
    lazy = da.from_array(mosaic, chunks=blocks_of(mosaic), asarray=False)
    scale, start = image.scale or {}, image.translation or {}
    steps: list[Any] = [
        Scale([scale.get(d, 1.0) for d in image.dims]),
        Translation([start.get(d, 0.0) for d in image.dims]),
    ]
    metadata = Metadata(list(said.axes), [Dataset("0", steps)], name=image.name, version=said.version, omero=omero)
    chunks = dict(zip(image.dims, mosaic.chunks, strict=True))
    return Multiscales([attrs.evolve(image, data=lazy)], metadata, chunks=chunks)
