"""Versions of OME-NGFF: siblings over what they share. A new one is a class of its own and a line in `registry`."""
