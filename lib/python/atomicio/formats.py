# SPDX-License-Identifier: MIT
"""Formats: which files are read and written how.

The library's formats (json, yaml, toml, txt, csv, xml, gzip over each, and its
plugins) are joined by what register_format() adds.  The longest suffix that a
file's name ends with decides, whatever its case: ``.users.json`` before
``.json``.  At the same length one that was registered goes before one of the
library.

Packages can bring formats by an entry point of the group ``atomicio.formats``,
which names a function that registers them (or a module that does so when it is
imported).  They are loaded when formats are first looked at.  One that fails is
listed by plugin_failures() and changes nothing for the others; what the program
registers itself goes before what they bring.

use_formats_dir() adds a directory of the library's plugins, in any language.
"""
from __future__ import annotations

import csv
import io
import os
import threading
from importlib import metadata
from types import ModuleType
from typing import (IO, Any, Callable, Dict, Iterator, List, Mapping,
                    NamedTuple, Optional)

from . import _codecs, _library, _values
from ._memory import FormatFile, KeptBytes

__all__ = [
    "FORMAT_REGISTRY", "Format", "FormatFile", "list_supported_formats",
    "plugin_failures", "register_format", "unregister_format",
    "use_formats_dir",
]

ENTRY_POINTS = "atomicio.formats"

Loader = Callable[[Any], Any]
Dumper = Callable[[Any, Any], None]


# ---- loaders and dumpers ---------------------------------------------------

# What a loader raises that was given text and wanted bytes, and the reverse.
_NOT_TEXT = (TypeError, UnicodeError, io.UnsupportedOperation)
_NOT_BYTES = (*_NOT_TEXT, csv.Error)


class Format(NamedTuple):
    """A loader and a dumper; both may raise anything.

    loader(file) returns the value.  @file is a FormatFile; a loader that fails
    with it as one fails that needs bytes (TypeError, UnicodeError) is called
    once more with a binary file.  (One that fails otherwise, as zipfile does,
    or that should be called once only, reads from file.buffer.)
    dumper(value, file) writes to a FormatFile.
    """

    loader: Loader
    dumper: Dumper
    source: str = "program"  # or "plugin", "library"

    def load(self, content: bytes, name: str = "") -> Any:
        try:
            return self.loader(FormatFile(content, name))
        except _NOT_TEXT as e:
            first = e
        try:
            return self.loader(KeptBytes(content, name))
        except _NOT_BYTES:  # that was not it
            raise first from None

    def dump(self, value: Any, name: str = "") -> bytes:
        file = FormatFile(name=name)
        self.dumper(value, file)
        return file.all()


# ---- those of the library --------------------------------------------------

def _library_format(suffix: str) -> Format:
    def loader(file: IO[Any]) -> Any:
        content = file.read()
        if isinstance(content, str):
            content = content.encode()
        return _values.from_document(
            _library.load(_codecs.codec_of(suffix), content))

    def dumper(value: Any, file: IO[Any]) -> None:
        document = _values.to_document(value)
        content = _library.dump(_codecs.codec_of(suffix), document.root())
        try:
            text = content.decode()
        except UnicodeDecodeError:
            file.write(content)
        else:
            file.write(text)

    return Format(loader, dumper, "library")


# ---- the registry ----------------------------------------------------------

def _normal(suffix: str) -> str:
    """".csv" for "CSV"; TypeError, ValueError."""
    if not isinstance(suffix, str):
        raise TypeError("a suffix is a str, "
                        f"not {type(suffix).__name__}")
    suffix = suffix.lower()
    if not suffix.startswith("."):
        suffix = "." + suffix
    if suffix == "." or "/" in suffix or "\0" in suffix:
        raise ValueError(f"{suffix!r} is no suffix of a file name")
    return suffix


