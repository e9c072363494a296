# SPDX-License-Identifier: MIT
"""Files in memory."""
from __future__ import annotations

import io
from typing import Any, Optional


class KeptBytes(io.BytesIO):
    """Closing it loses nothing."""

    def __init__(self, content: bytes = b"", name: str = "") -> None:
        super().__init__(content)
        self.name = name
        self._kept: Optional[bytes] = None

    def close(self) -> None:
        if not self.closed:
            self._kept = self.getvalue()
        super().close()

    def all(self) -> bytes:
        """The content, also after close()."""
        return self.getvalue() if self._kept is None else self._kept


class FormatFile(io.TextIOWrapper):
    """What loaders read from and dumpers write to: a seekable text file in
    memory, UTF-8, line ends as they are.  ``buffer`` is the same as bytes,
    write() takes bytes, too, and ``name`` is the path of the file.
    """

    def __init__(self, content: bytes = b"", name: str = "") -> None:
        self._bytes = KeptBytes(content, name)
        super().__init__(self._bytes, encoding="utf-8", newline="")

    def write(self, text: Any) -> int:
        if isinstance(text, (bytes, bytearray, memoryview)):
            self.flush()
            return self._bytes.write(text)
        return super().write(text)

    def all(self) -> bytes:
        """The content, also after close()."""
        if not self.closed:
            self.flush()
        return self._bytes.all()
