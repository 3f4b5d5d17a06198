"""
Properties that are found out once, without a lock.

Up to Python 3.11 those of functools have one lock for all objects of a class. A child of a fork inherits it held, if
another thread of its parent was finding one out, and waits for ever at its own first; and threads wait for each other.
https://docs.python.org/3/library/functools.html#functools.cached_property
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING or sys.version_info >= (3, 12):
    cached_property = functools.cached_property
else:

    class CachedProperty(functools.cached_property):
        """Find out a property once for each object, or twice, if two threads ask for it at the same time."""

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            # Once it is here, Python does not ask again: https://docs.python.org/3/howto/descriptor.html
            value = instance.__dict__[self.attrname] = self.func(instance)
            return value

    cached_property = CachedProperty
