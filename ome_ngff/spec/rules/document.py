"""The rules for metadata documents as a whole, and `document_findings`, which applies all rules for documents.

Nothing here opens a store, and no JSON value makes a rule raise.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...exceptions import Finding
from ...text import refuse_unknown, show
from ..dialect import Dialect
from .book import MISSING, Entry, Faults, Rules, entries
from .image import image_findings
from .label import label_findings
from .plate import LAYOUT, SERIES, WELL, plate_findings
from .scenes import scene_findings

KINDS = {
    "image": ("multiscales",),
    "labels": ("labels",),
    "label": ("multiscales", "image-label"),
    "plate": ("plate",),
    "well": ("well",),
    "bf2raw": ("bioformats2raw.layout", "series"),
    "scene": ("scene",),
}


def stated_version(document: Any) -> str | None:
    """Return the version that a document states at its top (0.5) or in its first part (0.4); None if it states none."""
    parts = [document, *(part for _, part in _parts(document))]
    if isinstance(document, Mapping):
        parts.append(document.get("omero"))
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("version"), (str, float)):
            return str(part["version"])
    return None


def document_findings(attributes: Any, kind: str | None, dialect: Dialect) -> Iterator[Finding]:
    """Yield every violation of the rules for documents by the attributes of a group.

    Args:
        attributes: the attributes, any JSON value.
        kind: what the document should be, one of `KINDS`; None accepts any of them.
        dialect: that of the version whose rules apply.

    Raises:
        OptionError: the kind is unknown.
    """
    refuse_unknown([] if kind is None else {kind} - set(KINDS), KINDS, "kind")
    absent = list(ATTRIBUTES(attributes, kind, dialect))
    yield from absent
    if any(finding.rule == "version-known" for finding in absent):
        return
    for part in (dialect.unwrap(attributes), dialect.strip(attributes)) if isinstance(attributes, Mapping) else ():
        yield from VALUES(part)
    if not absent:
        document = dialect.unwrap(attributes)
        yield from VERSIONS(document, dialect, version=dialect.version)
        yield from image_findings(document, dialect)
        yield from label_findings(document, kind)
        yield from plate_findings(document, dialect.version)
        for key, rules in (("well", WELL), ("bioformats2raw.layout", LAYOUT), ("series", SERIES)):
            if key in document:
                yield from rules(document[key], version=dialect.version)
        if "scene" in document and dialect.spaces:
            yield from scene_findings(document, dialect.version)


ATTRIBUTES = Rules("image")


@ATTRIBUTES.must("attributes-form", at="", wrong=["multiscales"], form=True)
def _attributes_form(attributes: Any, kind: str | None, dialect: Dialect) -> Faults:
    """OME-NGFF metadata MUST be stored as attributes in the corresponding Zarr groups."""
    if not isinstance(attributes, Mapping):
        what = f"The attributes of a group must be a dict (got {show(attributes)})."
        yield "attributes", what, "Pass the attributes of one group."


@ATTRIBUTES.must("version-known", at="version", wrong="0.6.dev3", form=True, since="0.5")
def _known(attributes: Mapping[str, Any], kind: str | None, dialect: Dialect) -> Faults:
    """Drafts had versions of their own, such as 0.6.dev3, and rules of their own: they MUST NOT be judged by others."""
    stated = dialect.unwrap(attributes).get("version") if dialect.namespace else None
    known = (dialect.version, *dialect.earlier)
    if isinstance(stated, str) and stated not in known and re.match(r"0\.(6[^\d]|[7-9])", stated):
        what = f"OME-Zarr {show(stated)} is not known here, so nothing else of it was checked."
        yield "version", what, "Check it with what wrote it, or write it again as OME-Zarr 0.6."


@ATTRIBUTES.must("document-kind", at="multiscales", wrong=MISSING)
def _kind(attributes: Mapping[str, Any], kind: str | None, dialect: Dialect) -> Faults:
    """The "OME-Zarr Metadata" contains metadata keys as specified below for discovering certain types of data."""
    known = dict.fromkeys(key for keys in KINDS.values() for key in keys if key != "scene" or dialect.spaces)
    wanted, there = KINDS[kind] if kind else known, dialect.unwrap(attributes)
    if not any(key in there for key in wanted if key in known):
        named = show(list(there or attributes))
        what = f"There must be {' or '.join(wanted)} of OME-NGFF {dialect.version} (got {named})."
        other = [key for key in (*known, "ome") if key in attributes and not there and key != dialect.namespace]
        hint = f"Check it as another version, which has {', '.join(other)} there." if other else ""
        yield "attributes", what, hint or "Is this the right group?"


VERSIONS = Rules("image")
_VERSION = 'Write "version": "{}", or check the document as its own version.'


def _parts(document: Any) -> Iterator[Entry]:
    if isinstance(document, Mapping):
        yield from entries(document.get("multiscales"), "multiscales")
        yield from (Entry(key, document[key]) for key in PARTS if isinstance(document.get(key), Mapping))


PARTS = ("plate", "well", "image-label")


@VERSIONS.must("version", at="version", wrong=0.5, since="0.5")
def _version(document: Mapping[str, Any], dialect: Dialect) -> Faults:
    """The version of the OME-Zarr Metadata is denoted as a string in the `version` attribute within the `ome`
    namespace."""
    if document.get("version") != dialect.version:
        what = f"The version must be {dialect.version!r} (got {show(document.get('version'))})."
        yield "version", what, _VERSION.format(dialect.version)


@VERSIONS.must("version-consistent", at="multiscales[0].version", wrong="0.3", until="0.5")
def _version_consistent(document: Mapping[str, Any], dialect: Dialect) -> Faults:
    """The OME-Zarr Metadata version MUST be consistent within a hierarchy."""
    for where, part in _parts(document):
        if part.get("version", dialect.version) != dialect.version:
            what = f"The version must be {dialect.version!r} (got {show(part['version'])})."
            yield f"{where}.version", what, _VERSION.format(dialect.version)


@VERSIONS.should("version-given", at="multiscales[0].version", wrong=MISSING, until="0.4")
def _version_given(document: Mapping[str, Any], dialect: Dialect) -> Faults:
    """It SHOULD contain the field "version", which indicates the version of the multiscale metadata of this image."""
    for where, part in _parts(document):  # plates have a rule of their own
        if "version" not in part and where != "plate":
            yield where, f"{where} should state the version.", f'Add "version": "{dialect.version}" to it.'


VALUES = Rules("image")
_MOST = 20  # values that are named, per document


@VALUES.must("json-values", at="multiscales[0].metadata.threshold", wrong=math.nan)
def _json_values(part: Mapping[str, Any]) -> Faults:
    """Metadata is JSON: "Numeric values that cannot be represented in the grammar (such as Infinity and NaN) are not
    permitted" (RFC 8259). Browsers do not read such a file at all."""
    if _is_json(part):
        return
    odd = list(itertools.islice(_not_json(part), _MOST))
    for where, value in odd:
        hint = "write null" if isinstance(value, float) else "convert NumPy values with .item() or .tolist()"
        yield where, f"JSON cannot represent {show(value)} ({type(value).__name__}).", f"Leave it out, or {hint}."
    if not odd:
        yield "attributes", "The values are nested too deeply, or contain themselves.", "Nest them less deeply."


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _not_json(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield place and value of all that JSON cannot represent; a value that contains itself is visited once."""
    waiting: list[tuple[str, Any]] = [("", part)]
    entered: set[int] = set()
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            inner = [(f"{where}.{key}", item) for key, item in value.items()]
            yield from ((f"{where}.{key}".removeprefix("."), key) for key in value if not _is_json({key: None}))
        elif isinstance(value, (list, tuple)):
            inner = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
        elif _is_json(value):
            continue
        else:
            yield where.removeprefix("."), value
            continue
        if id(value) not in entered:
            entered.add(id(value))
            waiting += reversed(inner)
