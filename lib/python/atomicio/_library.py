# SPDX-License-Identifier: MIT
"""libatomicio: where it is, and what of it is called.

The library is, in this order: ``$ATOMICIO_LIBRARY``; the copy in this package;
the one that was installed together with it; the system's ``libatomicio.so.0``.
Beside the copy in this package is the program that runs shared objects for it.

ctypes releases the interpreter's lock during a call, so a call that waits for
the disk stops no other thread.
"""
from __future__ import annotations

import ctypes
import importlib
import os
from ctypes import (POINTER, Structure, byref, c_bool, c_char, c_char_p, c_int,
                    c_long, c_size_t, c_uint, c_uint64, c_void_p)
from typing import Any, List, Mapping, Optional

SONAME = "libatomicio.so.0"
HERE = os.path.dirname(os.path.abspath(__file__))

# errno values are used by name elsewhere; these are of atomicio/*.h.
VERSION = 1          # of every struct of options here
WAIT, TRY = -1, 0    # ATIO_WAIT, ATIO_TRY
UPDATE_DEEP = 1      # ATIO_UPDATE_DEEP
FLUSH_HERE = 2       # ATIO_TASK_FLUSH_HERE
AS_BYTES = 4         # ATIO_TASK_AS_BYTES
TO_JSON = 0          # enum atio_target

(READ, WRITE, UPDATE, READ_BYTES, WRITE_BYTES, APPEND, DELETE, LOCK,
 UNLOCK) = range(9)  # enum atio_task_kind

MIB = 1 << 20


class CValueError(Structure):
    """struct atio_value_error, with its struct atio_error unfolded."""

    _fields_ = [("code", c_int), ("text", c_char * 256), ("line", c_size_t),
                ("column", c_size_t), ("offset", c_size_t),
                ("has_pointer", c_bool), ("pointer", c_char * 256)]


_LIMIT_NAMES = ("input_bytes", "output_bytes", "depth", "nodes",
                "alias_nodes", "alias_bytes", "scalar_bytes", "key_bytes",
                "number_chars", "unzipped_bytes", "columns", "documents")


class CLimits(Structure):
    _fields_ = [("version", c_uint)] + [(name, c_size_t)
                                        for name in _LIMIT_NAMES]


class CFileOptions(Structure):
    _fields_ = [("version", c_uint), ("timeout_ms", c_long),
                ("formats", c_void_p), ("limits", POINTER(CLimits)),
                ("not_durable", c_bool)]


class CFormatsOptions(Structure):
    _fields_ = [("version", c_uint), ("dirs", POINTER(c_char_p)),
                ("builtin_only", c_bool), ("never_below_fd", c_int),
                ("host", c_char_p)]


class CRequest(Structure):
    """struct atio_task_request."""

    _fields_ = [("version", c_uint), ("kind", c_int), ("owner", c_uint64),
                ("value", c_void_p), ("flags", c_uint), ("bytes", c_char_p),
                ("len", c_size_t), ("timeout_ms", c_long)]


class CFormatInfo(Structure):
    """struct atio_format_info."""

    _fields_ = [("name", c_char_p), ("suffixes", POINTER(c_char_p)),
                ("source", c_char_p), ("kind", c_char_p), ("base", c_char_p),
                ("loaded", c_bool), ("can_load", c_bool),
                ("can_dump", c_bool), ("can_validate", c_bool),
                ("reason", c_char_p)]


# Of texts in which values come from and go to Python: those of the program
# itself, which may be large.  A nesting that json cannot follow would only fail
# later.  (Files may be nested as deep, and have the library's limits else.)
LIMITS = CLimits(version=VERSION, input_bytes=512 * MIB,
                 output_bytes=512 * MIB, depth=512, nodes=50_000_000,
                 scalar_bytes=512 * MIB, key_bytes=MIB, number_chars=MIB,
                 unzipped_bytes=512 * MIB, columns=65536)


