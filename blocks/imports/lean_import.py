"""The import of Great Expectations without what no check of Winnow uses: it takes less than half of its CPU time.

Great Expectations imports SciPy's statistics and altair for the expectation on the KL divergence alone, and makes a
model for each file format that pandas reads. Winnow hands it frames. Where another release of it is built otherwise,
the import is slower and nothing is missing.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from blocks.imports.import_lock import IMPORT_LOCK

LATE = frozenset({"altair", "scipy.stats"})
"""Modules that are loaded at the first use of something in them."""
FORMATS, METHODS_FINDER = "great_expectations.datasource.fluent.dynamic_pandas", "_extract_io_methods"
"""The module that makes a model for each format, and its function that lists what pandas can read."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import Great Expectations in this block, under the lock for imports."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is loaded otherwise than by default."""
        if name not in LATE and name != FORMATS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LateLoader(spec.loader) if name in LATE else _WithoutFormats(spec.loader)
        return spec


class _LateModule(ModuleType):
    """A module that is loaded, under the lock for imports, at the first look at a name in it.

    Unlike importlib's lazy module it is safe among threads, and programs that only look at every module's file, as
    `inspect` does, do not load it.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and name not in {"__path__", "__all__"}:
            raise AttributeError(name)
        with IMPORT_LOCK:
            loader: Loader | None = self.__dict__.pop("_late_loader", None)
            if loader is not None:
                if self.__spec__ is not None and self.__spec__.submodule_search_locations is not None:
                    self.__path__ = self.__spec__.submodule_search_locations
                loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]  # from here on a module like any other
        return ModuleType.__getattribute__(self, name)  # the class of `self` may be another by now


class _Wrapper(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)


class _LateLoader(_Wrapper):
    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["_late_loader"] = self._loader
        module.__dict__.pop("__path__", None)  # looking for a submodule loads the module too
        module.__class__ = _LateModule


class _WithoutFormats(_Wrapper):
    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        if hasattr(module, METHODS_FINDER):
            setattr(module, METHODS_FINDER, lambda *_arguments, **_options: [])
