# SPDX-License-Identifier: MIT
"""SafeFile and ThreadedSafeFile."""
from __future__ import annotations

import asyncio
from typing import Any, Generic, List, Mapping, Optional, TypeVar

from . import _owners, _plans, _tasks
from ._base import BaseFile, StrPath, Timeout
from ._tasks import Plan
from .exceptions import FileOperationError

T = TypeVar("T")
File = TypeVar("File", bound="SyncFile")


class SyncFile(BaseFile):
    """The methods.  Re-entrant by thread.

    Exceptions: FileReadError, FileWriteError, FileAppendError as to what was
    done; AsyncTimeoutError, AsyncLockError; FormatNotRegisteredError of read,
    write and update.  When one is raised, the file is as it was.
    """

    def __enter__(self: File) -> File:
        """Of its own it holds no lock: see locked()."""
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def _caller(self) -> int:
        return _owners.of_thread() if self._owner is None else self._owner

    def _run(self, plan: Plan[T]) -> T:
        where = self._where(self._caller())
        turn = _owners.turn(where.owner)
        if turn is None:
            return _tasks.run(where, plan)
        if not isinstance(turn, asyncio.Lock):
            with turn:
                return _tasks.run(where, plan)
        if turn.locked():
            self._target.fail_in_library(FileOperationError,
                                         _tasks.Deadlock())
        return _tasks.run(where, plan)  # no other task runs meanwhile

    def read(self) -> Any:
        """The value in the file.  None: there is no file, or it is blank
        (but {} of toml, [] of csv, "" of txt)."""
        return self._run(_plans.read(self._target))

    def write(self, data: Any) -> None:
        """Replace the file by one that says @data."""
        self._run(_plans.write(self._target, data))

    def update(self, data: Any, *, deep: bool = False) -> None:
        """Under one lock: set the keys of @data (a dict) in that of the file,
        append it (a list) to that of the file, else replace; write, if there
        is no file.  @deep: merge dicts in depth, None deletes (RFC 7396)."""
        self._run(_plans.update(self._target, data, deep))

    def read_bytes(self) -> Optional[bytes]:
        """The content; None: there is no file."""
        return self._run(_plans.read_bytes(self._target))

    def write_bytes(self, data: "bytes | bytearray | memoryview") -> None:
        """Replace the content."""
        self._run(_plans.write_bytes(self._target, data))

    def append(self, text: Any) -> None:
        """Add str(@text), as UTF-8; creates the file.  To a file that is
        compressed it is added as a part that is compressed, too."""
        self._run(_plans.append(self._target, text))

    def locked(self: File) -> "Section[File]":
        """``with file.locked() as f:`` holds the lock over the block.

        What is done with @f is done under it, by whichever thread; and what
        the thread that entered does with other objects of the same file.
        """
        return Section(self)


class Section(Generic[File]):
    """The context of locked(); may be entered several times."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._owners: List[int] = []

    def __enter__(self) -> File:
        owner = self._file._caller()
        _tasks.run(self._file._where(owner), _plans.lock(self._file._target))
        bound = self._file._entered(owner)
        self._owners.append(owner)
        return bound

    def __exit__(self, *exc: Any) -> None:
        self._file._leave(self._owners.pop())


class SafeFile(SyncFile):
    """A file that is read and written as a whole.

    path: str or PathLike.  timeout, for the lock: True or None wait, False
    tries once, a number is in seconds (else ValueError); AsyncTimeoutError if
    it was not to be had.  durable: what was written is on disk when a call
    returns; False: atomic, but not safe from a power cut.  limits: how large a
    document may be, as {"depth": 20}; the names are those of struct atio_limits
    (atomicio/value.h), the defaults are larger; of the library's formats.
    """

    def __init__(self, path: StrPath, timeout: Timeout = True, *,
                 durable: bool = True,
                 limits: Optional[Mapping[str, int]] = None) -> None:
        super().__init__(path, timeout, durable, limits)


class ThreadedSafeFile(SyncFile):
    """SafeFile, but that timeout is None if none is given: wait, too."""

    def __init__(self, path: StrPath, timeout: Timeout = None, *,
                 durable: bool = True,
                 limits: Optional[Mapping[str, int]] = None) -> None:
        super().__init__(path, timeout, durable, limits)
