"""What files call their dimensions, as axes of the specification; their coordinates, as sizes and places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import normalize

import attrs
import numpy as np
from numpy.typing import NDArray

from ..exceptions import AxesError, ScaleError
from ..image import facts_of_coordinates
from ..spec import KNOWN_AXES, axis_name
from ..text import warn
from .arrange import Facts, unit_named

_WORDS = {  # in English, German, French, Spanish, Portuguese, Italian, Dutch, Chinese and Japanese
    "t": "times timepoint timepoints time_point time_points timelapse timestep time_step frame frames cycle cycles "
    "zeit zeitpunkt temps tiempo tempo tijd 时间 時間",
    "c": "channels ch chan band bands color colour colors colours wavelength wavelengths wave waves lambda dye stain "
    "spectral marker fluorophore kanal kanäle farbe wellenlänge canal canaux couleur canales canais canale canali "
    "kanaal 通道 チャンネル チャネル",
    "z": "depths plane planes slice slices section sections layer layers focus zplane z_plane zslice z_slice axial "
    "tiefe ebene ebenen schicht schichten profondeur coupe coupes plan plans profundidad corte cortes plano planos "
    "profundidade profondità fetta diepte 深度 深さ 层",
    "y": "heights row rows line lines vertical höhe zeile zeilen hauteur ligne lignes altura alto fila filas linha "
    "altezza riga righe hoogte 高度 高さ 行",
    "x": "widths column columns col cols horizontal breite spalte spalten largeur colonne colonnes anchura ancho "
    "columna columnas largura coluna larghezza colonna breedte 宽度 幅 列",
    "s": "s sample samples rgb rgba",
}
_AXES = {word: axis for axis, words in _WORDS.items() for word in words.split()}


def axis_of(word: Any) -> str | None:
    """Return the axis that a name such as "T", "time [s]" or "Frames" stands for; None for one that is not known."""
    small = normalize("NFC", re.sub(r"[\[(].*|\s+$", "", str(word or "")).strip().lower())
    named = axis_name(small)
    return named if named in KNOWN_AXES else _AXES.get(small)


def understood(words: Sequence[Any], shape: Sequence[int], source: str) -> tuple[str, ...]:
    """Return the axes that the names of all dimensions stand for; empty where a file names none.

    A dimension of length 1 may have any name; it is dropped under it.

    Raises:
        AxesError: a name is not understood, or two mean the same axis: what was said is not guessed around.
    """
    spoken = [str(word) if word is not None else "" for word in words]
    if not any(spoken) or all(re.fullmatch(r"dim_\d+|phony_dim_\d+", word) for word in spoken):
        return ()
    axes = [axis_of(word) or (word if size == 1 else "") for word, size in zip(spoken, shape, strict=True)]
    strange = [word or "(no name)" for word, axis in zip(spoken, axes, strict=True) if not axis]
    if not strange and len(set(axes)) == len(axes):
        return tuple(axes)
    why = f"{', '.join(strange)} is not understood" if strange else "two of them mean the same axis"
    shown = ", ".join(f"{word or '(no name)'} {size}" for word, size in zip(spoken, shape, strict=True))
    raise AxesError(f"{source} names its dimensions {shown}, but {why}; name all with axes=, in this order.")


@attrs.frozen
class Coordinates:
    """Hold the positions along one dimension, as a file has them, and what it says of them."""

    values: NDArray[Any]
    attrs: Mapping[str, Any]


def with_coordinates(facts: Facts, coordinates: Mapping[str, Coordinates], source: str) -> Facts:
    """Add the sizes, places, units and channel names of coordinates by axis; those that are not even are said."""
    for axis, along in coordinates.items():
        unit = np.asarray(along.attrs.get("units", "")).astype(str).item()
        # "seconds since 2026-01-01" counts seconds.
        named = Coordinates(along.values, {"units": unit_named(unit.partition(" since ")[0]) or ""})
        try:
            found = facts_of_coordinates({axis: named}, {axis: axis}, set())
        except ScaleError as error:
            warn(f"{source}: {error}")
            continue
        facts = attrs.evolve(
            facts,
            scale={**facts.scale, **found.scale},
            translation={**facts.translation, **{a: at for a, at in found.translation.items() if at}},
            units={**facts.units, **found.units},
            channel_names=found.channel_names or facts.channel_names,
        )
    return facts


def tell_packing(attributes: Mapping[str, Any], source: str) -> None:
    """Warn of values that stand for others by a factor or offset, as climate files have them."""
    packed = [name for name in ("scale_factor", "add_offset") if name in attributes]
    if packed:
        warn(f"{source} says {' and '.join(packed)} of its values; they are taken as they are stored.")
