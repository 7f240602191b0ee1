"""Measure speed and memory; `python -m benchmarks --help` says what there is."""
