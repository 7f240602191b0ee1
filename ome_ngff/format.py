"""OME-NGFF versions: one class each, siblings over what they share. A new version is one class and one line.

A format knows how metadata is laid out in the attributes of a group, how arrays are stored, how the documents are
made, and what makes them valid. No other module compares version strings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from . import rules
from .exceptions import Finding, FormatError, ScaleError, ValidationError, nearest_word

Document = dict[str, Any]
_KEYS = ("multiscales", "omero", "labels", "image-label", "plate", "well", "bioformats2raw.layout", "series")


class Format(ABC):
    """Describe one version of OME-NGFF. Instances have no state: all of a class are equal and hash alike."""

    version: ClassVar[str]
    zarr_format: ClassVar[Literal[2, 3]]

    @property
    @abstractmethod
    def chunk_key_encoding(self) -> dict[str, str]:
        """Give how chunk keys are spelled, as `zarr.create_array` takes it; always nested by "/"."""

    @abstractmethod
    def wrap(self, document: Mapping[str, Any]) -> Document:
        """Turn a metadata document into the attributes of its group."""

    @abstractmethod
    def unwrap(self, attributes: Mapping[str, Any]) -> Document:
        """Take the metadata document out of the attributes of a group; empty where there is none of this version."""

    @abstractmethod
    def strip(self, attributes: Mapping[str, Any]) -> Document:
        """Give the attributes that are not metadata of this version: what belongs to others."""

    @abstractmethod
    def array_options(self, names: Sequence[str]) -> dict[str, Any]:
        """Give what `zarr.create_array` needs for an array with these axis names."""

    @abstractmethod
    def _stamp(self, part: Document) -> Document:
        """Put the version into a part of a document, where this format wants it there."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Tell whether attributes (or a document) carry metadata of this version."""
        document = self.unwrap(attributes) or dict(attributes)
        return rules.stated_version(document) == self.version

    # Documents -----------------------------------------------------------------------------------------------------

    def multiscale(
        self, axes: list[Document], datasets: Sequence[Mapping[str, Any]], name: str, **optional: Any
    ) -> Document:
        """Make the document of an image: one multiscale with its `axes` and `datasets`; None is left out."""
        extra = {key: value for key, value in optional.items() if value is not None}
        return {"multiscales": [self._stamp({"name": name, "axes": axes, "datasets": list(datasets), **extra})]}

    def image_label(self, **parts: Any) -> Document:
        """Make the `image-label` part of a label image; None is left out."""
        return {"image-label": self._stamp({key: value for key, value in parts.items() if value is not None})}

    def plate(self, **parts: Any) -> Document:
        """Make the document of a plate; None is left out."""
        return {"plate": {**{k: v for k, v in parts.items() if v is not None}, "version": self.version}}

    def well(self, images: list[Document]) -> Document:
        """Make the document of a well."""
        return {"well": self._stamp({"images": images})}

    # Rules ---------------------------------------------------------------------------------------------------------

    def findings(self, attributes: Any, kind: str | None = None) -> list[Finding]:
        """Collect every rule for documents that the attributes of a group break.

        Args:
            attributes: what stands in the group's attributes (0.5: with its `ome` key); any JSON value.
            kind: "image", "labels", "label", "plate", "well" or "bf2raw"; None finds out.

        Raises:
            OptionError: there is no such kind.
        """
        return list(rules.document_findings(attributes, kind, self))

    def validate(self, attributes: Any, kind: str | None = None, strict: bool = False) -> None:
        """Raise where a group's attributes break a rule; arguments as in `findings`, `strict` counts warnings too.

        Raises:
            ValidationError: once, with all faults in `findings`.
        """
        fatal = ("error", "warning") if strict else ("error",)
        findings = [finding for finding in self.findings(attributes, kind) if finding.severity in fatal]
        if findings:
            raise ValidationError(findings)

    def generate_coordinate_transformations(self, shapes: Sequence[Sequence[int]]) -> list[list[Document]]:
        """Derive a scale and a translation for each level from the shapes alone, in pixels of level 0.

        The factor of an axis is the ratio of the lengths, rounded to the whole number that it stands for when the
        level is that number of times shorter (rounded up or down); the first pixel lies in the middle of its window.
        """
        transformations = []
        for shape in shapes:
            if len(shape) != len(shapes[0]):
                raise FormatError(f"All levels have the same number of dimensions (got {list(map(tuple, shapes))}).")
            scale = [_whole_factor(full, part) for full, part in zip(shapes[0], shape, strict=True)]
            transformations.append(
                [
                    {"type": "scale", "scale": scale},
                    {"type": "translation", "translation": [(s - 1) / 2 for s in scale]},
                ]
            )
        return transformations

    def validate_coordinate_transformations(
        self, ndim: int, nlevels: int, coordinate_transformations: Sequence[Sequence[Mapping[str, Any]]] | None = None
    ) -> None:
        """Raise where the transformations of `nlevels` datasets of `ndim` dimensions break a rule.

        Raises:
            ScaleError: with all faults.
        """
        given = coordinate_transformations
        if not isinstance(given, (list, tuple)) or len(given) != nlevels:
            got = len(given) if isinstance(given, (list, tuple)) else given
            raise ScaleError(
                f"coordinate_transformations needs one list for each of the {nlevels} levels (got {got!r})."
            )
        findings: list[Finding] = []
        for index, transformations in enumerate(given):
            findings += rules.transformation_findings(transformations, ndim, f"coordinate_transformations[{index}]")
        if findings:
            raise ScaleError("; ".join(map(str, findings)))

    def generate_well_dict(self, well: str, rows: Sequence[str], columns: Sequence[str]) -> Document:
        """Turn "A/1" into the dict of a plate's well.

        Raises:
            FormatError: the row or the column is not one of the plate's.
        """
        row, _, column = well.partition("/")
        if row not in rows or column not in columns:
            raise FormatError(f"The well {well!r} must be row/column of {list(rows)} and {list(columns)}.")
        return {"path": well, "rowIndex": list(rows).index(row), "columnIndex": list(columns).index(column)}

    def validate_well_dict(self, well: Mapping[str, Any], rows: Sequence[str], columns: Sequence[str]) -> None:
        """Raise `ValidationError` where the dict of a plate's well contradicts itself or the plate."""
        findings = list(rules.plate_well_findings(well, rows, columns, "well"))
        if findings:
            raise ValidationError(findings)


