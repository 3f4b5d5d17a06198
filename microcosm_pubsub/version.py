"""
The version of the package, which `setup.py` reads too.
"""

VERSION = "4.0.0.dev0"