class Limits:
    """The limits that a program has given, by their names; ValueError.

    ``file`` is of documents as files.  ``between`` is of the texts in which
    values come from and go to Python, which are not what was meant to be
    small.  (The limits of aliases are those of ``file``: that is where aliases
    are expanded.)
    """

    __slots__ = ("given", "file", "between")

    def __init__(self, given: Optional[Mapping[str, int]]) -> None:
        self.given = dict(given) if given else None
        self.file = CLimits(version=VERSION, depth=LIMITS.depth)
        self.between = CLimits.from_buffer_copy(LIMITS)
        for name, most in (self.given or {}).items():
            if name not in _LIMIT_NAMES:
                raise ValueError(f"there is no limit {name!r}, but there are "
                                 + ", ".join(_LIMIT_NAMES))
            if type(most) is not int or not 0 < most < _MOST_OF_ALL:
                raise ValueError(f"{name} is a number from 1, not {most!r}")
            setattr(self.file, name, most)
            setattr(self.between, name, max(most, getattr(LIMITS, name)))


_MOST_OF_ALL = 1 << 32  # each has a lower one in the library
_ERR = POINTER(CValueError)
_LIMITS = POINTER(CLimits)
_OUT = POINTER(c_void_p)

# name: (result, arguments)
_PROTOTYPES: "dict[str, tuple[Any, list[Any]]]" = {
    "atio_doc_free": (None, [c_void_p]),
    "atio_doc_root": (c_void_p, [c_void_p]),
    "atio_value_convert": (c_int, [c_void_p, c_int, _LIMITS, _OUT, _OUT,
                                   _ERR]),
    "atio_formats_default_dirs": (POINTER(c_char_p), []),
    "atio_formats_new": (c_int, [POINTER(CFormatsOptions), _OUT, c_void_p]),
    "atio_formats_free": (None, [c_void_p]),
    "atio_formats_by_name": (c_void_p, [c_void_p, c_char_p]),
    "atio_formats_by_path": (c_void_p, [c_void_p, c_char_p]),
    "atio_formats_count": (c_size_t, [c_void_p]),
    "atio_formats_info": (c_int, [c_void_p, c_size_t, POINTER(CFormatInfo)]),
    "atio_format_load": (c_int, [c_void_p, c_char_p, c_size_t, _LIMITS, _OUT,
                                 _ERR]),
    "atio_format_dump": (c_int, [c_void_p, c_void_p, _LIMITS, _OUT,
                                 POINTER(c_size_t), _ERR]),
    "atio_file_new": (c_int, [c_char_p, POINTER(CFileOptions), _OUT, _ERR]),
    "atio_file_free": (None, [c_void_p]),
    "atio_task_begin": (c_int, [c_void_p, POINTER(CRequest), _OUT, _ERR]),
    "atio_task_run": (c_int, [c_void_p]),
    "atio_task_fd": (c_int, [c_void_p]),
    "atio_task_take_doc": (c_void_p, [c_void_p]),
    "atio_task_take_bytes": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "atio_task_error": (_ERR, [c_void_p]),
    "atio_task_free": (None, [c_void_p]),
}


class LibraryError(Exception):
    """A call failed: what struct atio_value_error says.  Never leaves this
    package."""

    def __init__(self, code: int, err: Optional[CValueError] = None) -> None:
        self.code = code
        text = err.text.decode(errors="replace") if err is not None else ""
        self.text = text or os.strerror(code)
        self.line: Optional[int] = None
        self.column: Optional[int] = None
        self.offset: Optional[int] = None
        self.pointer: Optional[str] = None
        if err is not None and err.line:
            self.line, self.column = err.line, err.column
            self.offset = err.offset
        if err is not None and err.has_pointer:
            self.pointer = err.pointer.decode(errors="replace")
        super().__init__(self.text)


