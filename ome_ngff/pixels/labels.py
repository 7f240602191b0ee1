"""Labels as pixels: integers, and methods that invent no values."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from ..exceptions import LabelError, OptionError
from ..text import show
from .methods import Method, Methods, find_method
from .scaler import Scaler
from .source import as_source

log = logging.getLogger("ome_ngff")


def as_labels(labels: Any) -> Any:
    """Return labels as a source of integers; bool becomes uint8, with a note in the log.

    Raises:
        LabelError: they are floats.
    """
    source = as_source(labels)
    if source.dtype.kind == "b":
        log.info("Labels are integers: bool is written as uint8, 0 and 1.")
        return source.view(np.uint8) if isinstance(source, np.ndarray) else as_dask(source).astype(np.uint8)
    if source.dtype.kind == "f":
        raise LabelError(
            f"Labels are integers (got {source.dtype}); convert with labels.astype('uint32') once all values are whole."
        )
    return source


def as_dask(source: Any) -> Any:
    """Return a source as a dask array."""
    import dask.array as da

    return source if hasattr(source, "dask") else da.from_array(source)


def method_given(method: str | Methods | Method, scaler: Scaler | None) -> Method:
    """Return the method that is meant: that of a scaler, where one is given."""
    if scaler is not None and not hasattr(scaler, "reducer"):
        raise OptionError(f"scaler is a Scaler (got {show(scaler)}).")
    return find_method(method) if scaler is None else scaler.reducer


def label_method(method: str | Methods | Method | None, scaler: Scaler | None) -> Method:
    """Return the method that makes the levels of labels.

    Raises:
        LabelError: it invents values.
    """
    found = method_given(method or "mode", scaler)
    if found.invents:
        kept = " or ".join(repr(m.value) for m in Methods if not m.method.invents)
        raise LabelError(f"{found.name!r} invents values between labels; use method={kept}.")
    return found
