"""Where foreign bytes come from: a path, or a file that somebody else opened for a process that may open none."""

from __future__ import annotations

import io
import mmap
import os
from typing import BinaryIO, Protocol

import pyarrow as pa


class Source(Protocol):
    """What readers ask of a file: a `Path` is one, and so is an `OpenFile`."""

    def open(self, mode: str) -> BinaryIO: ...

    def stat(self) -> os.stat_result: ...


class OpenFile:
    """An open file by its descriptor, as if it were a path: each `open("rb")` reads from the start, on its own."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    def open(self, mode: str) -> BinaryIO:
        return io.BufferedReader(_Window(self._descriptor))

    def stat(self) -> os.stat_result:
        return os.fstat(self._descriptor)


def mapped(source: Source) -> pa.NativeFile:
    """The whole file in memory that the disk lends: it counts against no limit. It must not be empty."""
    with source.open("rb") as file:
        return pa.BufferReader(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


class _Window(io.RawIOBase):
    """A place of its own in a file that others read, too."""

    def __init__(self, descriptor: int):
        self._descriptor, self._place = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer) -> int:
        bytes_read = os.preadv(self._descriptor, [buffer], self._place)
        self._place += bytes_read
        return bytes_read

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: os.fstat(self._descriptor).st_size}[whence]
        if start + offset < 0:
            raise OSError(22, "a place before the start")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place