def _candidates() -> List[str]:
    given = os.environ.get("ATOMICIO_LIBRARY")
    if given:
        return [given]
    found = [os.path.join(HERE, SONAME)]
    try:  # meson writes it when it installs both
        installed = importlib.import_module("._installed", __package__)
        found.append(installed.LIBRARY)
    except ImportError:
        pass
    return [path for path in found if os.path.exists(path)] + [SONAME]


def _open() -> ctypes.CDLL:
    failures = []
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
            for symbol, (result, arguments) in _PROTOTYPES.items():
                function = getattr(library, symbol)
                function.restype = result
                function.argtypes = arguments
            return library
        except (OSError, AttributeError) as e:
            failures.append(f"{name}: {e}")
    raise ImportError("atomicio cannot load its library: "
                      + "; ".join(failures))


lib = _open()


def _find_host() -> Optional[bytes]:
    """The program of this package that runs shared objects.  None: the library
    knows better.  It is taken from beside a library that was, only: whoever
    could put another one there could put another library there."""
    path = os.path.join(HERE, "format-host")
    if (lib._name != os.path.join(HERE, SONAME) or not os.path.exists(path)
            or "ATOMICIO_FORMAT_HOST" in os.environ):
        return None
    return os.fsencode(path)


FORMAT_HOST = _find_host()

_free = ctypes.CDLL(None).free
_free.restype = None
_free.argtypes = [c_void_p]


def take_bytes(pointer: Optional[int], length: int) -> bytes:
    """The content of memory that the library gave to us, which is freed."""
    try:
        return ctypes.string_at(pointer, length) if pointer else b""
    finally:
        _free(pointer)


class Handle:
    """A struct atio_file."""

    __slots__ = ("pointer", "__weakref__")

    def __init__(self, path: bytes, formats: int, durable: bool,
                 limits: CLimits) -> None:
        self.pointer: Optional[int] = None
        options = CFileOptions(version=VERSION, timeout_ms=WAIT,
                               formats=formats, limits=ctypes.pointer(limits),
                               not_durable=not durable)
        out, err = c_void_p(), CValueError()
        code = lib.atio_file_new(path, byref(options), byref(out), byref(err))
        if code < 0:
            raise LibraryError(-code, err)
        self.pointer = out.value

    def __del__(self, free: Any = lib.atio_file_free) -> None:
        if self.pointer is not None:
            free(self.pointer)


class Document:
    """A struct atio_doc that is ours."""

    __slots__ = ("pointer",)

    def __init__(self, pointer: Optional[int]) -> None:
        self.pointer = pointer

    def root(self) -> int:
        root: int = lib.atio_doc_root(self.pointer)
        return root

    def __del__(self, free: Any = lib.atio_doc_free) -> None:
        free(self.pointer)


def load(codec: int, content: bytes, limits: CLimits = LIMITS) -> Document:
    """@content, parsed; LibraryError."""
    out, err = c_void_p(), CValueError()
    code = lib.atio_format_load(codec, content, len(content), byref(limits),
                                byref(out), byref(err))
    if code < 0:
        raise LibraryError(-code, err)
    return Document(out.value)


def dump(codec: int, root: int, limits: CLimits = LIMITS) -> bytes:
    """The value at @root, rendered; LibraryError."""
    out, length, err = c_void_p(), c_size_t(), CValueError()
    code = lib.atio_format_dump(codec, root, byref(limits), byref(out),
                                byref(length), byref(err))
    if code < 0:
        raise LibraryError(-code, err)
    return take_bytes(out.value, length.value)


def is_plain(root: int, limits: CLimits = LIMITS) -> bool:
    """Whether JSON holds the value at @root without changing any type."""
    doc, same = c_void_p(), c_void_p()
    code = lib.atio_value_convert(root, TO_JSON, byref(limits), byref(doc),
                                  byref(same), None)
    if code < 0:
        return False
    if doc.value is not None:
        lib.atio_doc_free(doc)
        return False
    return True
