"""Spaces and the ways between them: coordinate systems, transformations of points, and the graph of both."""

from . import simple, stored, wrappers  # noqa: F401  # every type of transformation is known to `parse_transformation`