class FormatV04(Format):
    """OME-NGFF 0.4: Zarr v2, metadata at the top of the attributes, the version inside each part."""

    version = "0.4"
    zarr_format = 2

    @property
    def chunk_key_encoding(self) -> dict[str, str]:
        """Give nested chunk keys; Zarr's own default for v2, ".", is shown as black by some viewers."""
        return {"name": "v2", "separator": "/"}

    def wrap(self, document: Mapping[str, Any]) -> Document:
        """Put the document at the top of the attributes."""
        return dict(document)

    def unwrap(self, attributes: Mapping[str, Any]) -> Document:
        """Take the keys of the specification."""
        return {key: value for key, value in attributes.items() if key in _KEYS}

    def strip(self, attributes: Mapping[str, Any]) -> Document:
        """Give every key that is not of the specification."""
        return {key: value for key, value in attributes.items() if key not in _KEYS}

    def array_options(self, names: Sequence[str]) -> dict[str, Any]:
        """Give Zarr v2 with nested keys."""
        return {"zarr_format": 2, "chunk_key_encoding": self.chunk_key_encoding}

    def _stamp(self, part: Document) -> Document:
        return {"version": self.version, **part}


class FormatV05(Format):
    """OME-NGFF 0.5: Zarr v3, everything under the attribute `ome`, which carries the version."""

    version = "0.5"
    zarr_format = 3

    @property
    def chunk_key_encoding(self) -> dict[str, str]:
        """Give nested chunk keys, below "c"."""
        return {"name": "default", "separator": "/"}

    def wrap(self, document: Mapping[str, Any]) -> Document:
        """Put the document under `ome`, with the version."""
        return {"ome": {"version": self.version, **document}}

    def unwrap(self, attributes: Mapping[str, Any]) -> Document:
        """Take what stands under `ome`."""
        ome = attributes.get("ome")
        return dict(ome) if isinstance(ome, Mapping) else {}

    def strip(self, attributes: Mapping[str, Any]) -> Document:
        """Give every attribute but `ome`."""
        return {key: value for key, value in attributes.items() if key != "ome"}

    def array_options(self, names: Sequence[str]) -> dict[str, Any]:
        """Give Zarr v3 with `dimension_names` equal to the axis names."""
        return {"zarr_format": 3, "chunk_key_encoding": self.chunk_key_encoding, "dimension_names": list(names)}

    def _stamp(self, part: Document) -> Document:
        return part


CurrentFormat = FormatV05
_FORMATS: tuple[type[Format], ...] = (FormatV05, FormatV04)


def format_implementations() -> Iterator[Format]:
    """Give one instance of each format, the newest first."""
    for implementation in _FORMATS:
        yield implementation()


def format_from_version(version: str | float | Format) -> Format:
    """Return the format for "0.4", 0.4 or a format itself.

    Raises:
        FormatError: there is no such version here.
    """
    if isinstance(version, Format):
        return version
    known = {implementation.version: implementation for implementation in _FORMATS}
    if str(version) not in known:
        raise FormatError(
            f"There is no OME-NGFF version {version!r} here.{nearest_word(str(version), known)} "
            f"Known: {', '.join(known)}."
        )
    return known[str(version)]()


def format_for_zarr(zarr_format: int) -> Format:
    """Return the newest format that is stored in this version of Zarr."""
    return next(fmt for fmt in format_implementations() if fmt.zarr_format == zarr_format)


def detect_format(metadata: Mapping[str, Any], default: Format) -> Format:
    """Return the format that the attributes of a group state, else `default`."""
    return next((fmt for fmt in format_implementations() if metadata and fmt.matches(metadata)), default)


def _whole_factor(full: int, part: int) -> float:
    """Return the whole number of times that `part` is shorter than `full`, or the plain ratio where there is none."""
    nearest = max(1, round(full / max(part, 1)))
    return float(nearest) if part in (-(-full // nearest), full // nearest) else full / part
