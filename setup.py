"""Hand over to setup.cfg, which holds all that there is to say about the package."""

from setuptools import setup

setup()
