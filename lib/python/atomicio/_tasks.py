# SPDX-License-Identifier: MIT
"""Operations of the library, which wait by a descriptor instead of blocking.

What a method does is a *plan*: a generator that yields a Request for each
operation of the library and is given what that returned.  run() drives a plan
by poll(2), so that signals (Ctrl-C) end a wait; run_async() by the event loop.
However a plan ends, its operation is over by then: cancelled, if it was not
done, and nothing of it is written afterwards.
"""
from __future__ import annotations

import asyncio
import contextlib
import errno
import select
from ctypes import byref, c_size_t, c_void_p
from typing import Any, Generator, NamedTuple, Optional, TypeVar

from . import _library, _owners
from ._library import (CRequest, CValueError, Document, Handle, LibraryError,
                       lib)

T = TypeVar("T")


class Request(NamedTuple):
    """An operation; what it returns is a Document (READ), bytes (READ_BYTES)
    or None."""

    kind: int
    value: Optional[Document] = None
    content: Optional[bytes] = None
    flags: int = 0


Plan = Generator[Request, Any, T]


class Where(NamedTuple):
    """What an operation is done to, for whom, and how long it may wait."""

    handle: Handle
    path: Any
    owner: int
    timeout_ms: int


class Deadlock(LibraryError):
    """The wait could never end."""

    def __init__(self) -> None:
        super().__init__(errno.EDEADLK)
        self.text = ("a task of this very thread has the lock, and cannot go "
                     "on while the thread waits")


class _Operation:
    """A struct atio_task.  As a context: at its end it is over."""

    def __init__(self, where: Where, request: Request, how: int) -> None:
        self.where, self.request = where, request
        self.has_lock = False
        content = request.content
        self.c_request = CRequest(
            version=_library.VERSION, kind=request.kind, owner=where.owner,
            value=request.value.root() if request.value else None,
            flags=request.flags | how, bytes=content,
            len=len(content) if content is not None else 0,
            timeout_ms=where.timeout_ms)
        out, err = c_void_p(), CValueError()
        code = lib.atio_task_begin(where.handle.pointer, byref(self.c_request),
                                   byref(out), byref(err))
        if code < 0:
            raise LibraryError(-code, err)
        self.pointer = out.value

    def __enter__(self) -> "_Operation":
        return self

    def __exit__(self, kind: Any, *exc: Any) -> None:
        lib.atio_task_free(self.pointer)
        if kind is not None and self.has_lock:  # Ctrl-C in the last moment
            with contextlib.suppress(LibraryError):
                _do(self.where, Request(_library.UNLOCK))

    def fileno(self) -> int:
        fd: int = lib.atio_task_fd(self.pointer)
        return fd

    def is_done(self) -> bool:
        """Go on as far as possible; LibraryError: it failed."""
        code: int = lib.atio_task_run(self.pointer)
        if code == -errno.EAGAIN:
            return False
        if code < 0:
            err = lib.atio_task_error(self.pointer).contents
            # -EBUSY is also what the system may say of a file.
            if code == -errno.EBUSY and err.code == errno.EAGAIN:
                code = -errno.EAGAIN  # it is locked
            raise LibraryError(-code, err)
        self.has_lock = self.request.kind == _library.LOCK
        return True

    def result(self) -> Any:
        """Of one that is done."""
        if self.request.kind == _library.READ:
            return Document(lib.atio_task_take_doc(self.pointer))
        if self.request.kind == _library.READ_BYTES:
            length = c_size_t()
            pointer = lib.atio_task_take_bytes(self.pointer, byref(length))
            return _library.take_bytes(pointer, length.value)
        return None


# ---- by poll ---------------------------------------------------------------

def _do(where: Where, request: Request) -> Any:
    with _Operation(where, request, _library.FLUSH_HERE) as operation:
        if not operation.is_done():
            if _owners.can_never_end(where.owner, where.path):
                raise Deadlock
            poll = select.poll()
            poll.register(operation, select.POLLIN)
            poll.poll()
            while not operation.is_done():
                poll.poll()
        return operation.result()


def run(where: Where, plan: Plan[T]) -> T:
    """Do all that @plan asks for; what it returns."""
    result: Any = None
    error: Optional[BaseException] = None
    try:
        while True:
            request = plan.throw(error) if error else plan.send(result)
            result, error = None, None
            try:
                result = _do(where, request)
            except BaseException as e:  # the plan's to handle
                error = e
    except StopIteration as e:
        value: T = e.value
        return value


# ---- by an event loop ------------------------------------------------------

async def _readable(operation: _Operation) -> None:
    """Until run may get on."""
    loop = asyncio.get_running_loop()
    ready: "asyncio.Future[None]" = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    fd = operation.fileno()
    loop.add_reader(fd, wake)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def _do_async(where: Where, request: Request) -> Any:
    with _Operation(where, request, 0) as operation:
        while not operation.is_done():
            await _readable(operation)
        return operation.result()


async def run_async(where: Where, plan: Plan[T]) -> T:
    """As run().  Other tasks get their turn at least once."""
    await asyncio.sleep(0)
    result: Any = None
    error: Optional[BaseException] = None
    try:
        while True:
            request = plan.throw(error) if error else plan.send(result)
            result, error = None, None
            try:
                result = await _do_async(where, request)
            except BaseException as e:  # the plan's to handle
                error = e
    except StopIteration as e:
        value: T = e.value
        return value
