"""Whole stores against the specification: `validate` says what is wrong in a hierarchy, and what to do about it.

The rules for documents are in `spec.rules`. The rules here need more than one document: arrays, other groups, chunks.
`images.STORE_RULES` has them by id.
"""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import zarr
from zarr.storage import ZipStore

from ...engine import Progress, check_progress
from ...exceptions import Finding, MissingError, StoreError, ValidationError
from ...show import table, tag
from ...spec import CurrentFormat, Format, detect_format, format_from_version, format_implementations, kind_of
from ...store import nearest_place, opened, parse_json, refuse_large
from ...text import counted, cut, printable
from ..describe import find_place
from .chunks import check_chunks
from .members import FILE
from .tree import Tree
from .walk import Walk
from .zips import zip_findings

_MOST_SHOWN = 20  # findings
SEVERITIES = ("error", "warning", "note")


@attrs.frozen(repr=False)
class Report:
    """The result of checking a store.

    Attributes:
        path: what was checked.
        kind: "image", "label image", "labels", "plate", "well", "bioformats2raw" or "group"; None if nothing there
            could be OME-Zarr.
        version: OME-NGFF version whose rules were applied; None where that of a draft could not be.
        findings: in the order in which the hierarchy was walked. With `strict=True`, warnings have become errors.
        seen: number of images, labels, plates, wells, arrays and chunks that were checked.
    """

    path: str
    kind: str | None
    version: str | None
    findings: tuple[Finding, ...]
    seen: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by severity: error, warning, note."""
        counted: Counter[str] = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    @property
    def valid(self) -> bool:
        """Whether there are no errors."""
        return self.counts["error"] == 0

    def __str__(self) -> str:
        found = [counted(n, severity) for severity, n in self.counts.items() if n]
        version = f", OME-Zarr {self.version}" if self.version else ""
        said = ", ".join(["valid" if self.valid else "not valid", *found])
        return f"{printable(self.path)}: {self.kind or 'nothing of OME-Zarr'}{version}: {said}"

    def __repr__(self) -> str:
        short = self.path if len(self.path) <= 30 else f"...{self.path[-27:]}"
        lines = [f"<Report of {attrs.evolve(self, path=short)!s}"]
        lines += [cut(f"  {finding}", 100) for finding in self.findings[:_MOST_SHOWN]]
        lines += [f"  and {len(self.findings) - _MOST_SHOWN} more in .findings"] * (len(self.findings) > _MOST_SHOWN)
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        rows = [(f.severity, f.rule, f.where, f"{f.what} {f.hint}") for f in self.findings]
        found = table(("severity", "rule", "where", "what"), [[cut(x, 160) for x in row] for row in rows[:_MOST_SHOWN]])
        more = len(rows) - _MOST_SHOWN
        return tag("div", tag("b", "Report"), " ", str(self), found, f"and {more} more" if more > 0 else "")

    def raise_for_errors(self) -> None:
        """Raise a `ValidationError` with all errors in `findings`, if there are any."""
        if not self.valid:
            raise ValidationError([finding for finding in self.findings if finding.severity == "error"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict of JSON values."""
        return {
            "path": self.path,
            "kind": self.kind,
            "version": self.version,
            "valid": self.valid,
            "counts": self.counts,
            "seen": dict(self.seen),
            "findings": [attrs.asdict(finding) for finding in self.findings],
        }

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def stricter(findings: list[Finding]) -> list[Finding]:
    """Turn warnings into errors."""
    return [attrs.evolve(f, severity="error") if f.severity == "warning" else f for f in findings]


def validate(
    store: Any,
    *,
    strict: bool = False,
    data: bool = False,
    fmt: Format | str | None = None,
    progress: Progress = None,
    store_options: Mapping[str, Any] | None = None,
) -> Report:
    """Check an OME-Zarr hierarchy against the specification: its documents, and whether they agree with the store.

    Images, labels, plates with their wells and fields, and collections of bioformats2raw are checked. Whatever is in
    the store, the result is a report.

    Args:
        store: a path, a URL, a zip file, a `zarr.Group` or a Zarr store; or a JSON file with the attributes of a
            group (or its `zarr.json`), of which only the document is checked.
        strict: turn warnings into errors.
        data: decode every chunk too, and check every well of a plate that has more than 1536.
        fmt: OME-NGFF version whose rules apply; None takes the version that the root states.
        progress: with `data`, True for a bar, or a callable of (chunks done, chunks in all).
        store_options: for the store behind a URL, as in `write_image`.

    Raises:
        MissingError: nothing is stored there.
        StoreError: a JSON file cannot be read.
        FormatError: the version is unknown.
    """
    check_progress(progress)
    store = opened(store, store_options)
    asked = None if fmt is None else format_from_version(fmt)
    file = _document_file(store)
    if file is not None:
        return _check_file(file, asked, strict)
    place, path, name = find_place(store)
    tree = Tree(place, path)
    node = tree.open("")
    walk = Walk(tree, asked, everything=data)
    walk.root(node)
    if isinstance(place, ZipStore) and not path:
        zarr_format = node.metadata.zarr_format if isinstance(node, zarr.Group) else None
        walk.findings += zip_findings(place.path, zarr_format, walk.version)
    if node is None and not walk.findings:
        below = walk.groups_below()
        but = f", but below it: {below}" if below else ""
        raise MissingError(f"There is no Zarr group at {name}{but}.{nearest_place(name)}")
    if data:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Zarr has warned of codecs when the array was opened
            found, walk.seen["chunks"] = check_chunks(tree, list(walk.arrays), progress)
        walk.findings += found
    walk.finish()
    findings = stricter(walk.findings) if strict else walk.findings
    seen = {what: count for what, count in walk.seen.items() if count}
    return Report(name, walk.kind, walk.version, tuple(findings), seen)


def _document_file(place: Any) -> Path | None:
    """Return the path of a file that must be JSON; None for anything else."""
    if isinstance(place, (str, os.PathLike)) and "://" not in str(place):
        file = Path(place)
        if file.is_file() and file.suffix.lower() not in (".zip", ".ozx"):
            return file
    return None


def _check_file(file: Path, asked: Format | None, strict: bool) -> Report:
    """Check the attributes in a JSON file, which may be a `zarr.json`."""
    try:
        refuse_large(file.stat().st_size, str(file))
        content = file.read_bytes()
        attributes = parse_json(content, str(file))
    except OSError as error:
        raise StoreError(f"{error} Give a JSON file with the attributes of a group.") from error
    if isinstance(attributes, Mapping) and "zarr_format" in attributes and "attributes" in attributes:
        attributes = attributes["attributes"]
    known = attributes if isinstance(attributes, Mapping) else {}
    there = [fmt for fmt in format_implementations() if fmt.unwrap(known)]
    fmt = asked or detect_format(known, there[0] if there else CurrentFormat())
    findings = [*FILE(file.name, content, False), *fmt.findings(attributes)]
    kind = kind_of(fmt.unwrap(known)) if there else None
    judged = there and not any(finding.rule == "version-known" for finding in findings)
    return Report(str(file), kind, fmt.version if judged else None, tuple(stricter(findings) if strict else findings))
