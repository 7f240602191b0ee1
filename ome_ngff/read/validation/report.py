"""What came out of checking a store."""

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
    """Hold the findings about a store.

    Attributes:
        path: what was checked.
        kind: "image", "label image", "labels", "plate", "well", "bioformats2raw" or "group"; None where there is
            nothing that could be OME-Zarr.
        version: of OME-NGFF whose rules were asked.
        findings: in the order in which the hierarchy was walked. With `strict=True` warnings have become errors.
        seen: how many images, labels, plates, wells, arrays and chunks were looked at.
    """

    path: str
    kind: str | None
    version: str | None
    findings: tuple[Finding, ...]
    seen: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Count the findings by severity: error, warning, note."""
        counted: Counter[str] = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in SEVERITIES}

    @property
    def valid(self) -> bool:
        """Tell whether there is no error."""
        return self.counts["error"] == 0

    def raise_for_errors(self) -> None:
        """Raise `ValidationError`, which has all errors in `findings`, if there are any."""
        if not self.valid:
            raise ValidationError([finding for finding in self.findings if finding.severity == "error"])

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
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
        """Return all of it as JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def stricter(findings: list[Finding]) -> list[Finding]:
    """Turn warnings into errors."""
    return [attrs.evolve(f, severity="error") if f.severity == "warning" else f for f in findings]
