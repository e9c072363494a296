# SPDX-License-Identifier: MIT
"""Functions for paths and whole files."""
from __future__ import annotations

import contextlib
import errno
import io
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import (IO, Any, Collection, Iterator, List, Optional, Sequence,
                    Union)

from ._base import StrPath, Timeout
from ._memory import KeptBytes
from ._plans import delete
from ._sync import SafeFile
from .exceptions import FileOperationError, FileWriteError, mixed

__all__ = ["atomic_write", "create_file", "delete_file",
           "find_project_files", "resolve_path"]

# What marks the directory of a project, and what is not of it.
MARKERS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
NOT_OURS = (".*", "__pycache__", "node_modules", "build", "dist", "venv",
            "*.egg-info")


def resolve_path(path: StrPath, base: Optional[StrPath] = None) -> Path:
    """The absolute path, without symbolic links, ``..`` and ``~``.  @base: what
    a relative path starts from (else the current directory).  It need not
    exist."""
    found = Path(path).expanduser()
    if base is not None:
        found = Path(base).expanduser() / found
    return found.resolve()


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _refuse(path: Path, error: OSError) -> FileOperationError:
    return mixed(FileWriteError, error)(f"{path}: {error.strerror}", path=path,
                                        errno=error.errno)


def _encoded(text: str, path: StrPath) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as e:  # a surrogate is no character
        path = Path(path)
        raise mixed(FileWriteError, e)(f"{path}: {e}", path=path) from e


def _write(path: StrPath, content: bytes, overwrite: bool,
           timeout: Timeout) -> Path:
    file = SafeFile(path, timeout)
    if overwrite:
        file.write_bytes(content)
        return file.path
    with file.locked() as f:
        if os.path.lexists(f.path):
            raise _refuse(f.path, _error(errno.EEXIST))
        f.write_bytes(content)
    return file.path


def create_file(path: StrPath, content: Union[str, bytes] = "", *,
                overwrite: bool = False, timeout: Timeout = None) -> Path:
    """Make a file with this content (str as UTF-8), and the directories that
    it is in.  FileWriteError; a FileExistsError, too, if it is there already
    and @overwrite is false."""
    if isinstance(content, str):
        content = _encoded(content, path)
    parent = Path(path).parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise _refuse(parent, e) from e
    return _write(path, content, overwrite, timeout)


def delete_file(path: StrPath, *, missing_ok: bool = True,
                timeout: Timeout = None) -> bool:
    """Remove a file, when nobody has it locked.  False: there was none.
    FileWriteError; a FileNotFoundError, too, if there was none and @missing_ok
    is false."""
    file = SafeFile(path, timeout)
    removed = file._run(delete(file._target))
    if not removed and not missing_ok:
        raise _refuse(file.path, _error(errno.ENOENT))
    return removed


# ---- finding ---------------------------------------------------------------

def _project() -> Path:
    """The innermost directory from here upwards that looks like a project's
    own, else this one."""
    here = Path.cwd()
    for directory in (here, *here.parents):
        if any((directory / name).exists() for name in MARKERS):
            return directory
    return here


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """``**`` is any number of directories."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[n:], pattern[1:])
                   for n in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(
        parts[1:], pattern[1:])


def find_project_files(pattern: str, root: Optional[StrPath] = None, *,
                       exclude: Collection[str] = NOT_OURS) -> List[Path]:
    """The files below @root that match, sorted.

    @pattern: of names ("*.json"), or with a slash of paths from @root
    ("conf/**/*.yaml").  @root: else the project's directory, which has a .git
    or a pyproject.toml.  @exclude: patterns of names of directories that are
    not looked into.  Symbolic links to directories are not followed.
    """
    top = _project() if root is None else Path(root)
    wanted = pattern.split("/")
    if len(wanted) == 1:
        wanted = ["**", *wanted]
    found = []
    for here, directories, names in os.walk(top):
        directories[:] = [d for d in directories
                          if not any(fnmatchcase(d, e) for e in exclude)]
        for name in names:
            path = Path(here, name)
            if _matches(path.relative_to(top).parts, wanted):
                found.append(path)
    return sorted(found)


# ---- writing by hand -------------------------------------------------------

@contextlib.contextmanager
def atomic_write(path: StrPath, mode: str = "w", overwrite: bool = True, *,
                 encoding: str = "utf-8", newline: Optional[str] = None,
                 timeout: Timeout = None) -> Iterator[IO[Any]]:
    """A file object; what was written to it is the file when the block ends
    without an exception, and nothing changes otherwise.

    @mode: "w", "wt" or "wb"; "x" for "w" is @overwrite=False, which raises
    FileWriteError (a FileExistsError, too) if there is such a file.  Until the
    block ends the content is in memory, and the lock is not held.
    """
    kind = mode.replace("x", "w")
    if kind not in ("w", "wt", "wb"):
        raise ValueError(f"a mode is w, wt, wb, x, xt or xb, not {mode!r}")
    overwrite = overwrite and "x" not in mode
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise _refuse(target, _error(errno.EEXIST))
    content = KeptBytes()
    if kind == "wb":
        yield content
    else:
        text = io.TextIOWrapper(content, encoding=encoding, newline=newline)
        yield text
        if not text.closed:
            text.flush()
    _write(path, content.all(), overwrite, timeout)
