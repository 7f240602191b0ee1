"""Validate what is there."""

from __future__ import annotations

from pathlib import Path

from ome_ngff import Finding, Format, MissingError, NgffError, Report, ValidationError, format_from_version, validate


def faults(path: Path, *, strict: bool = False) -> list[Finding]:
    """Return what is wrong with an image."""
    report: Report = validate(path, strict=strict)
    return [finding for finding in report.findings if finding.severity == "error"]


def version(text: str) -> str | None:
    """Return the version that a text names, where there is one."""
    try:
        found: Format = format_from_version(text)
    except ValueError:  # FormatError is one
        return None
    return found.version


def rules(error: NgffError) -> list[str]:
    """Return the rules that an error says were broken."""
    if isinstance(error, ValidationError):
        return [finding.rule for finding in error.findings]
    return []


def missing(path: Path) -> bool:
    """Return whether there is nothing."""
    try:
        faults(path)
    except MissingError as error:  # an OSError
        return error.errno is None
    return False
