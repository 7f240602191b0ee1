"""The errors of the package: one family, each also the built-in that a caller would expect.

Every message says what was wanted, what came, and the way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import attrs


@attrs.frozen
class Finding:
    """One fault of a document or a store.

    Attributes:
        severity: "error" for a MUST of the specification, "warning" for a SHOULD, "note" for what is worth knowing.
        rule: id of the rule, such as "axes-order".
        where: the place in the document or the store.
        what: what was wanted there and what was found.
        hint: what to do about it.
    """

    severity: Literal["error", "warning", "note"]
    rule: str
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        way_out = f" {self.hint}" if self.hint else ""
        return f"{self.severity} [{self.rule}] {self.where}: {self.what}{way_out}"


class NgffError(Exception):
    """Catch this to catch every error that the package raises on purpose."""


class AxesError(NgffError, ValueError):
    """The axes are not what OME-NGFF allows, or do not fit the array."""


class ScaleError(NgffError, ValueError):
    """A scale, a translation, a unit or a ladder of scale factors cannot be used."""


class MethodError(NgffError, ValueError):
    """The downsampling method is unknown, or cannot be used for this dtype."""


class ChunkError(NgffError, ValueError):
    """The chunks or shards do not fit the array or each other."""


class CodecError(NgffError, ValueError):
    """The compression is unknown or not available in this Zarr format."""


class FormatError(NgffError, ValueError):
    """The OME-NGFF version is unknown, or does not fit the Zarr version of the group."""


class ValidationError(FormatError):
    """A metadata document breaks rules of the specification; `findings` holds all of them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class SpaceError(NgffError, ValueError):
    """A transformation is wrong or cannot be applied, or there is no such coordinate system, or no way to it."""


class LabelError(NgffError, ValueError):
    """The array cannot be a label image, or contradicts the image that it belongs to."""


class InputError(NgffError, ValueError):
    """The source of the pixels cannot be read as an image."""


class BatchError(NgffError, ValueError):
    """Some of many inputs could not be converted; the others were. `done` says of each what became of it."""

    def __init__(self, message: str, done: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.done = tuple(done)


class OptionError(NgffError, TypeError, ValueError):
    """An argument or option has a name, a type or a value that is not known here."""


class StoreError(NgffError, OSError):
    """The target or the source on disk is not what was asked for."""


class ExistsError(StoreError, FileExistsError):
    """The target already holds an image, a label or an array."""


class MissingError(StoreError, FileNotFoundError):
    """There is no group, array, level or label at this place."""


class IncompleteError(StoreError):
    """The image was never finished; `resume=True` finishes it."""


class LostError(StoreError):
    """Temporary pixels of a write that is under way are gone; `resume=True` makes them anew."""


class TakenOverError(StoreError):
    """Another process has begun or resumed a write of the same image; this one has stopped, and harmed nothing."""


class QueueFullError(NgffError, BlockingIOError):
    """The queue of a stream has no room for a frame, and the caller does not wait; nothing was taken."""