class _Registry:
    """All formats.  ``table`` is replaced, not changed: whoever looks at it
    needs no lock."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.loading = threading.RLock()  # held while plugins are loaded
        self.loaded = False
        self.failures: Dict[str, str] = {}
        self.failures_of_library: Dict[str, str] = {}
        self.of_library: Dict[str, Format] = {}
        self.of_plugins: Dict[str, Format] = {}
        self.of_program: Dict[str, Format] = {}
        self.table: Dict[str, Format] = {}

    def after_fork(self) -> None:
        self.guard = threading.Lock()
        self.loading = threading.RLock()

    def _renew(self) -> None:
        """With the guard held."""
        self.table = {**self.of_library, **self.of_plugins, **self.of_program}

    def add(self, suffix: str, new: Format) -> None:
        with self.guard:
            part = (self.of_plugins if new.source == "plugin"
                    else self.of_program)
            part[suffix] = new
            self._renew()

    def remove(self, suffix: str) -> bool:
        with self.guard:
            found = self.of_program.pop(suffix, None)
            if found is None:
                found = self.of_plugins.pop(suffix, None)
            self._renew()
        return found is not None

    def get(self) -> Dict[str, Format]:
        """The table, with plugins."""
        if not self.loaded:
            with self.loading:
                if not self.loaded:
                    self.loaded = True  # also for what they call themselves
                    self._load()
        return self.table

    def load_library(self) -> None:
        """What the library knows now."""
        known: Dict[str, Format] = {}
        failures: Dict[str, str] = {}
        for info in _codecs.known():
            if info.reason is not None:
                failures[info.name] = info.reason
            for suffix in info.suffixes if info.reason is None else ():
                known[suffix.lower()] = _library_format(suffix)
        with self.guard:
            self.of_library, self.failures_of_library = known, failures
            self._renew()

    def _load(self) -> None:
        self.load_library()
        points: Any = metadata.entry_points()
        # Before Python 3.10 it was a dict.
        ours = (points.select(group=ENTRY_POINTS)
                if hasattr(points, "select") else
                points.get(ENTRY_POINTS, ()))
        for point in sorted(ours, key=lambda p: str(p.name)):
            self._load_one(point)

    def _load_one(self, point: metadata.EntryPoint) -> None:
        _by_plugin.active = True
        try:
            found = point.load()
            if callable(found):
                found()
            elif not isinstance(found, ModuleType):
                raise TypeError(f"{point.value} is no function")
        except (Exception, SystemExit) as e:
            self.failures[point.name] = f"{type(e).__name__}: {e}"
        finally:
            _by_plugin.active = False


class _ByPlugin(threading.local):
    active = False


_by_plugin = _ByPlugin()
_registry = _Registry()
os.register_at_fork(after_in_child=_registry.after_fork)


class _View(Mapping[str, Format]):
    """Live: the formats by suffix, lower case with the dot."""

    def __getitem__(self, suffix: str) -> Format:
        return _registry.get()[suffix]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(_registry.get()))

    def __len__(self) -> int:
        return len(_registry.get())

    def __repr__(self) -> str:
        return f"FORMAT_REGISTRY({list(self)})"


FORMAT_REGISTRY: Mapping[str, Format] = _View()


def register_format(ext: str, loader: Loader, dumper: Dumper) -> None:
    """Read and write files whose names end with @ext by these functions.

    @ext: with or without its dot, in any case; may be long (".users.json") and
    one that is there already, also of the library.  @loader and @dumper: see
    Format.  TypeError, ValueError: that is no suffix or no function.
    """
    suffix = _normal(ext)
    for function in (loader, dumper):
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called")
    source = "plugin" if _by_plugin.active else "program"
    _registry.add(suffix, Format(loader, dumper, source))


def unregister_format(ext: str) -> bool:
    """Undo register_format(); what it overrode is there again.  False: it was
    not registered."""
    return _registry.remove(_normal(ext))


def list_supported_formats() -> List[str]:
    """The suffixes that are known, sorted."""
    return sorted(_registry.get())


def plugin_failures() -> Dict[str, str]:
    """Why plugins (entry points, and those of the library) are not used, by
    name."""
    _registry.get()
    return {**_registry.failures_of_library, **_registry.failures}


def use_formats_dir(path: "str | os.PathLike[str]") -> None:
    """Take plugins (NAME.conf, NAME.so) from this directory, too, for files
    that are made from now on.

    It goes before those that were added earlier, and these before the ones of
    this machine.  It and what is in it must belong to root or to this user, and
    not be writable by others: OSError if that is not so of the directory, and
    plugin_failures() says it of a plugin.
    """
    path = os.fspath(path)
    _registry.get()
    with _registry.loading:
        _codecs.add_directory(path)
        _registry.load_library()


def find(path: "os.PathLike[str]") -> Optional[Format]:
    """The format of that file; None: there is none."""
    name = os.path.basename(os.fspath(path)).lower()
    table = _registry.get()
    dot = name.find(".")
    while dot >= 0:
        found = table.get(name[dot:])
        if found is not None:
            return found
        dot = name.find(".", dot + 1)
    return None
