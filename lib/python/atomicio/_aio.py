# SPDX-License-Identifier: MIT
"""AsyncSafeFile."""
from __future__ import annotations

import asyncio
from typing import Any, Generic, List, Mapping, Optional, TypeVar

from . import _owners, _plans, _tasks
from ._base import BaseFile, StrPath, Timeout
from ._tasks import Plan

T = TypeVar("T")
File = TypeVar("File", bound="AsyncSafeFile")


class AsyncSafeFile(BaseFile):
    """SafeFile for asyncio: its methods are awaited, and waiting for the lock
    or the disk stops no other task.  No thread is made.

    Re-entrant by task.  A cancelled or timed-out operation is over when the
    exception is raised: nothing of it lands afterwards.  Parameters and
    exceptions are those of SafeFile; timeout is None (wait) if none is given.
    """

    def __init__(self, path: StrPath, timeout: Timeout = None, *,
                 durable: bool = True,
                 limits: Optional[Mapping[str, int]] = None) -> None:
        super().__init__(path, timeout, durable, limits)

    async def __aenter__(self: File) -> File:
        """Of its own it holds no lock: see locked()."""
        return self

    async def __aexit__(self, *exc: Any) -> None:
        pass

    def _caller(self) -> int:
        return _owners.of_task() if self._owner is None else self._owner

    async def _run(self, plan: Plan[T]) -> T:
        where = self._where(self._caller())
        turn = _owners.turn(where.owner)
        if not isinstance(turn, asyncio.Lock):
            return await _tasks.run_async(where, plan)
        async with turn:
            return await _tasks.run_async(where, plan)

    async def read(self) -> Any:
        """The value in the file.  None: there is no file, or it is blank
        (but {} of toml, [] of csv, "" of txt)."""
        return await self._run(_plans.read(self._target))

    async def write(self, data: Any) -> None:
        """Replace the file by one that says @data."""
        await self._run(_plans.write(self._target, data))

    async def update(self, data: Any, *, deep: bool = False) -> None:
        """Under one lock: set the keys of @data (a dict) in that of the file,
        append it (a list) to that of the file, else replace; write, if there
        is no file.  @deep: merge dicts in depth, None deletes (RFC 7396)."""
        await self._run(_plans.update(self._target, data, deep))

    async def read_bytes(self) -> Optional[bytes]:
        """The content; None: there is no file."""
        return await self._run(_plans.read_bytes(self._target))

    async def write_bytes(self,
                          data: "bytes | bytearray | memoryview") -> None:
        """Replace the content."""
        await self._run(_plans.write_bytes(self._target, data))

    async def append(self, text: Any) -> None:
        """Add str(@text), as UTF-8; creates the file.  To a file that is
        compressed it is added as a part that is compressed, too."""
        await self._run(_plans.append(self._target, text))

    def locked(self: File) -> "AsyncSection[File]":
        """``async with file.locked() as f:`` holds the lock over the block.

        What is done with @f is done under it, by whichever task (as one that
        asyncio.gather or wait_for makes); and what the task that entered does
        with other objects of the same file.
        """
        return AsyncSection(self)


class AsyncSection(Generic[File]):
    """The context of locked(); may be entered several times."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._owners: List[int] = []

    async def __aenter__(self) -> File:
        owner = self._file._caller()
        await _tasks.run_async(self._file._where(owner),
                               _plans.lock(self._file._target))
        bound = self._file._entered(owner)
        self._owners.append(owner)
        return bound

    async def __aexit__(self, *exc: Any) -> None:
        self._file._leave(self._owners.pop())
