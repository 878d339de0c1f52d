"""The notebook as the host's events say it is. Pure: frames in, cells out; no input or output of its own."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENDED = ("idle", "error", "cancelled")


@dataclass
class Cell:
    id: str
    cell_type: str
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    execution_count: int | None = None
    status: str = "idle"

    @property
    def text(self) -> str:
        """What its outputs read as plain text."""
        return "".join(text_of(output) for output in self.outputs)


def text_of(output: Mapping[str, Any]) -> str:
    """The plain text of an nbformat output."""
    if output.get("output_type") == "error":
        return "\n".join(output.get("traceback", ())) + "\n"
    value = output.get("text", output.get("data", {}).get("text/plain", ""))
    return "".join(value) if isinstance(value, (list, str)) else ""


class Notebook:
    """Cells in order, room, kernel and models, kept current by ``apply``."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.metadata: dict[str, Any] = {}
        self.version = 0
        self.room: dict[str, Any] = {}
        self.kernel: dict[str, Any] = {}
        self.save: dict[str, Any] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self._comms: dict[str, dict[str, Any]] = {}  # what else is known of the same models
        self._opened = 0

    def cell(self, cell_id: str) -> Cell:
        for cell in self.cells:
            if cell.id == cell_id:
                return cell
        raise KeyError(f"there is no cell {cell_id!r}")

    def find(self, cell_id: str) -> Cell | None:
        return next((cell for cell in self.cells if cell.id == cell_id), None)

    def begin(self, ready: Mapping[str, Any]) -> None:
        """``kernel-ready``: a snapshot replaces the notebook, a gap goes on from what is here."""
        self.room = dict(ready.get("room") or {})
        self.kernel = dict(ready.get("kernel") or {})
        notebook = ready.get("notebook")
        if ready.get("replay") != "snapshot" or notebook is None:
            return
        self.version = notebook["version"]
        self.metadata = copy.deepcopy(notebook.get("metadata") or {})
        self.models.clear()
        self._comms.clear()
        self.cells = [
            Cell(cell["id"], cell["cell_type"], cell["source"], dict(cell.get("metadata") or {}))
            for cell in notebook["cells"]
        ]

    def apply(self, op: str, data: Mapping[str, Any]) -> None:
        """One event; ops this package does not know are passed over, as the protocol asks."""
        if op == "cell-op":
            self._cell_op(data)
        elif op == "notebook-document-transaction":
            transaction = data["transaction"]
            self.edit(transaction.get("changes") or (), transaction["version"])
        elif op == "room-state":
            self.room = dict(data)
        elif op == "kernel-status":
            self.kernel = dict(data)
        elif op == "save-state":
            self.save = dict(data)
        elif op == "model-lifecycle":
            self._model(data)

    def edit(self, changes: Any, version: int) -> None:
        for change in changes:
            self._change(change)
        self.version = max(self.version, version)

    def _change(self, change: Mapping[str, Any]) -> None:
        kind, cell_id = change["type"], change.get("cell_id")
        if kind == "reorder_cells":
            order = {one: index for index, one in enumerate(change["cell_ids"])}
            self.cells.sort(key=lambda cell: order.get(cell.id, len(order)))
            return
        if kind == "set_metadata" and cell_id is None:
            _set_path(self.metadata, change["path"], change.get("value"))
            return
        cell = self.find(cell_id) if cell_id is not None else None
        if kind == "create_cell":
            if cell is None and cell_id is not None:
                made = Cell(cell_id, change["cell_type"], change.get("source", ""), dict(change.get("metadata") or {}))
                self._place(made, change)
        elif cell is None:
            return
        elif kind == "delete_cell":
            self.cells.remove(cell)
        elif kind == "move_cell":
            self.cells.remove(cell)
            self._place(cell, change)
        elif kind == "set_source":
            cell.source = change["source"]
        elif kind == "splice_source":
            at = change["index"]
            cell.source = cell.source[:at] + change["insert"] + cell.source[at + change["delete"] :]
        elif kind == "set_metadata":
            _set_path(cell.metadata, change["path"], change.get("value"))
        elif kind == "set_cell_type":
            cell.cell_type = change["cell_type"]

    def _place(self, cell: Cell, change: Mapping[str, Any]) -> None:
        """Beside ``before`` or ``after``; ``after: null`` is the top, neither is the end."""
        ids = [one.id for one in self.cells]
        if change.get("before") in ids:
            self.cells.insert(ids.index(change["before"]), cell)
        elif change.get("after") in ids:
            self.cells.insert(ids.index(change["after"]) + 1, cell)
        elif "after" in change and change["after"] is None:
            self.cells.insert(0, cell)
        else:
            self.cells.append(cell)

    def _cell_op(self, data: Mapping[str, Any]) -> None:
        cell = self.find(data["cell_id"])
        if cell is None:
            return
        cell.status = data.get("status", cell.status)
        if "execution_count" in data:
            cell.execution_count = data["execution_count"]
        for change in data.get("outputs") or ():
            kind = change["op"]
            if kind == "clear":
                cell.outputs = []
            elif kind == "append":
                cell.outputs.append(copy.deepcopy(change["output"]))
            elif kind == "replace":
                cell.outputs[change["index"]] = copy.deepcopy(change["output"])
            elif kind == "append_text":
                output = cell.outputs[change["index"]]
                output["text"] = "".join(output.get("text", "")) + change["text"]

    def _model(self, data: Mapping[str, Any]) -> None:
        model_id, message = data["model_id"], data["message"]
        state = copy.deepcopy(message.get("state") or {})
        for path, buffer in zip(message.get("buffer_paths") or (), data.get("buffers") or (), strict=False):
            _put_buffer(state, path, base64.b64decode(buffer))
        if message["method"] == "open":
            self.models.pop(model_id, None)  # one that is opened again is the newest
            self.models[model_id] = state
            self._opened += 1
            about = {"target_name": message.get("target", ""), "cell_id": data.get("cell_id", ""), "seq": self._opened}
            self._comms[model_id] = {**about, "revision": data.get("revision", 0)}
        elif message["method"] == "update" and model_id in self.models:
            self.models[model_id].update(state)
            self._comms[model_id]["revision"] = data.get("revision", 0)
        elif message["method"] == "close":
            self.models.pop(model_id, None)
            self._comms.pop(model_id, None)

    def wrote(self, body: Mapping[str, Any], revision: int) -> bool:
        """Our own command ``model``, answered: everybody else is told of it. False when a later write came first."""
        if revision < self._comms.get(body["model_id"], {}).get("revision", 0):
            return False
        if body["model_id"] in self.models:
            self._model({**body, "revision": revision})
        return True

    def comms(self) -> dict[str, dict[str, Any]]:
        """The models, sorted by ``seq``."""
        in_order = sorted(self._comms.items(), key=lambda one: one[1]["seq"])
        return {comm_id: {**about, "state": dict(self.models[comm_id])} for comm_id, about in in_order}


def _put_buffer(state: dict[str, Any], path: Any, buffer: bytes) -> None:
    """Puts ``buffer`` where the sender of ``state`` took it out."""
    place: Any = state
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = buffer


def _set_path(target: dict[str, Any], path: Any, value: Any) -> None:
    """Sets the member at ``path`` (a list of keys); a value of None takes it away."""
    keys = [path] if isinstance(path, str) else list(path)
    for key in keys[:-1]:
        inner = target.get(key)
        if not isinstance(inner, dict):
            inner = target[key] = {}
        target = inner
    if value is None:
        target.pop(keys[-1], None)
    else:
        target[keys[-1]] = value
