"""Spaces and the ways between them: coordinate systems, transformations of points, and the graph of both."""
