# SPDX-License-Identifier: MIT
"""Whose lock it is: a thread's or an asyncio task's, as a number.

Operations with the same number do not exclude each other.  Numbers are never
used twice, and a child of fork(2) has new ones: it does not hold what its
parent holds.

Here is also kept who is in a section, ``locked()``, for three things: a section
whose thread or task ended inside it can be ended by others (``cleanup_locks``);
a wait that blocks the very thread which would have to go on for it to end is
refused; and operations under one number take turns, since the object of a
section may be used by several threads or tasks at once.
"""
from __future__ import annotations

import asyncio
import itertools
import os
import threading
import weakref
from typing import Any, Dict, List, NamedTuple, Optional, Union

Holder = Union["threading.Thread", "asyncio.Task[Any]"]
Turn = Union["threading.RLock", asyncio.Lock]  # of a thread, of a task


class Section(NamedTuple):
    """A section that is entered."""

    file: Any           # has _handle and path
    real: str           # the path without symbolic links
    thread: int         # that it was entered by, in a task or not
    holder: "weakref.ref[Holder]"

    def is_over(self) -> bool:
        """Whether nobody is left who could leave it."""
        holder = self.holder()
        if isinstance(holder, threading.Thread):
            return not holder.is_alive()
        return holder is None or holder.done()


class _Local(threading.local):
    number: Optional[int] = None


_guard = threading.Lock()
_local = _Local()
_numbers = itertools.count()
_of_tasks: "weakref.WeakKeyDictionary[asyncio.Task[Any], int]"
_sections: Dict[int, List[Section]]
_turns: Dict[int, Turn]


def _begin() -> None:
    """For a new process."""
    global _guard, _local, _numbers, _of_tasks, _sections, _turns
    _guard = threading.Lock()
    _local = _Local()
    # Others in this process may use the library, too, and count from 1.
    _numbers = itertools.count(int.from_bytes(os.urandom(5), "big") << 22 | 1)
    _of_tasks = weakref.WeakKeyDictionary()
    _sections = {}
    _turns = {}


_begin()
os.register_at_fork(after_in_child=_begin)


def _task() -> "Optional[asyncio.Task[Any]]":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def of_thread() -> int:
    """The number of this thread; or of the running task, if that is in a
    section: what it calls belongs to it."""
    if _sections:
        task = _task()
        if task is not None:
            number = _of_tasks.get(task)
            if number in _sections:
                return number
    number = _local.number
    if number is None:
        number = _local.number = next(_numbers)
    return number


def of_task() -> int:
    """The number of the running task (outside of any: of the thread)."""
    task = _task()
    if task is None:
        return of_thread()
    number = _of_tasks.get(task)
    if number is None:
        number = _of_tasks[task] = next(_numbers)
    return number


def enter(owner: int, file: Any) -> None:
    """@owner has locked @file."""
    task = _task()
    is_task = task is not None and _of_tasks.get(task) == owner
    holder: Any = task if is_task else threading.current_thread()
    section = Section(file, os.path.realpath(file.path),
                      threading.get_ident(), weakref.ref(holder))
    with _guard:
        if owner not in _sections:
            _sections[owner] = []
            _turns[owner] = asyncio.Lock() if is_task else threading.RLock()
        _sections[owner].append(section)


def leave(owner: int, file: Any) -> bool:
    """@owner unlocks @file.  False: it was not known to have it."""
    with _guard:
        sections = _sections.get(owner, [])
        for n in reversed(range(len(sections))):
            if sections[n].file._handle is file._handle:
                _forget(owner, sections[n])
                return True
    return False


def _forget(owner: int, section: Section) -> None:
    """With the guard held."""
    _sections[owner].remove(section)
    if not _sections[owner]:
        del _sections[owner], _turns[owner]


def turn(owner: int) -> Optional[Turn]:
    """What an operation of @owner has to hold; None: nothing, for he is in no
    section."""
    return _turns.get(owner) if _turns else None


def over() -> "List[tuple[int, Section]]":
    """(owner, section) of those that nobody can leave any more; they are
    forgotten."""
    with _guard:
        found = [(owner, section) for owner, sections in _sections.items()
                 for section in sections if section.is_over()]
        for owner, section in found:
            _forget(owner, section)
    return found


def can_never_end(owner: int, path: Any) -> bool:
    """Whether to block this thread until @owner has @path would be for ever:
    a task of this thread is in a section of it, and cannot go on."""
    if not _sections:
        return False
    thread, real = threading.get_ident(), os.path.realpath(path)
    with _guard:
        return any(section.thread == thread and section.real == real
                   for other, sections in _sections.items() if other != owner
                   for section in sections if not section.is_over())
