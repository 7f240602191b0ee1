"""What all versions of OME-NGFF share."""

from __future__ import annotations

import io
import pickle
from collections.abc import Container, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

import attrs

from ...exceptions import Finding, FormatError, ScaleError, ValidationError
from ..dialect import Dialect
from ..metadata import Metadata, Scale, Translation, to_documents
from ..plate import Plate, Well
from ..rules.book import stated
from ..rules.document import document_findings, stated_version
from ..rules.image import TRANSFORMATIONS
from ..rules.plate import plate_well_findings
from .decoding import decode_image
from .parts import encode_omero, with_omero

Document = dict[str, Any]


_PACKAGE = __name__.partition(".")[0]
_REMEMBERED = 2**14  # bytes of a document, at most


@attrs.frozen
class Format:
    """Describe one version of OME-NGFF. Instances have no state: all of a class are equal and hash alike."""

    version: ClassVar[str]
    zarr_format: ClassVar[Literal[2, 3]]
    dialect: ClassVar[Dialect]

    @property
    def chunk_key_encoding(self) -> dict[str, str]:
        """How chunk keys are spelled, as `zarr.create_array` takes it; always nested by "/"."""
        return {"name": self.dialect.chunk_keys, "separator": "/"}

    def wrap(self, document: Mapping[str, Any]) -> Document:
        """Turn a metadata document into the attributes of its group."""
        return self.dialect.wrap(document)

    def unwrap(self, attributes: Mapping[str, Any]) -> Document:
        """Return the metadata document that the attributes of a group hold; empty if they hold none of this version."""
        return self.dialect.unwrap(attributes)

    def strip(self, attributes: Mapping[str, Any]) -> Document:
        """Return the attributes that are not metadata of this version: what belongs to others."""
        return self.dialect.strip(attributes)

    def array_options(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what `zarr.create_array` needs for an array with these axis names."""
        named = {"dimension_names": list(names)} if self.dialect.dimension_names else {}
        return {"zarr_format": self.zarr_format, "chunk_key_encoding": self.chunk_key_encoding, **named}

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether attributes (or a document) carry metadata of this version."""
        document = self.unwrap(attributes) or dict(attributes)
        return stated_version(document) in (self.version, *self.dialect.earlier)

    def flat(self, multiscale: Mapping[str, Any]) -> Document:
        """Return the entry of an image with `axes` and `datasets` as 0.5 has them, as far as it is as it should be."""
        return dict(multiscale)

    # Documents -----------------------------------------------------------------------------------------------------

    def encode(self, metadata: Metadata) -> Document:
        """Return the document of an image."""
        levels = [
            {"path": d.path, "coordinateTransformations": to_documents(d.coordinateTransformations), **d.extra}
            for d in metadata.datasets
        ]
        shared = metadata.coordinateTransformations
        optional = {
            "coordinateTransformations": to_documents(shared) if shared else None,
            "type": metadata.type,
            "metadata": metadata.metadata,
            **metadata.extra,
        }
        document = self.multiscale([axis.to_dict() for axis in metadata.axes], levels, metadata.name, **optional)
        return with_omero(document, None if metadata.omero is None else encode_omero(metadata.omero))

    def decode(self, document: Mapping[str, Any], series: int = 0, ndim: int | None = None) -> Metadata:
        """Parse the document of an image, of this version or of an earlier one that is stored alike.

        Args:
            document: as `unwrap` returns it. series: which image, where the document describes several.
            ndim: number of dimensions of the arrays, where they are known; before 0.3, documents did not name axes.

        Raises:
            NgffError: there is no image, its version is not known, or something in it is not understood; the message
                names it.
        """
        return decode_image(document, self.dialect, series, ndim)

    def multiscale(
        self, axes: list[Document], datasets: Sequence[Mapping[str, Any]], name: str, **optional: Any
    ) -> Document:
        """Return the document of an image with these `axes` and `datasets`; None is left out."""
        image = {"name": name, "axes": axes, "datasets": list(datasets), **stated(**optional)}
        return {"multiscales": [self.dialect.stamp(image)]}

    def labels(self, names: Sequence[str]) -> Document:
        """Return the document of the group of an image's labels."""
        return {"labels": list(names)}

    def image_label(self, **parts: Any) -> Document:
        """Return the `image-label` part of a label image; None is left out."""
        return {"image-label": self.dialect.stamp(stated(**parts))}

    def plate(self, **parts: Any) -> Document:
        """Return the document of a plate; None is left out."""
        return {"plate": {**stated(**parts), **({} if self.dialect.spaces else {"version": self.version})}}

    def plate_of(
        self, rows: Sequence[str], columns: Sequence[str], wells: Sequence[str | Mapping[str, Any]], **optional: Any
    ) -> Document:
        """Return the document of a plate with these rows, columns and wells, "A/1" or dicts; None is left out.

        Raises:
            FormatError: a well has no such row or column.
        """
        listed = [self.generate_well_dict(w, rows, columns) if isinstance(w, str) else dict(w) for w in wells]
        lines = {"rows": [{"name": name} for name in rows], "columns": [{"name": name} for name in columns]}
        return self.plate(**lines, wells=listed, **optional)

    def collection(self, images: Sequence[str]) -> tuple[Document, Document]:
        """Return the documents of the group OME, and of the group around it, in the layout of bioformats2raw."""
        return {"series": list(images)}, {"bioformats2raw.layout": 3}

    def well(self, images: list[Document]) -> Document:
        """Return the document of a well."""
        return {"well": self.dialect.stamp({"images": images})}

    def encode_plate(self, plate: Plate, before: Mapping[str, Any] | None = None) -> Document:
        """Return the document of a plate; what the document `before` says besides stays in it."""
        return self.plate(**plate.to_document((before or {}).get("plate")))

    def encode_well(self, well: Well, before: Mapping[str, Any] | None = None) -> Document:
        """Return the document of a well; what the document `before` says besides stays in it."""
        there = (before or {}).get("well")
        parts = dict(there) if isinstance(there, Mapping) else {}
        return {"well": {**parts, **self.well(well.to_document(parts.get("images")))["well"]}}

    # Rules ---------------------------------------------------------------------------------------------------------

    def findings(self, attributes: Any, kind: str | None = None) -> list[Finding]:
        """Collect every rule for documents that the attributes of a group break.

        Args:
            attributes: what stands in the group's attributes (0.5: with its `ome` key); any JSON value.
            kind: "image", "labels", "label", "plate", "well" or "bf2raw"; None finds out.

        Raises:
            OptionError: the kind is unknown.
        """
        return list(document_findings(attributes, kind, self.dialect))

    def validate(
        self, attributes: Any, kind: str | None = None, strict: bool = False, *, kept: Container[str] = ()
    ) -> None:
        """Raise where a group's attributes break a rule; arguments as in `findings`, `strict` counts warnings too.

        Args:
            kept: ids of rules that what was read before, and is kept as it was, may break.

        Raises:
            ValidationError: once, with all faults in `findings`.
        """
        fatal = ("error", "warning") if strict else ("error",)
        findings = [
            finding
            for finding in self._findings_again(attributes, kind)
            if finding.severity in fatal and finding.rule not in kept
        ]
        if findings:
            raise ValidationError(findings)

    def _findings_again(self, attributes: Any, kind: str | None) -> Sequence[Finding]:
        """Return what `findings` does; of a document like an earlier one (fields, tiles) what was found then."""
        pickled = _plain((attributes, kind)) if type(self).__module__.partition(".")[0] == _PACKAGE else None
        if pickled is None or len(pickled) > _REMEMBERED:
            return self.findings(attributes, kind)
        return _found(self, pickled)

    def generate_coordinate_transformations(self, shapes: Sequence[Sequence[int]]) -> list[list[Document]]:
        """Derive a scale and a translation for each level from the shapes alone, in pixels of level 0.

        The factor of an axis is the ratio of the lengths, rounded to the whole number that it stands for when the
        level is that number of times shorter (rounded up or down); the first pixel lies in the middle of its window.
        """
        return [to_documents([Scale(scale), Translation(shift)]) for scale, shift in factors_of(shapes)]

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
            findings += TRANSFORMATIONS(transformations, ndim, f"coordinate_transformations[{index}]")
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
        findings = list(plate_well_findings(well, rows, columns, "well"))
        if findings:
            raise ValidationError(findings)


def factors_of(shapes: Sequence[Sequence[int]]) -> list[tuple[list[float], list[float]]]:
    """Return factors and first position of each level, in pixels of level 0, as far as shapes alone tell them."""
    found = []
    for shape in shapes:
        if len(shape) != len(shapes[0]):
            raise FormatError(f"All levels have the same number of dimensions (got {list(map(tuple, shapes))}).")
        factors = [_whole_factor(full, part) for full, part in zip(shapes[0], shape, strict=True)]
        found.append((factors, [(factor - 1) / 2 for factor in factors]))
    return found


def _whole_factor(full: int, part: int) -> float:
    """Return how many times shorter `part` is than `full`: a whole number if rounding explains it, else the ratio."""
    nearest = max(1, round(full / max(part, 1)))
    return float(nearest) if part in (-(-full // nearest), full // nearest) else full / part


class _Plain(pickle.Pickler):
    """Pickle what JSON is read into, and nothing else: other objects may be another thing each time."""

    def reducer_override(self, obj: Any) -> Any:
        raise pickle.PicklingError


def _plain(value: Any) -> bytes | None:
    try:
        _Plain(into := io.BytesIO()).dump(value)
    except (pickle.PicklingError, RecursionError):
        return None
    return into.getvalue()


@lru_cache(maxsize=64)
def _found(fmt: Format, pickled: bytes) -> tuple[Finding, ...]:
    return tuple(fmt.findings(*pickle.loads(pickled)))
