"""The same session for code without an event loop: every call waits. The loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import queue
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from . import aio
from .aio import Event, Execution
from .errors import LecternError
from .server import ConnectionInfo
from .state import Cell

T = TypeVar("T")


class _Loop:
    """An event loop in a thread, for the life of one session."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="lectern", daemon=True)
        self.thread.start()

    def wait(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Session:
    """One seat in one notebook's room. A context manager; its calls may come from any thread."""

    def __init__(self, opening: aio.Opening) -> None:
        self._loop = _Loop()

        async def start() -> aio.Session:
            return await opening

        try:
            self.aio = self._loop.wait(start())
        except BaseException:
            self._loop.stop()
            raise
        self._closed = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.wait(self.aio.close())
        self._loop.stop()

    def command(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._loop.wait(self.aio.command(name, body))

    def transaction(self, changes: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        return self._loop.wait(self.aio.transaction(changes, **options))

    def create_cell(self, source: str = "", cell_type: str = "code", **where: Any) -> Cell:
        return self._loop.wait(self.aio.create_cell(source, cell_type, **where))

    def set_source(self, cell_id: str, source: str) -> None:
        self._loop.wait(self.aio.set_source(cell_id, source))

    def splice(self, cell_id: str, index: int, remove: int, insert: str, *, base_version: int | None = None) -> None:
        self._loop.wait(self.aio.splice(cell_id, index, remove, insert, base_version=base_version))

    def move_cell(self, cell_id: str, *, before: str | None = None, after: str | None = None) -> None:
        self._loop.wait(self.aio.move_cell(cell_id, before=before, after=after))

    def delete_cell(self, cell_id: str) -> None:
        self._loop.wait(self.aio.delete_cell(cell_id))

    def execute(self, cell_ids: Sequence[str], timeout: float | None = None) -> list[Execution]:
        return self._loop.wait(self.aio.execute(cell_ids, timeout))

    def run(self, source: str, timeout: float | None = None) -> Execution:
        return self._loop.wait(self.aio.run(source, timeout))

    def interrupt(self) -> None:
        self._loop.wait(self.aio.interrupt())

    def restart(self) -> None:
        self._loop.wait(self.aio.restart())

    def answer_input(self, request_id: str, value: str) -> None:
        self._loop.wait(self.aio.answer_input(request_id, value))

    def answer_takeover(self, request_id: int, allow: bool) -> None:
        self._loop.wait(self.aio.answer_takeover(request_id, allow))

    def withdraw(self) -> None:
        self._loop.wait(self.aio.withdraw())

    def takeover(self, reason: str = "", if_epoch: int | None = None) -> dict[str, Any]:
        return self._loop.wait(self.aio.takeover(reason, if_epoch))

    def release(self) -> None:
        self._loop.wait(self.aio.release())

    def save(self, path: str | None = None) -> dict[str, Any]:
        return self._loop.wait(self.aio.save(path))

    def confirm_sync(self) -> int:
        return self._loop.wait(self.aio.confirm_sync())

    def get_widgets(self) -> dict[str, dict[str, Any]]:
        return self._loop.wait(self.aio.get_widgets())

    def get_comms(self) -> dict[str, dict[str, Any]]:
        return self._loop.wait(self.aio.get_comms())

    def blob(self, reference: Mapping[str, Any]) -> bytes:
        return self._loop.wait(self.aio.blob(reference))

    def wait_for(self, condition: Callable[[aio.Session], bool], timeout: float | None = None) -> None:
        """``condition`` runs on the session's own thread."""
        self._loop.wait(self.aio.wait_for(condition, timeout))

    @property
    def info(self) -> ConnectionInfo:
        return self.aio.info

    @property
    def cells(self) -> list[Cell]:
        return list(self.aio.cells)

    def cell(self, cell_id: str) -> Cell:
        return self.aio.cell(cell_id)

    @property
    def version(self) -> int:
        return self.aio.version

    @property
    def epoch(self) -> int | None:
        return self.aio.epoch

    @property
    def connected(self) -> bool:
        return self.aio.connected

    @property
    def ended(self) -> LecternError | None:
        return self.aio.ended

    @property
    def can_edit(self) -> bool:
        return self.aio.can_edit

    @property
    def editor(self) -> dict[str, Any] | None:
        return self.aio.editor

    def events(self) -> Iterator[Event]:
        """Every event from now on, until the session ends; leaving the loop ends the subscription."""
        found: queue.Queue[Event | None] = queue.Queue()

        async def pump() -> None:
            try:
                async for event in self.aio.events():
                    found.put(event)
            finally:
                found.put(None)

        task = asyncio.run_coroutine_threadsafe(pump(), self._loop.loop)
        try:
            while (event := found.get()) is not None:
                yield event
        finally:
            task.cancel()


def open(
    path: str,
    *,
    url: str | None = None,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> Session:
    """Opens the notebook at ``path`` and takes a seat in its room."""
    return Session(aio.open(path, url=url, token=token, tls=tls, **options))


def create(runtime: str, **spec: Any) -> Session:
    """Creates a notebook for ``runtime`` and takes a seat in its room; ``spec`` as in ``lectern.aio.create``."""
    return Session(aio.create(runtime, **spec))


connect_open = open
connect_create = create
