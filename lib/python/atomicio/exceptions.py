# SPDX-License-Identifier: MIT
"""What can go wrong.

::

    AtomicIOError
        FileOperationError
            FileReadError
            FileWriteError
            FileAppendError
        AsyncTimeoutError           also a TimeoutError
        AsyncLockError
        FormatNotRegisteredError    also a ValueError

A FileOperationError that has a ValueError or an OSError as its cause is one of
those, too: a refused document can be caught as ValueError, a full disk as
OSError with its ``errno``, and both as FileWriteError.
"""
from __future__ import annotations

import os
from typing import Any, Dict, Optional, Tuple, Type

__all__ = [
    "AtomicIOError", "FileOperationError", "FileReadError", "FileWriteError",
    "FileAppendError", "AsyncTimeoutError", "AsyncLockError",
    "FormatNotRegisteredError",
]

StrPath = "str | os.PathLike[str]"


class AtomicIOError(Exception):
    """Base of all exceptions of this package."""


class FileOperationError(AtomicIOError):
    """An operation on a file failed; the file is as it was before.

    Attributes: ``path``, the file; ``errno``, if the system refused it; and
    for a document ``line`` and ``column`` (from 1, in characters), ``offset``
    (in bytes) and ``pointer`` (the JSON pointer of the value that is in the
    way).  What does not apply is None.
    """

    path: Optional[os.PathLike[str]]
    errno: Optional[int]
    line: Optional[int]
    column: Optional[int]
    offset: Optional[int]
    pointer: Optional[str]

    def __init__(self, message: str = "", *,
                 path: Optional[os.PathLike[str]] = None,
                 errno: Optional[int] = None, line: Optional[int] = None,
                 column: Optional[int] = None, offset: Optional[int] = None,
                 pointer: Optional[str] = None) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno
        self.line = line
        self.column = column
        self.offset = offset
        self.pointer = pointer

    def __reduce__(self) -> Tuple[Any, ...]:
        """Exceptions cross from worker processes to their parents."""
        kind, other = _parts(type(self))
        state = dict(self.__dict__, errno=self.errno)
        return _again, (kind, other, self.args), state


class FileReadError(FileOperationError):
    """Reading failed: no permission, not valid in its format, ..."""


class FileWriteError(FileOperationError):
    """Writing failed: a value that the format cannot hold, no space, ..."""


class FileAppendError(FileOperationError):
    """Appending failed."""


class AsyncTimeoutError(AtomicIOError, TimeoutError):
    """The lock was not to be had in time; nothing was done, nor will it be.

    All three classes raise it.  ``timeout`` is in seconds, ``path`` is the
    file.
    """

    timeout: Optional[float]
    path: Optional[os.PathLike[str]]

    def __init__(self, timeout: Optional[float] = None,
                 path: Any = None) -> None:
        within = "" if timeout is None else f" within {timeout} s"
        super().__init__(f"{path}: the lock was not to be had{within}")
        self.timeout = timeout
        self.path = path

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.timeout, self.path)


class AsyncLockError(AtomicIOError):
    """Locking failed, or waiting for the lock could never have ended.

    ``path`` is the file, ``errno`` what the system said (or None).
    """

    def __init__(self, message: str = "", *,
                 path: Optional[os.PathLike[str]] = None,
                 errno: Optional[int] = None) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno


class FormatNotRegisteredError(AtomicIOError, ValueError):
    """No format is known for the name of this file (``path``)."""

    def __init__(self, message: str = "", *,
                 path: Optional[os.PathLike[str]] = None) -> None:
        super().__init__(message)
        self.path = path


# ---- exceptions that are two things at once --------------------------------

_Kind = Type[FileOperationError]
_mixed: Dict[Tuple[_Kind, type], _Kind] = {}


def mixed(kind: _Kind, cause: Optional[BaseException]) -> _Kind:
    """The class that is @kind and also what @cause is, as far as that is a
    ValueError or an OSError.  It is called like @kind."""
    other: type
    if isinstance(cause, OSError):
        other = type(OSError(cause.errno, "")) if cause.errno else OSError
    elif isinstance(cause, ValueError):
        other = ValueError
    else:
        return kind
    return _mix(kind, other)


def _mix(kind: _Kind, other: type) -> _Kind:
    found = _mixed.get((kind, other))
    if found is None:
        found = type(kind.__name__, (kind, other), {
            "__module__": kind.__module__, "__doc__": kind.__doc__,
            "__qualname__": kind.__qualname__})
        _mixed[kind, other] = found
    return found


def _parts(kind: _Kind) -> Tuple[_Kind, Optional[type]]:
    for (one, other), both in _mixed.items():
        if both is kind:
            return one, other
    return kind, None


def _again(kind: _Kind, other: Optional[type],
           args: Tuple[Any, ...]) -> FileOperationError:
    return (_mix(kind, other) if other else kind)(*args)
