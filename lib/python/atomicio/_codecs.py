# SPDX-License-Identifier: MIT
"""The library's registry of formats: one for the process, made when it is
first needed."""
from __future__ import annotations

import threading
from ctypes import byref, c_void_p
from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from ._library import CFormatInfo, LibraryError, lib

_guard = threading.Lock()
_registry: Optional[int] = None
_codecs: Dict[str, int] = {}


class CodecInfo(NamedTuple):
    """What the library says of a format."""

    name: str
    suffixes: Tuple[str, ...]
    source: str
    reason: Optional[str]  # why it cannot be used


def registry() -> int:
    """A struct atio_formats, for the life of the process; MemoryError."""
    global _registry
    if _registry is None:
        with _guard:
            if _registry is None:
                out = c_void_p()
                code = lib.atio_formats_new(None, byref(out), None)
                if code < 0:
                    raise MemoryError(LibraryError(-code).text)
                _registry = out.value
    assert _registry is not None
    return _registry


def codec(name: str) -> int:
    """The struct atio_format called @name; LookupError."""
    found = _codecs.get(name)
    if found is None:
        found = lib.atio_formats_by_name(registry(), name.encode())
        if found is None:
            raise LookupError(f"the library has no format {name}")
        _codecs[name] = found
    return found


def codec_of(suffix: str) -> int:
    """The struct atio_format of files with this suffix; LookupError."""
    found: Optional[int] = lib.atio_formats_by_path(registry(),
                                                    b"x" + suffix.encode())
    if found is None:
        raise LookupError(f"the library has no format for {suffix}")
    return found


def _words(info: CFormatInfo) -> Iterator[str]:
    n = 0
    while info.suffixes and info.suffixes[n]:
        yield info.suffixes[n].decode()
        n += 1


def known() -> Iterator[CodecInfo]:
    """All formats of the library, those that failed to load, too."""
    info = CFormatInfo()
    for n in range(lib.atio_formats_count(registry())):
        if lib.atio_formats_info(registry(), n, byref(info)) == 0:
            yield CodecInfo(info.name.decode(), tuple(_words(info)),
                            info.source.decode(errors="replace"),
                            info.reason.decode(errors="replace")
                            if info.reason else
                            None if info.loaded else "not loaded")
