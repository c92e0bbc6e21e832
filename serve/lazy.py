"""A module that is imported at its first use, although others import it earlier."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a module until one of its names is used.

    `importlib.util.LazyLoader` does not serve here: `import` itself looks at the module's specification, and that
    loads it (Python 3.11).
    """

    def __getattr__(self, name: str) -> Any:
        """Called for names that this object does not have: all of the real module's."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def postpone(name: str) -> None:
    """Have `import name` give a `LazyModule`, unless the module is there already."""
    sys.modules.setdefault(name, LazyModule(name))
