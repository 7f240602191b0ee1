"""The pictures of the documentation: drawn while it is built, from what comes with scikit-image, with our own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ome_ngff import Methods, open_image, to_multiscales, to_ngff_image, write_image, write_labels
from ome_ngff.samples import find_sample

Pixels = NDArray[Any]
Panel = tuple[str, Pixels]

SIDE, GAP, HEAD = 256, 12, 34  # of a panel, in pixels
INK = (128, 128, 128, 255)  # to be read on light and on dark pages
WINDOW = (slice(344, 472), slice(252, 380))  # a gland of the tissue
COINS = (slice(92, 220), slice(180, 308))  # four of them, whole
CHUNK = 64
AMPLIFIED = 24


def level(pixels: Any, factor: int, method: str) -> Pixels:
    """Make one level of an image of shape `[c]yx`."""
    image = to_ngff_image(pixels, "cyx"[-pixels.ndim :])
    return np.asarray(to_multiscales(image, [factor], method=method).images[1].data)


def window(pixels: Pixels, factor: int) -> Pixels:
    """Cut the window out of a level."""
    return pixels[..., *(slice(cut.start // factor, cut.stop // factor) for cut in WINDOW)]


def methods() -> list[Panel]:
    """Show the same cells by each method, at a factor of 4."""
    tissue = find_sample("tissue")().image.data
    writable = [member.method for member in Methods if not member.method.in_memory]
    writable.sort(key=lambda method: not method.invents)
    made = [(method.name, window(level(tissue, 4, method.name), 4)) for method in writable]
    return [("the cells", window(tissue, 1)), *made]


def labels() -> list[Panel]:
    """Show the same labels by each method that takes them, and by one that does not, at a factor of 4."""
    nuclei = find_sample("tissue")().labels
    kept = [(m.value, level(nuclei, 4, m.value)) for m in Methods if not m.method.invents]
    averaged = np.rint(level(nuclei.astype("f8"), 4, "local_mean")).astype(nuclei.dtype)
    panels = [*sorted(kept), ("averaged: refused", averaged)]
    return [("the nuclei", coloured(window(nuclei, 1))), *((name, coloured(window(n, 4))) for name, n in panels)]


def overlays() -> list[Panel]:
    """Show coins as they are written, without and with their labels, at two levels."""
    coins = find_sample("coins")()
    with TemporaryDirectory() as folder:
        write_image(coins.image.data, f"{folder}/coins.ome.zarr", [2, 4])
        write_labels(coins.labels, f"{folder}/coins.ome.zarr", "coins", colors="auto")
        image = open_image(f"{folder}/coins.ome.zarr")
        panels = []
        for number, factor in ((0, 1), (2, 4)):
            for title, names in ((f"level {number}", ()), ("with labels", "coins")):
                drawn = image.preview(names, level=number, fill=True, bar=False).pixels
                zoom = drawn.shape[1] // image.images[number].data.shape[1]
                box = (slice(cut.start // factor * zoom, cut.stop // factor * zoom) for cut in COINS)
                panels.append((title, np.moveaxis(drawn, -1, 0)[:, *box]))
    return panels


def seams() -> list[Panel]:
    """Show what it does to a level when each chunk is filtered alone, and what it does here."""
    tissue = find_sample("tissue")().image.data
    whole, alone = level(tissue, 8, "resize"), level(tissue, 8, "resize")
    for y, x in np.ndindex(tissue.shape[1] // CHUNK, tissue.shape[2] // CHUNK):
        box = slice(y * CHUNK, (y + 1) * CHUNK), slice(x * CHUNK, (x + 1) * CHUNK)
        small = tuple(slice(cut.start // 8, cut.stop // 8) for cut in box)
        alone[:, *small] = level(tissue[:, *box], 8, "resize")
    ours = level(da.from_array(tissue, chunks=(1, CHUNK, CHUNK)), 8, "resize")
    grid = tissue.copy()
    grid[:, ::CHUNK, :] = grid[:, :, ::CHUNK] = 0
    return [
        ("image and chunks", grid[:, ::2, ::2]),
        ("each chunk alone", alone),
        (f"its error, x {AMPLIFIED}", error(alone, whole)),
        (f"error here, x {AMPLIFIED}", error(ours, whole)),
    ]


def error(found: Pixels, wanted: Pixels) -> Pixels:
    """Return the amplified difference, dark on white; of several channels the largest."""
    off = np.abs(found.astype(int) - wanted).max(0)
    return np.asarray(np.clip(255 - AMPLIFIED * off, 0, 255), np.uint8)


def coloured(ids: Pixels) -> Pixels:
    """Give each label a colour of its own, and black to what is none."""
    palette = np.random.default_rng(4).integers(70, 256, (int(ids.max()) + 1, 3), np.uint8)
    palette[0] = 0
    return np.moveaxis(palette[ids], -1, 0)


def sheet(panels: Sequence[Panel], columns: int = 4) -> Image.Image:
    """Put panels with their titles side by side, each enlarged to the same side without smoothing."""
    rows = -(-len(panels) // columns)
    drawn = Image.new("RGBA", (columns * (SIDE + GAP) - GAP, rows * (HEAD + SIDE + GAP) - GAP))
    pen = ImageDraw.Draw(drawn)
    for number, (title, pixels) in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = column * (SIDE + GAP), row * (HEAD + SIDE + GAP)
        picture = Image.fromarray(np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels)
        pen.text((x, y + 2), title, INK, ImageFont.load_default(24))
        drawn.paste(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST), (x, y + HEAD))
        pen.rectangle((x, y + HEAD, x + SIDE - 1, y + HEAD + SIDE - 1), outline=INK)
    return drawn


FRONT, FRONT_SIDE = Path(__file__).with_name("front.png"), 288


def front() -> Image.Image:
    """Draw the picture at the top of the README: an image as it is written, with its labels, and its levels."""
    tissue = find_sample("tissue")()
    with TemporaryDirectory() as folder:
        place, size = f"{folder}/tissue.ome.zarr", {"y": 0.5, "x": 0.5}
        unit = {"y": "micrometer", "x": "micrometer"}
        write_image(tissue.image.data, place, [2, 4, 8, 16], axes="cyx", scale=size, axes_units=unit)
        write_labels(tissue.labels, place, "nuclei", axes="yx", colors="auto")
        image = open_image(place)
        cut = (slice(120, 120 + FRONT_SIDE), slice(150, 150 + FRONT_SIDE))
        plain = image.preview(level=0, bar=False).pixels[cut]
        labelled = image.preview("nuclei", level=0, fill=True, bar=False).pixels[cut]
        levels = [image.preview(level=k, bar=False).pixels for k in (1, 2, 3, 4)]
        levels += [image.preview("nuclei", level=k, fill=True, bar=False).pixels for k in (2, 3, 4)]
    names = ("pixels", "labels", "levels")
    drawn = Image.new("RGBA", (len(names) * (FRONT_SIDE + GAP) - GAP, HEAD + FRONT_SIDE))
    pen = ImageDraw.Draw(drawn)
    for number, name in enumerate(names):
        pen.text((number * (FRONT_SIDE + GAP), 2), name, INK, ImageFont.load_default(22))
    drawn.paste(Image.fromarray(plain), (0, HEAD))
    drawn.paste(Image.fromarray(labelled), (FRONT_SIDE + GAP, HEAD))
    third = FRONT_SIDE // 3
    corners = ((0, 0), (2, 0), (2, 1), (2.5, 1), (0, 2), (1, 2), (1.5, 2))
    for (x, y), parts, pixels in zip(corners, (2, 1, 1 / 2, 1 / 4, 1, 1 / 2, 1 / 4), levels, strict=True):
        side = int(third * parts)
        picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX)
        drawn.paste(picture, (int(2 * (FRONT_SIDE + GAP) + x * third), int(HEAD + y * third)))
    return drawn.quantize(96, dither=Image.Dither.NONE)


def front_is_stale() -> bool:
    """Return whether the picture at the top of the README is not the one that would be drawn now, to the eye."""
    stored, now = (np.asarray(each.convert("RGBA"), int) for each in (Image.open(FRONT), front()))
    return stored.shape != now.shape or float(np.abs(stored - now).mean()) > 4


PICTURES: dict[str, Callable[[], list[Panel]]] = {
    "methods": methods,
    "method-labels": labels,
    "labels": overlays,
    "seams": seams,
}


def draw(folder: Path) -> None:
    """Draw all pictures into a folder; a file that would stay the same is left alone."""
    folder.mkdir(exist_ok=True)
    for name, panels in PICTURES.items():
        path, unfinished = folder / f"{name}.png", folder / f"{name}.new.png"
        sheet(panels()).save(unfinished)
        if path.exists() and path.read_bytes() == unfinished.read_bytes():
            unfinished.unlink()
        else:
            unfinished.replace(path)


if __name__ == "__main__":  # python docs/pictures.py draws the picture of the README anew
    front().save(FRONT, optimize=True)
