#!/usr/bin/env python
"""
The entry for tools that run `setup.py`; the metadata stands in `pyproject.toml`.
"""

from setuptools import setup


setup()
