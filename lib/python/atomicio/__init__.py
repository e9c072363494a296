# SPDX-License-Identifier: MIT
"""Files that are read and written whole, by one at a time.

SafeFile, ThreadedSafeFile and AsyncSafeFile read and write documents (JSON,
YAML, TOML, CSV, XML, text; each under gzip, too) and what register_format()
adds.  What is written becomes the file in one step, or not at all; the lock is
the file's, for all threads, tasks and processes.

    >>> from atomicio import SafeFile
    >>> settings = SafeFile("settings.json")
    >>> settings.update({"debug": True})
    >>> settings.read()
    {'debug': True}
"""
from ._aio import AsyncSafeFile
from ._sync import SafeFile, ThreadedSafeFile
from .exceptions import (AsyncLockError, AsyncTimeoutError, AtomicIOError,
                         FileAppendError, FileOperationError, FileReadError,
                         FileWriteError, FormatNotRegisteredError)
from .formats import (FORMAT_REGISTRY, list_supported_formats,
                      plugin_failures, register_format, unregister_format,
                      use_formats_dir)
from .paths import (atomic_write, create_file, delete_file,
                    find_project_files, resolve_path)

__version__ = "0.1.0"

__all__ = [
    "AsyncLockError",
    "AsyncSafeFile",
    "AsyncTimeoutError",
    "AtomicIOError",
    "FORMAT_REGISTRY",
    "FileAppendError",
    "FileOperationError",
    "FileReadError",
    "FileWriteError",
    "FormatNotRegisteredError",
    "SafeFile",
    "ThreadedSafeFile",
    "__version__",
    "atomic_write",
    "create_file",
    "delete_file",
    "find_project_files",
    "list_supported_formats",
    "plugin_failures",
    "register_format",
    "resolve_path",
    "unregister_format",
    "use_formats_dir",
]
