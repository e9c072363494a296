# SPDX-License-Identifier: MIT
"""What the methods of all three classes do, as plans (see _tasks.py)."""
from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any, Dict, Iterator, NoReturn, Optional, Type

from . import _library, _values, formats
from ._library import CLimits, LibraryError
from ._tasks import Plan, Request
from .exceptions import (AsyncLockError, AsyncTimeoutError, FileAppendError,
                         FileOperationError, FileReadError, FileWriteError,
                         FormatNotRegisteredError, mixed)
from .formats import Format

Kind = Type[FileOperationError]

# What the library finds wrong with a document.
_OF_DOCUMENTS = {errno.EINVAL, errno.EILSEQ, errno.EFBIG, errno.EEXIST,
                 errno.EOPNOTSUPP, errno.ERANGE, errno.ELOOP}


class Target:
    """The file of a plan."""

    def __init__(self, path: Path, timeout: Optional[float],
                 limits: CLimits) -> None:
        self.path, self.timeout, self.limits = path, timeout, limits

    def format(self) -> Format:
        found = formats.find(self.path)
        if found is None:
            raise FormatNotRegisteredError(
                f"{self.path}: no format is registered for this name",
                path=self.path)
        return found

    def fail(self, kind: Kind, cause: Exception, text: str = "",
             **more: Any) -> NoReturn:
        """Raise @kind, with a message that names the file, the place in it,
        and @cause."""
        place = "".join(f":{more[key]}" for key in ("line", "column")
                        if more.get(key))
        if more.get("pointer"):
            place += f": at {more['pointer']}"
        text = text or str(cause) or type(cause).__name__
        text = text.removeprefix(f"{self.path}: ")  # it is said once
        raise mixed(kind, cause)(f"{self.path}{place}: {text}",
                                 path=self.path, **more) from cause

    def fail_in_library(self, kind: Kind, e: LibraryError) -> NoReturn:
        if e.code in (errno.ETIMEDOUT, errno.EAGAIN):
            raise AsyncTimeoutError(self.timeout, self.path) from None
        if e.code == errno.EDEADLK:
            raise AsyncLockError(f"{self.path}: {e.text}", path=self.path,
                                 errno=e.code) from None
        if e.code == errno.ENOMEM:
            raise MemoryError from None
        place: Dict[str, Any] = {"line": e.line, "column": e.column,
                                 "offset": e.offset, "pointer": e.pointer}
        cause: Exception
        if e.code == errno.ELOOP and e.line is None and e.pointer is None:
            is_of_document = False  # links of the path, not aliases
        else:
            is_of_document = e.code in _OF_DOCUMENTS
        if is_of_document:
            cause = ValueError(e.text)
        else:
            cause = OSError(e.code, e.text, str(self.path))
            place["errno"] = e.code
        self.fail(kind, cause, e.text, **place)

    @contextlib.contextmanager
    def failing(self, kind: Kind) -> Iterator[None]:
        """What goes wrong in this block is a @kind."""
        try:
            yield
        except LibraryError as e:
            self.fail_in_library(kind, e)
        except _values.Unfit as e:
            self.fail(kind, e.error, pointer=e.pointer)

    def load(self, found: Format, content: bytes) -> Any:
        try:
            return found.load(content, str(self.path))
        except Exception as e:
            self.fail(FileReadError, e)

    def dump(self, found: Format, value: Any) -> bytes:
        try:
            return found.dump(value, str(self.path))
        except Exception as e:
            self.fail(FileWriteError, e)


# ---- bytes -----------------------------------------------------------------

def read_bytes(target: Target) -> Plan[Optional[bytes]]:
    with target.failing(FileReadError):
        try:
            content: bytes = yield Request(_library.READ_BYTES)
            return content
        except LibraryError as e:
            if e.code != errno.ENOENT:
                raise
            return None


def write_bytes(target: Target, content: Any,
                kind: int = _library.WRITE_BYTES,
                error: Kind = FileWriteError, flags: int = 0) -> Plan[None]:
    if not isinstance(content, bytes):
        try:
            content = bytes(memoryview(content))
        except TypeError as e:
            target.fail(error, e)
    with target.failing(error):
        yield Request(kind, content=content, flags=flags)


def append(target: Target, text: Any) -> Plan[None]:
    try:
        if isinstance(text, (bytes, bytearray, memoryview)):
            raise TypeError("text is appended, not bytes")
        content = str(text).encode()
    except (TypeError, UnicodeEncodeError) as e:
        target.fail(FileAppendError, e)
    found = formats.find(target.path)
    # The library knows which of its own formats are compressed.
    flags = 0 if found and found.source == "library" else _library.AS_BYTES
    yield from write_bytes(target, content, _library.APPEND, FileAppendError,
                           flags)


def delete(target: Target) -> Plan[bool]:
    """False: there is no such file."""
    with target.failing(FileWriteError):
        try:
            yield Request(_library.DELETE)
            return True
        except LibraryError as e:
            if e.code != errno.ENOENT:
                raise
            return False


# ---- values ----------------------------------------------------------------

def read(target: Target) -> Plan[Any]:
    found = target.format()
    if found.source != "library":
        content = yield from read_bytes(target)
        return None if content is None else target.load(found, content)
    with target.failing(FileReadError):
        try:
            document = yield Request(_library.READ)
        except LibraryError as e:
            if e.code != errno.ENOENT:
                raise
            return None
        return _values.from_document(document, target.limits)


def write(target: Target, value: Any) -> Plan[None]:
    found = target.format()
    if found.source != "library":
        yield from write_bytes(target, target.dump(found, value))
        return
    with target.failing(FileWriteError):
        yield Request(_library.WRITE,
                      value=_values.to_document(value, target.limits))


def update(target: Target, value: Any, deep: bool) -> Plan[None]:
    found = target.format()
    if found.source != "library":
        yield from _update_here(target, found, value, deep)
        return
    with target.failing(FileWriteError):
        yield Request(_library.UPDATE,
                      value=_values.to_document(value, target.limits),
                      flags=_library.UPDATE_DEEP if deep else 0)


def _update_here(target: Target, found: Format, value: Any,
                 deep: bool) -> Plan[None]:
    with target.failing(FileWriteError):
        yield Request(_library.LOCK)
    try:
        content = yield from read_bytes(target)
        if content is None:
            value = _patched(None, value) if deep else value
        else:
            old = target.load(found, content)
            value = _patched(old, value) if deep else _updated(old, value)
        yield from write_bytes(target, target.dump(found, value))
    finally:
        yield Request(_library.UNLOCK)


def _updated(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    if isinstance(old, list) and isinstance(new, (list, tuple)):
        return [*old, *new]
    return new


def _patched(old: Any, patch: Any) -> Any:
    """RFC 7396: a JSON merge patch, applied."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _patched(merged.get(key), value)
    return merged


# ---- sections --------------------------------------------------------------

def lock(target: Target) -> Plan[None]:
    try:
        yield Request(_library.LOCK)
    except LibraryError as e:
        if e.code in (errno.ETIMEDOUT, errno.EAGAIN, errno.ENOMEM):
            target.fail_in_library(FileOperationError, e)
        raise AsyncLockError(f"{target.path}: {e.text}", path=target.path,
                             errno=e.code) from None


def unlock(target: Target) -> Plan[None]:
    try:
        yield Request(_library.UNLOCK)
    except LibraryError as e:
        raise AsyncLockError(f"{target.path}: it is not locked here",
                             path=target.path, errno=e.code) from None
