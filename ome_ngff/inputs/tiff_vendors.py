"""What makers of microscopes and scanners write into a TIFF besides what all do: one function a maker.

A new maker is one function here, from an open file and the number of a series to `Facts`, and one line in `VENDORS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import attrs

from ..text import warn
from .arrange import Facts, even_step, in_micrometers, micrometers, positive
from .tiff_files import tag
from .tiff_resolution import facts_of_resolution

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage


_SCREEN = 1024  # pixels of a line, of which Zeiss' AP_PIXEL_SIZE speaks


def vendor_facts(tiff: TiffFile, series: int, path: str) -> Facts | None:
    """Return what the maker of a file says of one of its images; None where nobody known here has made it."""
    vendor = next((facts for flag, facts in VENDORS.items() if getattr(tiff, flag)), None)
    try:
        return None if vendor is None else vendor(tiff, series, path)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, ElementTree.ParseError) as error:
        warn(f"What the maker of {path} says of its pixels is not understood ({type(error).__name__}: {error}).")
        return None


def _page(tiff: TiffFile, series: int) -> TiffPage:
    return tiff.series[series].levels[0].keyframe


def _aperio(tiff: TiffFile, series: int, path: str) -> Facts:
    """Read MPP, micrometers per pixel of the scan; "-> 1024x732" marks pictures that were made from it."""
    description = _page(tiff, series).description
    mpp = re.search(r"\|\s*MPP\s*=\s*([^|\s]+)", description)
    if mpp is None:
        return Facts()
    if "->" in description:
        warn(f"{path} says MPP = {mpp[1]} of the scan that this picture was made from, which has smaller pixels.")
        return Facts()
    return micrometers({"y": mpp[1], "x": mpp[1]})


def _hamamatsu(tiff: TiffFile, series: int, path: str) -> Facts:
    return facts_of_resolution(_page(tiff, series), path, meant=True)


def _leica(tiff: TiffFile, series: int, path: str) -> Facts:
    """Divide the view of an image, in nanometers, by its pixels."""
    root = ElementTree.fromstring(tiff.pages.first.description)
    images = [
        each for each in root.iter() if tag(each) == "image" and any(tag(one) == "dimension" for one in each.iter())
    ]
    parts = {tag(each): each for each in images[series].iter()}
    view, pixels = parts["view"], parts["pixels"]
    sizes = {
        axis: float(view.get(f"size{axis.upper()}", 0)) / int(pixels.get(f"size{axis.upper()}", 1)) for axis in "yx"
    }
    channels = [each for each in images[series].iter() if tag(each) == "channel" and each.get("name")]
    colors = [each.get("rgb", "").lstrip("#").upper() for each in channels]
    return attrs.evolve(
        micrometers(sizes, 1e-3),
        channel_names=[each.get("name", "") for each in channels] or None,
        channel_colors=colors if channels and all(re.fullmatch("[0-9A-F]{6}", color) for color in colors) else None,
    )


def _perkin_elmer(tiff: TiffFile, series: int, path: str) -> Facts:
    """Read the channel of each page from XML of its own, and the size from the tags, which are of the scan."""
    pages: Any = tiff.series[series].levels[0].pages
    said = [_texts(page.description) for page in pages]
    names = [one.get("Name") or one.get("Biomarker") for one in said]
    colors = [re.fullmatch(r"(\d+),\s*(\d+),\s*(\d+)", one.get("Color", "")) for one in said]
    return attrs.evolve(
        facts_of_resolution(_page(tiff, series), path, meant=True),
        channel_names=[name or f"Channel {i}" for i, name in enumerate(names)] if any(names) else None,
        channel_colors=["{:02X}{:02X}{:02X}".format(*map(int, color.groups())) for color in colors if color]
        if all(colors)
        else None,
    )


def _texts(xml: str) -> dict[str, str]:
    """Return the texts of the elements directly below the root of a document; of anything else nothing."""
    try:
        return {tag(each): each.text.strip() for each in ElementTree.fromstring(xml) if each.text}
    except ElementTree.ParseError:
        return {}


def _zeiss_lsm(tiff: TiffFile, series: int, path: str) -> Facts:
    said: Mapping[str, Any] = tiff.lsm_metadata or {}
    sizes = {axis: said.get(f"VoxelSize{axis.upper()}") for axis in "zyx"}
    if _page(tiff, series).is_reduced:
        return Facts()  # a thumbnail
    facts, stamps = micrometers(sizes, 1e6), said.get("TimeStamps", ())
    step = even_step(stamps) if len(stamps) > 1 else positive(said.get("TimeIntervall"))
    if len(stamps) > 1 and step is None:
        warn(f"The time points of {path} are not evenly spaced, so that it has no frame interval.")
    time = {} if step is None else {"t": step}
    channels = said.get("ChannelColors", {})
    return attrs.evolve(
        facts,
        scale={**facts.scale, **time},
        units={**facts.units, **dict.fromkeys(time, "second")},
        channel_names=channels.get("ColorNames") or None,
        channel_colors=["{:02X}{:02X}{:02X}".format(*color) for color in channels.get("Colors", ())] or None,
    )


def _zeiss_sem(tiff: TiffFile, series: int, path: str) -> Facts:
    said: Mapping[str, Any] = tiff.sem_metadata or {}
    page = _page(tiff, series)
    sizes = {
        name: in_micrometers(*entry[1:]) for name, entry in said.items() if name.startswith("ap_") and len(entry) == 3
    }
    size, width, screen = (sizes.get(f"ap_{name}") for name in ("image_pixel_size", "width", "pixel_size"))
    if size is None and width is not None:
        size = width / page.imagewidth
    if size is None and screen is not None and page.imagewidth == _SCREEN:
        size = screen
    elif size is None and screen is not None:
        warn(f"{path} says a pixel size of {screen:g} micrometers on the screen, not of the {page.imagewidth} stored.")
    return micrometers({"y": size, "x": size})


def _fei(tiff: TiffFile, series: int, path: str) -> Facts:
    said: Mapping[str, Any] = tiff.fei_metadata or {}
    sections = (said.get(name, {}) for name in ("Scan", "EScan", "IScan"))
    scan: Mapping[str, Any] = next((section for section in sections if "PixelWidth" in section), {})
    return micrometers({"y": scan.get("PixelHeight"), "x": scan.get("PixelWidth")}, 1e6)


def _calibrated(sizes: Mapping[str, Any], unit: str | None, path: str) -> dict[str, float | None]:
    """Return sizes in micrometers; say where their unit is not one of length."""
    found = {axis: in_micrometers(size, unit) for axis, size in sizes.items()}
    if None in found.values() and any(sizes.values()) and "pix" not in (unit or "").lower():
        warn(f"{path} is calibrated in {unit or 'no unit'!r}, which is no length that is known; it has no pixel size.")
    return found


def _metamorph_stack(tiff: TiffFile, series: int, path: str) -> Facts:
    said: Mapping[str, Any] = tiff.stk_metadata or {}
    unit = said.get("CalibrationUnits")
    known = {axis: said.get(f"{axis.upper()}Calibration") for axis in "yx"}
    sizes = _calibrated(known, unit, path) if said.get("SpatialCalibration", 1) else {}
    steps, waves = set(said.get("ZDistance", ())), list(dict.fromkeys(said.get("Wavelengths", ())))
    if len(steps) == 1:
        sizes["z"] = in_micrometers(steps.pop(), unit)
    if len(waves) > 1 and (len(waves) < len(said["Wavelengths"]) or "I" not in tiff.series[series].axes):
        warn(f"{path} has planes of {len(waves)} wavelengths in an order that is not known; say axes for channels.")
    named = [each["value"] for each in said.get("PlaneProperty", ()) if each["name"] == "_IllumSetting_"]
    named = named[:1] or [name for name in [said.get("Name")] if name]
    if len(waves) > 1 or not named:
        named = [f"{wave:g} nm" for wave in waves if wave > 0]
    return attrs.evolve(micrometers(sizes), channel_names=named or None)


def _metamorph_plane(tiff: TiffFile, series: int, path: str) -> Facts:
    said: Mapping[str, Any] = (tiff.metaseries_metadata or {}).get("PlaneInfo", {})
    known = {axis: said.get(f"spatial-calibration-{axis}") for axis in "yx"}
    on = said.get("spatial-calibration-state", True)
    sizes = _calibrated(known, said.get("spatial-calibration-units"), path) if on else {}
    name = said.get("_IllumSetting_") or said.get("image-name")
    return attrs.evolve(micrometers(sizes), channel_names=[str(name)] if name else None)


# By the flags of tifffile, which knows each by its tags and words.
VENDORS: dict[str, Callable[[TiffFile, int, str], Facts]] = {
    "is_svs": _aperio,
    "is_ndpi": _hamamatsu,
    "is_scn": _leica,
    "is_qpi": _perkin_elmer,
    "is_lsm": _zeiss_lsm,
    "is_sem": _zeiss_sem,
    "is_fei": _fei,
    "is_stk": _metamorph_stack,
    "is_metaseries": _metamorph_plane,
}
