# SPDX-License-Identifier: MIT
"""What SafeFile, ThreadedSafeFile and AsyncSafeFile have in common.

What their methods do is in _plans.py; here is to which file, and how long it
may wait for the lock.
"""
from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from typing import Any, List, Mapping, Optional, Tuple, TypeVar, Union

from . import _codecs, _library, _owners, _plans, _tasks
from ._library import Handle, LibraryError, Limits
from ._plans import Target
from ._tasks import Where
from .exceptions import FileOperationError
from .formats import list_supported_formats

StrPath = Union[str, "os.PathLike[str]"]
Timeout = Union[bool, int, float, None]
Self = TypeVar("Self", bound="BaseFile")

_MOST_MS = 1 << 53  # longer is for ever


def _seconds(timeout: Any) -> Optional[float]:
    """@timeout in seconds; None: for ever; ValueError."""
    if timeout is None or timeout is True:
        return None
    if timeout is False:
        return 0
    if not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ValueError("timeout is True or None (wait), False (try once) "
                         f"or a number of seconds, not {timeout!r}")
    return timeout


def _milliseconds(seconds: Optional[float]) -> int:
    """Not shorter than asked for."""
    if seconds is None or seconds * 1000 > _MOST_MS:
        return _library.WAIT
    return math.ceil(seconds * 1000)


def _path(path: Any) -> Path:
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise ValueError("a path is not empty and has no null characters")
    return Path(text)


class BaseFile:
    """One path.  Objects may be shared by threads and tasks, and pickled."""

    def __init__(self, path: StrPath, timeout: Timeout, durable: bool,
                 limits: Optional[Mapping[str, int]]) -> None:
        self.path = _path(path)
        self.timeout = timeout
        self.durable = durable
        seconds = _seconds(timeout)
        most = Limits(limits)
        self.limits = most.given
        self._target = Target(self.path, seconds, most.between)
        self._timeout_ms = _milliseconds(seconds)
        self._owner: Optional[int] = None  # of a section; None: the caller's
        try:
            self._handle = Handle(os.fsencode(self.path), _codecs.registry(),
                                  durable, most.file)
        except LibraryError as e:
            self._target.fail_in_library(FileOperationError, e)

    def __repr__(self) -> str:
        return (f"{type(self).__name__}({str(self.path)!r}, "
                f"timeout={self.timeout!r})")

    def __reduce__(self) -> Tuple[Any, ...]:
        make = partial(type(self), durable=self.durable, limits=self.limits)
        return make, (os.fspath(self.path), self.timeout)

    def _for(self: Self, owner: int) -> Self:
        """The same file, for whoever is in that section."""
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__, _owner=owner)
        return bound

    def _where(self, owner: int) -> Where:
        return Where(self._handle, self.path, owner, self._timeout_ms)

    def _entered(self: Self, owner: int) -> Self:
        """The lock was taken for @owner; what the section is given."""
        try:
            _owners.enter(owner, self)
            return self._for(owner)
        except BaseException:
            self._leave(owner)
            raise

    def _leave(self, owner: int) -> None:
        """Unlock, which does not wait."""
        _owners.leave(owner, self)
        _tasks.run(self._where(owner), _plans.unlock(self._target))

    @staticmethod
    def list_supported_formats() -> List[str]:
        """The suffixes that are known, sorted."""
        return list_supported_formats()

    supported_formats = list_supported_formats

    @staticmethod
    def cleanup_locks() -> int:
        """End the sections of this process whose thread or task has ended
        inside them; how many there were.  Nothing else is ever left over: the
        locks of a process end with it."""
        over = _owners.over()
        for owner, section in over:
            section.file._leave(owner)
        return len(over)
