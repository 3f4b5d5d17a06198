"""
The version of the package, which `pyproject.toml` reads too.
"""

VERSION = "4.0.0.dev0"
