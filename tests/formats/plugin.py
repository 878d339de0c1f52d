"""A format plugin as any program can load it: through the C interface of lectern/abi/draft/format.h."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path

CHANGED_SOURCE, CHANGED_ID, NEW = 1, 16, 32


class Str(Structure):
    _fields_ = [("p", c_void_p), ("n", c_uint64)]

    def text(self) -> str:
        return ctypes.string_at(self.p, self.n).decode() if self.n else ""


class RawCell(Structure):
    _fields_ = [("struct_size", c_uint32), ("changed", c_uint32)] + [
        (name, Str) for name in ("id", "cell_type", "source", "metadata", "attachments", "outputs")
    ] + [("execution_count", c_int64), ("original", Str)]


class RawNotebook(Structure):
    _fields_ = [("struct_size", c_uint32), ("changed", c_uint32), ("cell_stride", c_uint32), ("n_cells", c_uint32),
                ("cells", POINTER(RawCell)), ("metadata", Str), ("original", Str), ("language", Str)]


class Error(Structure):
    _fields_ = [("struct_size", c_uint32), ("status", c_int32), ("line", c_uint64), ("column", c_uint64),
                ("code", c_char * 48), ("message", c_char * 512), ("hint", c_char * 256)]


ON_CELLS = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_uint32, c_uint32)
ON_NOTEBOOK = CFUNCTYPE(c_int32, c_void_p, POINTER(RawNotebook))
ON_TEXT = CFUNCTYPE(c_int32, c_void_p, Str)
LOG = CFUNCTYPE(None, c_void_p, c_int32, Str)
EXTENSION = CFUNCTYPE(c_void_p, c_void_p, Str)


class Builder(Structure):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("ctx", c_void_p), ("cells", ON_CELLS),
                ("notebook", ON_NOTEBOOK), ("notice", ON_TEXT)]


class Limits(Structure):
    _fields_ = [("struct_size", c_uint32), ("max_depth", c_uint32), ("max_bytes", c_uint64), ("max_cells", c_uint64),
                ("max_source_bytes", c_uint64)]


class Sink(Structure):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("ctx", c_void_p), ("write", ON_TEXT)]


class Host(Structure):
    _fields_ = [("struct_size", c_uint32), ("abi_major", c_uint32), ("abi_minor", c_uint32), ("reserved", c_uint32),
                ("ctx", c_void_p), ("log", LOG), ("get_extension", EXTENSION)]


class Interface(Structure):
    _fields_ = [("struct_size", c_uint32), ("n_extensions", c_uint32), ("extensions", POINTER(Str)),
                ("probe", CFUNCTYPE(c_int32, Str, Str)),
                ("read", CFUNCTYPE(c_int32, Str, POINTER(Limits), POINTER(Builder), POINTER(Error))),
                ("write", CFUNCTYPE(c_int32, POINTER(RawNotebook), POINTER(Sink), POINTER(Error)))]


class Entry(Structure):
    _fields_ = [("struct_size", c_uint32), ("abi_major", c_uint32), ("abi_minor", c_uint32), ("reserved", c_uint32),
                ("id", Str), ("version", Str), ("build", Str), ("init", CFUNCTYPE(c_int32, POINTER(Host), POINTER(Error))),
                ("deinit", CFUNCTYPE(None)), ("get_kind", CFUNCTYPE(c_void_p, Str)), ("get_extension", c_void_p)]


@dataclass
class Cell:
    cell_type: str
    source: str
    metadata: str = "{}"
    id: str = "new"
    original: str = ""
    changed: int = 0


@dataclass
class Notebook:
    cells: list[Cell] = field(default_factory=list)
    metadata: str = "{}"
    original: str = ""
    language: str = ""
    changed: int = 0


class Format:
    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.lectern_plugin_entry.restype = POINTER(Entry)
        entry = self._library.lectern_plugin_entry().contents
        self._kept: list[object] = []
        self._host = Host(ctypes.sizeof(Host), entry.abi_major, entry.abi_minor, 0, None, LOG(lambda *_: None), EXTENSION(lambda *_: None))
        assert entry.init(byref(self._host), None) == 0
        address = entry.get_kind(self._str("format"))
        self._format = ctypes.cast(address, POINTER(Interface)).contents

    def _str(self, text: str | bytes) -> Str:
        data = text.encode() if isinstance(text, str) else text
        buffer = c_char_p(data)
        self._kept.append(buffer)
        return Str(ctypes.cast(buffer, c_void_p), len(data))

    def probe(self, path: str, head: str) -> int:
        return self._format.probe(self._str(path), self._str(head.encode()[:4096]))

    def read(self, text: str) -> Notebook:
        out = Notebook()

        def on_cells(_: object, at: int, stride: int, n: int) -> int:
            for i in range(n):
                raw = RawCell.from_address(at + i * stride)
                out.cells.append(Cell(raw.cell_type.text(), raw.source.text(), raw.metadata.text(), raw.id.text(),
                                      raw.original.text()))
            return 0

        def on_notebook(_: object, raw: object) -> int:
            notebook = raw.contents  # type: ignore[attr-defined]
            out.metadata, out.original = notebook.metadata.text(), notebook.original.text()
            out.language = notebook.language.text()
            return 0

        builder = Builder(ctypes.sizeof(Builder), 0, None, ON_CELLS(on_cells), ON_NOTEBOOK(on_notebook), ON_TEXT(lambda *_: 0))
        limits = Limits(ctypes.sizeof(Limits), 128, 1 << 30, 100_000, 1 << 30)
        error = Error(ctypes.sizeof(Error))
        status = self._format.read(self._str(text), byref(limits), byref(builder), byref(error))
        assert status == 0, error.message.decode()
        return out

    def write(self, notebook: Notebook) -> str:
        cells = (RawCell * len(notebook.cells))()
        for raw, cell in zip(cells, notebook.cells, strict=True):
            raw.struct_size, raw.changed, raw.execution_count = ctypes.sizeof(RawCell), cell.changed, -1
            for name in ("id", "cell_type", "source", "metadata", "original"):
                setattr(raw, name, self._str(getattr(cell, name)))
        raw_notebook = RawNotebook(ctypes.sizeof(RawNotebook), notebook.changed, ctypes.sizeof(RawCell), len(cells), cells,
                                   self._str(notebook.metadata), self._str(notebook.original), self._str(notebook.language))
        pieces: list[bytes] = []

        def on_bytes(_: object, piece: Str) -> int:
            pieces.append(ctypes.string_at(piece.p, piece.n) if piece.n else b"")
            return 0

        sink = Sink(ctypes.sizeof(Sink), 0, None, ON_TEXT(on_bytes))
        error = Error(ctypes.sizeof(Error))
        status = self._format.write(byref(raw_notebook), byref(sink), byref(error))
        assert status == 0, error.message.decode()
        return b"".join(pieces).decode()
