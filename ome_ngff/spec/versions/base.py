"""What all versions of OME-NGFF share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from ...exceptions import Finding, FormatError, InputError, ScaleError, ValidationError
from ...text import show
from ..axes import Axis
from ..dialect import Dialect
from ..metadata import Dataset, Metadata
from ..rules.book import part_of
from ..rules.document import document_findings, stated_version, transformation_findings
from ..rules.plate import plate_well_findings
from ..space import Scale, Transformation, Translation, parse_transformations, to_documents
from .omero import decode_omero, encode_omero
from .parts import dataset_paths, entries_of, entry_of

Document = dict[str, Any]


class Format:
    """Describe one version of OME-NGFF. Instances have no state: all of a class are equal and hash alike."""

    version: ClassVar[str]
    zarr_format: ClassVar[Literal[2, 3]]
    dialect: ClassVar[Dialect]
    earlier: ClassVar[tuple[str, ...]] = ()

    @property
    def chunk_key_encoding(self) -> dict[str, str]:
        """How chunk keys are spelled, as `zarr.create_array` takes it; always nested by "/"."""
        return {"name": self.dialect.chunk_keys, "separator": "/"}

    def wrap(self, document: Mapping[str, Any]) -> Document:
        """Turn a metadata document into the attributes of its group."""
        return self.dialect.wrap(document)

    def unwrap(self, attributes: Mapping[str, Any]) -> Document:
        """Take the metadata document out of the attributes of a group; empty where there is none of this version."""
        return self.dialect.unwrap(attributes)

    def strip(self, attributes: Mapping[str, Any]) -> Document:
        """Return the attributes that are not metadata of this version: what belongs to others."""
        return self.dialect.strip(attributes)

    def array_options(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what `zarr.create_array` needs for an array with these axis names."""
        named = {"dimension_names": list(names)} if self.dialect.dimension_names else {}
        return {"zarr_format": self.zarr_format, "chunk_key_encoding": self.chunk_key_encoding, **named}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def matches(self, attributes: Mapping[str, Any]) -> bool:
        """Tell whether attributes (or a document) carry metadata of this version."""
        document = self.unwrap(attributes) or dict(attributes)
        return stated_version(document) == self.version

    # Documents -----------------------------------------------------------------------------------------------------

    def encode(self, metadata: Metadata) -> Document:
        """Return the document of an image."""
        levels = [
            {"path": d.path, "coordinateTransformations": to_documents(d.coordinateTransformations)}
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
        if metadata.omero is not None:
            document["omero"] = encode_omero(metadata.omero)
        return document

    def decode(self, document: Mapping[str, Any], series: int = 0, ndim: int | None = None) -> Metadata:
        """Take the document of an image, of this version or of an earlier one that is stored alike.

        Args:
            document: as `unwrap` returns it. series: which image, where the document describes several.
            ndim: number of dimensions of the arrays, where they are known; before 0.3, documents did not name axes.

        Raises:
            InputError: there is no image, or its levels cannot be understood.
            FormatError: the version is not known, or something in it is not understood here; the message names it.
        """
        stated = stated_version(document)
        version = self._known(stated)
        multiscale = dict(entry_of(document, series))
        axes = self._axes(multiscale, version, ndim)
        paths = dataset_paths(multiscale)
        shared, datasets = multiscale.pop("coordinateTransformations", None), multiscale.pop("datasets")
        extra: Document = {}
        if shared and "spatialdata" in (stated or "") and any(part_of(t, "input") for t in entries_of(shared)):
            extra["coordinateTransformations"], shared = shared, None  # from one space to another: kept, not applied
        multiscale.pop("version", None)
        return Metadata(
            axes=axes,
            datasets=[
                Dataset(path, self._steps(dataset, f"the level {path!r}", version, len(axes)))
                for path, dataset in zip(paths, datasets, strict=True)
            ],
            coordinateTransformations=parse_transformations(shared, len(axes), "all levels") if shared else None,
            name=str(multiscale.pop("name", None) or "image"),
            version=stated or self.version,
            omero=decode_omero(document.get("omero")),
            type=multiscale.pop("type", None),
            metadata=multiscale.pop("metadata", None),
            extra={**multiscale, **extra},
        )

    def _known(self, stated: str | None) -> str | None:
        """Return a version that is read here, without what SpatialData adds to it.

        Raises:
            FormatError: it is not read here.
        """
        base = stated and re.sub("-dev-spatialdata$", "", stated)
        if base is not None and base not in (self.version, *self.earlier):
            raise FormatError(f"OME-Zarr {stated} is not understood here; known are 0.1 to 0.5.")
        return base

    def _axes(self, multiscale: Document, version: str | None, ndim: int | None) -> list[Axis]:
        """Take the axes out of an entry; before 0.3 they were always t, c, z, y, x, in 0.3 names alone."""
        if "coordinateSystems" in multiscale:
            raise FormatError("The image has coordinateSystems, which OME-Zarr has from 0.6 on; known are 0.1 to 0.5.")
        given = multiscale.pop("axes", None)
        if given is None and version not in self._without("axes"):
            raise FormatError(f"The image names no axes, which OME-Zarr {version or self.version} demands.")
        axes = [Axis.parse(axis) for axis in ("tczyx"[-(ndim or 5) :] if given is None else entries_of(given))]
        if len(axes) != (ndim or max(1, len(axes))):
            names = ",".join(axis.name for axis in axes)
            raise InputError(f"The axes {names} do not describe an array of {ndim} dimensions.")
        if not axes:
            raise FormatError(f"The axes of an image are a list with one for each dimension (got {show(given)}).")
        return axes

    def _steps(self, dataset: Document, where: str, version: str | None, ndim: int) -> list[Transformation]:
        """Take the transformations of a level; before 0.4 there were none, and an empty list stands for that."""
        given = dataset.get("coordinateTransformations")
        if given is not None:
            return parse_transformations(given, ndim, where)
        if version not in self._without("coordinateTransformations"):
            raise FormatError(
                f"{where} has no coordinateTransformations, which OME-Zarr {version or self.version} demands."
            )
        return []

    def _without(self, what: str) -> tuple[str | None, ...]:
        """Return the versions whose images may lack something; None stands for one that states no version."""
        last = {"axes": "0.3", "coordinateTransformations": "0.4"}[what]
        return (None, *(version for version in self.earlier if version < last)) if self.earlier else ()

    def multiscale(
        self, axes: list[Document], datasets: Sequence[Mapping[str, Any]], name: str, **optional: Any
    ) -> Document:
        """Return the document of an image with these `axes` and `datasets`; None is left out."""
        extra = {key: value for key, value in optional.items() if value is not None}
        return {"multiscales": [self.dialect.stamp({"name": name, "axes": axes, "datasets": list(datasets), **extra})]}

    def labels(self, names: Sequence[str]) -> Document:
        """Return the document of the group of an image's labels."""
        return {"labels": list(names)}

    def image_label(self, **parts: Any) -> Document:
        """Make the `image-label` part of a label image; None is left out."""
        return {"image-label": self.dialect.stamp({key: value for key, value in parts.items() if value is not None})}

    def plate(self, **parts: Any) -> Document:
        """Make the document of a plate; None is left out."""
        return {"plate": {**{k: v for k, v in parts.items() if v is not None}, "version": self.version}}

    def well(self, images: list[Document]) -> Document:
        """Make the document of a well."""
        return {"well": self.dialect.stamp({"images": images})}

    # Rules ---------------------------------------------------------------------------------------------------------

    def findings(self, attributes: Any, kind: str | None = None) -> list[Finding]:
        """Collect every rule for documents that the attributes of a group break.

        Args:
            attributes: what stands in the group's attributes (0.5: with its `ome` key); any JSON value.
            kind: "image", "labels", "label", "plate", "well" or "bf2raw"; None finds out.

        Raises:
            OptionError: there is no such kind.
        """
        return list(document_findings(attributes, kind, self.dialect))

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
            findings += transformation_findings(transformations, ndim, f"coordinate_transformations[{index}]")
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
    """Return the whole number of times that `part` is shorter than `full`, or the plain ratio where there is none."""
    nearest = max(1, round(full / max(part, 1)))
    return float(nearest) if part in (-(-full // nearest), full // nearest) else full / part
