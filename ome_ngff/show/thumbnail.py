"""Small pictures for notebooks, made only where the pixels are at hand: nothing is computed, nothing is downloaded."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..exceptions import NgffError
from ..pixels import Source, as_source, describe, made_by
from ..spec import decode_colors
from ..store import is_local
from .contrast import channel_colors, channel_names, is_opacity, shown, windows_of
from .paint import blend, overlay
from .planes import pixel_size, stretches
from .preview import Preview
from .protocols import ImageLike

EDGE = 160  # pixels of the longer side
MOST_BYTES = 4 * 2**20  # that are decoded for it
MOST_CHANNELS = 6


def as_html(title: str, facts: Mapping[str, str], *images: ImageLike, labels: Mapping[str, Any] | None = None) -> str:
    """Lay out facts, and next to them the middle plane of the first of some images whose pixels are at hand.

    Label images are drawn in the colours that `labels`, their `image-label`, gives them.
    """
    shown = next(filter(None, (_element(image, labels) for image in images)), "")
    rows = "".join(
        f'<tr><th style="text-align: left">{html.escape(k)}</th><td style="text-align: left">{html.escape(v)}</td></tr>'
        for k, v in facts.items()
    )
    text = f"<div><b>{html.escape(title)}</b> {html.escape(images[0].name)}<table>{rows}</table></div>"
    return f'<div style="display: flex; gap: 1em; align-items: flex-start">{text}{shown}</div>'


def _element(image: ImageLike, labels: Mapping[str, Any] | None) -> str:
    """Show the middle plane of an image as an `<img>` element; "" where the pixels are not at hand."""
    planes = _planes(image)
    if planes is None:
        return ""
    if labels is not None and planes.dtype.kind in "iu":
        rgb = overlay(np.zeros((*planes.shape[1:], 3), np.uint8), planes[0], decode_colors(labels), 1, 1.0)
    else:
        rgb = _mixed(planes, image.channel_colors, image.channel_names)
    png = Preview(rgb, image.name).png()
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="the middle plane">'


def _planes(image: ImageLike) -> np.ndarray[Any, Any] | None:
    """Read the middle plane, thinned out, of at most six channels: shape (c, y, x). None where that is not cheap."""
    data, dims = image.data, image.dims
    known = isinstance(data, np.ndarray) or made_by(data, "dask", "zarr", "h5py", "ome_ngff")
    if not known or not {"y", "x"} <= set(dims):
        return None
    try:
        source = as_source(data)
    except NgffError:
        return None
    sizes = dict(zip(dims, source.shape, strict=True))
    drawn = dict(zip("yx", stretches(pixel_size(image, "y"), pixel_size(image, "x")), strict=True))
    step = max(1, math.ceil(max(sizes[d] * drawn[d] for d in "yx") / EDGE))  # square pixels for one of the picture
    steps = {d: max(1, int(step / drawn[d])) for d in "yx"}
    box = {d: slice(n // 2, n // 2 + 1) for d, n in sizes.items()} | {d: slice(0, sizes[d], steps[d]) for d in "yx"}
    if "c" in dims:
        box["c"] = slice(0, min(MOST_CHANNELS, sizes["c"]))
    if not _cheap(source, [box[d] for d in dims]):
        return None
    try:
        pixels = np.asarray(source[tuple(box[d] for d in dims)])
    except (NgffError, OSError, RuntimeError, ValueError):  # whoever reads the pixels is told; a notebook goes on
        return None
    order = [d for d in dims if d not in "cyx"] + [d for d in "cyx" if d in dims]
    planes = pixels.transpose([dims.index(d) for d in order]).reshape(-1, *(pixels.shape[dims.index(d)] for d in "yx"))
    for axis, d in enumerate("yx", start=1):
        places = np.arange(math.ceil(sizes[d] * drawn[d] / step)) * step / drawn[d] / steps[d]
        planes = planes.take(places.astype(int), axis, mode="clip")
    return planes


def _cheap(source: Any, box: Sequence[slice]) -> bool:
    """Return whether a box can be read by touching memory, or by decoding a few chunks on this machine."""
    if isinstance(source, np.ndarray) or (hasattr(source, "dask") and describe(source) == Source()):  # NumPy blocks
        return True
    here = is_local(getattr(source, "origin", source))
    chunks = getattr(source, "inner", None) or getattr(source, "chunks", None)
    if not here or not chunks:
        return here and source.nbytes <= MOST_BYTES
    decoded = source.dtype.itemsize
    for part, length, chunk in zip(box, source.shape, chunks, strict=True):
        decoded *= min(length, (-(-part.stop // chunk) - part.start // chunk) * chunk)
    return bool(decoded <= MOST_BYTES)


def _mixed(
    planes: np.ndarray[Any, Any], known: Sequence[str] | None, names: Sequence[str] | None
) -> np.ndarray[Any, Any]:
    """Mix the channels that are to be seen to a picture, uint8 of shape (y, x, 3)."""
    names = channel_names(len(planes), planes.dtype, names, known)
    colors = channel_colors(len(planes), planes.dtype, known, names)
    windows = [shown(window) for window in windows_of(planes.__getitem__, colors, planes.dtype)]
    seen = [i for i in range(len(planes)) if not is_opacity(i, names)]
    return blend([planes[i] for i in seen], [windows[i] for i in seen], [colors[i] for i in seen])
