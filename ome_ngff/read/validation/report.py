"""The result of checking a store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from ...exceptions import Finding, ValidationError

SEVERITIES = ("error", "warning", "note")


@attrs.frozen
class Report:
    """The result of checking a store.

    Attributes:
        path: what was checked.
        kind: "image", "label image", "labels", "plate", "well", "bioformats2raw" or "group"; None if nothing there
            could be OME-Zarr.
        version: OME-NGFF version whose rules were applied.
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
