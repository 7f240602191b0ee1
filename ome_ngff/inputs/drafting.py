"""From what is given to what would be converted: what is opened, and what options say in place of the file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..exceptions import ExistsError, NgffError, OptionError
from ..image import PIXEL, Lattice, NgffImage, lazy_part
from ..spec import parse_numbers, parse_units
from ..store import Layout, Target, attributes_now, find_target, is_elsewhere, readable
from ..text import listed
from ..write import Rendering, carrying, image_request, is_hierarchy
from .conversion import Collection, Copy, DraftedImage, with_spaces
from .open import images_in, open_input
from .originals import Original
from .spelling import parse_region
from .zarr_store import SourceImage

_AS_IT_IS = {"method": "resize", "omero": True, "labels": True, "unit": PIXEL}


def copied(source: str | os.PathLike[str], output: Any, given: Mapping[str, Any]) -> Copy | None:
    """Return the upload of a finished hierarchy to an object store, where nothing is said of how it is to be."""
    plain = (value is None or (word in _AS_IT_IS and value == _AS_IT_IS[word]) for word, value in given.items())
    if not all(plain):
        return None
    try:
        if not is_elsewhere(output) or os.fspath(source).startswith("http"):  # where nothing is listed
            return None
        found = find_target(readable(source))
    except (NgffError, OSError):  # another input, or another way to say what is wrong with it
        return None
    return Copy(os.fspath(source), output, found) if is_hierarchy(found) else None


def drafted(
    source: str | os.PathLike[str],
    output: Any,
    *,
    series: int | str | None = None,
    axes: str | Sequence[str] | None = None,
    omero: bool = True,
    labels: bool = True,
    resume: bool = False,
    **given: Any,
) -> DraftedImage | Collection:
    """Open a source and parse its conversion, without touching the disk; the arguments are those of `convert`."""
    words: dict[str, Any] = {"omero": omero, "labels": labels, "resume": resume, **given}
    if series != "all":
        image = open_input(source, series=series, axes=axes)
        return drafted_image(image, os.fspath(source), output, Original.of(os.fspath(source), image, series), **words)
    target = find_target(output, given.get("fmt"))
    _refuse_folder_of_others(target)
    above = attrs.evolve(target, package=None)
    if target.mark is not None or {"multiscales", "plate", "well"} & target.document.keys():
        raise ExistsError(f"{target} is an image, a plate or a well; a collection of images needs a group of its own.")
    drafts: list[DraftedImage] = []
    first: Original | None = None
    for number, each in enumerate(images_in(source)):
        image, place = each.open(axes), f"{os.fspath(source)}::{each.inner}" if each.inner else os.fspath(source)
        if first is None or SourceImage.of(image) is not None:
            original = first = Original.of(place, image, each.series)
        else:  # the headers of the file are read once
            here = {"inside": each.inner} if each.inner else {"series": str(each.series)}
            original = attrs.evolve(first, source={**first.source, **here})
        alone = attrs.evolve(original, ome_xml="")
        drafts.append(drafted_image(image, place, above.child(str(number)), alone, **words))
    return Collection(os.fspath(source), output, target, drafts, first.ome_xml.encode() if first else b"")


def drafted_image(
    opened: NgffImage,
    source: str,
    output: Any,
    original: Original,
    *,
    omero: bool,
    labels: bool,
    resume: bool,
    region: Any = None,
    unit: Any = PIXEL,
    verify: bool = False,
    **given: Any,
) -> DraftedImage:
    """Parse the conversion of an image that is open; the arguments are those of `convert`."""
    said = {word: given.pop(word, None) for word in ("scale", "translation", "axes_units", "name")}
    storage = {word: given.pop(word, None) for word in ("chunks", "shards", "compression")}
    image = adjusted(opened, **said)
    stored, box, shape = SourceImage.of(image), None, tuple(image.data.shape)
    if region is not None:
        if verify:
            raise OptionError("verify=True compares whole images; leave it out, or the region.")
        box = Lattice.of(image).box(parse_region(region) if isinstance(region, str) else region, unit)
        image = lazy_part(image, box)
    request = image_request(
        image.data, output, axes=image.axes, scale=image.scale, translation=image.translation, name=image.name,
        layout=Layout.parse(**storage), resume=resume, omero=False, **given,
    )  # fmt: skip
    _refuse_folder_of_others(request.target)
    if omero:
        parts = "c" in image.dims and image.data.shape[image.dims.index("c")] < shape[image.dims.index("c")]
        known = None if stored is None or parts else stored.metadata.omero  # that of parts is what the image knows
        request = attrs.evolve(request, measured=Rendering.of(image, known))
    request = attrs.evolve(request, **original.request())
    if stored is not None:
        request = with_spaces(request, stored, labels=labels)
    request, fields = carrying(request)
    ends = None if box is None else dict(zip(image.dims, box, strict=True))
    whole = dict(zip(image.dims, shape, strict=True))
    return DraftedImage(source, output, image, request, stored if labels else None, storage, ends, whole, fields)


def _refuse_folder_of_others(target: Target) -> None:
    """Raise `ExistsError` for a folder with files of others, which was meant as the place for an image, not as one."""
    if target.attributes is None and target.folder is not None and target.package is None and target.folder.is_dir():
        others = sorted(
            name for name in os.listdir(target.folder) if not name.startswith(".") and not name.endswith(".partial")
        )
        if others and attributes_now(target) is None:  # nor has another process just begun
            raise ExistsError(
                f"{target} is a folder that holds {listed(others, 3, ', ')}; name the image that goes into it, such as "
                f"{os.path.join(str(target), 'image.ome.zarr')}."
            )


def adjusted(
    image: NgffImage, *, scale: Any = None, translation: Any = None, axes_units: Any = None, name: str | None = None
) -> NgffImage:
    """Let each option that is given win over the file, axis by axis.

    Args:
        image: what the file says.
        scale, translation: a number for all spatial axes, a list with one per axis, or a dict.
        axes_units: a unit for all spatial axes, or for time; one per axis, or a dict.
        name: name of the image.

    Raises:
        AxesError: a list that is not as long as there are axes, or a unit that none of them can have.
    """
    return attrs.evolve(
        image,
        scale=_with(image, image.scale, scale, "scale"),
        translation=_with(image, image.translation, translation, "translation"),
        axes_units={**(image.axes_units or {}), **parse_units(axes_units, image.axes)},
        name=image.name if name is None else name,
    )


def _with(image: NgffImage, known: dict[str, float] | None, given: Any, what: str) -> dict[str, float]:
    return {**(known or {}), **parse_numbers(given, image.axes, what)}
