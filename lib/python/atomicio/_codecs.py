# SPDX-License-Identifier: MIT
"""The library's registry of formats: one for the process, made when it is
first needed, and another one for each directory of plugins that is added."""
from __future__ import annotations

import errno
import os
import threading
from ctypes import byref, c_char_p, c_void_p
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from . import _library
from ._library import CFormatInfo, CFormatsOptions, LibraryError, lib

_guard = threading.Lock()
_registry: Optional[int] = None
_codecs: Dict[str, int] = {}  # of the library itself
_added: List[str] = []  # directories, the last one first


class CodecInfo(NamedTuple):
    """What the library says of a format."""

    name: str
    kind: str
    suffixes: Tuple[str, ...]
    source: str
    reason: Optional[str]  # why it cannot be used


def _new_registry(added: List[str]) -> int:
    """MemoryError.  (Where no directory is named, the library looks where it
    does by itself, and does not mind when nothing is there.)"""
    options = CFormatsOptions(version=_library.VERSION,
                              host=_library.FORMAT_HOST)
    if added:
        usual, n = lib.atio_formats_default_dirs(), 0
        dirs = [os.fsencode(path) for path in added]
        while usual[n]:
            if os.path.exists(usual[n]):
                dirs.append(usual[n])
            n += 1
        options.dirs = (c_char_p * (len(dirs) + 1))(*dirs)
    out = c_void_p()
    code = lib.atio_formats_new(byref(options), byref(out), None)
    if code < 0:
        raise MemoryError(LibraryError(-code).text)
    assert out.value is not None
    return out.value


def add_directory(path: str) -> None:
    """Plugins of @path go before others of the library; OSError.  A registry
    that there is stays, for the files that were made with it."""
    global _registry
    path = str(Path(path).resolve(strict=True))
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR),
                                 path)
    with _guard:
        added = [path, *(one for one in _added if one != path)]
        new = _new_registry(added)
        for info in _known(new):
            if info.kind == "directory" and info.source == path:
                lib.atio_formats_free(new)
                raise PermissionError(errno.EACCES, info.reason, path)
        _added[:] = added
        _registry = new


def registry() -> int:
    """A struct atio_formats, for the life of the process; MemoryError."""
    global _registry
    if _registry is None:
        with _guard:
            if _registry is None:
                _registry = _new_registry([])
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
    return _known(registry())


def _known(formats: int) -> Iterator[CodecInfo]:
    info = CFormatInfo()
    for n in range(lib.atio_formats_count(formats)):
        if lib.atio_formats_info(formats, n, byref(info)) == 0:
            yield CodecInfo(info.name.decode(errors="replace"),
                            info.kind.decode(), tuple(_words(info)),
                            info.source.decode(errors="replace"),
                            info.reason.decode(errors="replace")
                            if info.reason else
                            None if info.loaded else "not loaded")
