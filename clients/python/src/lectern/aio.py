"""A live session, asynchronous: one WebSocket that comes back by itself and misses nothing.

What was typed in the protocol's terms: edits go out as transactions under our epoch, answers come when the journal has
them, events arrive in the session's order. After a cut the same client takes its seat again, the missed events are
replayed, and commands without an answer are asked again under the same id, which runs nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Any,
)

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from .errors import ApiError, LecternError, NotConnected, ProtocolMismatch
from .server import PROTOCOL, ConnectionInfo, Server
from .state import ENDED, Cell, Notebook

# Close codes after which the host does not want us back.
_FINAL_REASONS = ("SESSION_ENDED", "REPLACED", "UNAUTHORIZED", "EXPIRED")
_EVENTS_KEPT = 10_000
_ENDED_KEPT = 1_000
# The host remembers the last 256 command ids of a client: what is further ahead of the oldest unanswered one waits.
_WINDOW = 200
# What the host takes as one message, less what goes around the body. More would cost the connection, each time anew.
_MAX_BODY = (16 << 20) - 4096
# What a host that was started anew may be asked again, though it may have done it before it went.
_REPEATABLE = frozenset(
    "complete inspect is_complete history room focus sync "
    "save clear_outputs trust takeover release start_kernel".split()
)

Event = tuple[str, Any]


@dataclass(frozen=True)
class Execution:
    """How a run of a cell ended, and what it left."""

    cell_id: str
    execution_id: str
    status: str
    cell: Cell | None

    @property
    def ok(self) -> bool:
        return self.status == "idle"

    @property
    def text(self) -> str:
        return self.cell.text if self.cell else ""


@dataclass
class _Pending:
    number: int
    frame: dict[str, Any]
    answer: asyncio.Future[dict[str, Any]]
    stream: str | None = None  # the host's run it was first sent to; None: not sent yet
    socket: ClientConnection | None = None  # it was sent on last

    @property
    def repeatable(self) -> bool:
        command, body = self.frame["command"], self.frame["body"]
        if command == "transaction":
            return all(change.get("type") != "splice_source" for change in body.get("changes") or ())
        return command in _REPEATABLE


class Session:
    """One seat in one notebook's room. Made by ``open``, ``create`` or ``attach``; used from one event loop."""

    def __init__(self, server: Server, info: ConnectionInfo, options: Options) -> None:
        self.server = server
        self.info = info
        self.notebook = Notebook()
        self.epoch: int | None = None
        self.capabilities: dict[str, bool] = {"edit": False, "interact": False}
        self.ready: dict[str, Any] = {}
        self._options = options
        self._socket: ClientConnection | None = None
        self._client: dict[str, str] | None = None
        self._resume: str | None = None
        self._stream = ""
        self._pending: dict[str, _Pending] = {}
        # Our transaction whose changes stand in a reply still to come, with its seq; what follows it is held.
        self._own: tuple[dict[str, Any], int | None] | None = None
        self._held: deque[dict[str, Any]] = deque()
        self._early: dict[str, dict[str, Any]] = {}  # replies to transactions whose event is still to come
        self._runs: dict[str, asyncio.Future[str]] = {}
        self._ended_runs: dict[str, str] = {}
        self._subscribers: list[asyncio.Queue[Event | None]] = []
        self._asked: dict[int, asyncio.Queue[Event | None]] = {}  # our open takeover requests, and who waits for each
        self._current = asyncio.Event()
        self._over: LecternError | None = None
        self._task: asyncio.Task[None] | None = None
        self._next = 0

    # -- coming and going ------------------------------------------------------------------------------------------

    async def _start(self) -> Session:
        self._task = asyncio.create_task(self._live(), name=f"lectern {self.info.path}")
        current = asyncio.create_task(self._current.wait())
        await asyncio.wait({self._task, current}, return_when=asyncio.FIRST_COMPLETED)
        current.cancel()
        if self._over:
            raise self._over
        return self

    async def close(self) -> None:
        """Leaves the room. What was acknowledged is safe; what was not is abandoned."""
        self._end(NotConnected("this session was closed"))
        if self._socket:
            await self._socket.close(1000)
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _live(self) -> None:
        """Connects, and connects again, until the end."""
        loop = asyncio.get_running_loop()
        lost_at = loop.time()
        wait = 0.0
        while not self._over:
            try:
                await self._one_connection()
                lost_at, wait = loop.time(), 0.0
            except (ApiError, ProtocolMismatch) as refused:
                return self._end(refused)
            except (OSError, InvalidHandshake, LecternError) as unreachable:
                if loop.time() - lost_at > self._options.reconnect_for:
                    return self._end(NotConnected(f"the host at {self.server.base} does not answer: {unreachable}"))
                if not self._ever_connected:
                    return self._end(NotConnected(f"the host at {self.server.base} does not answer: {unreachable}"))
            if not self._over:
                await asyncio.sleep(wait)
                wait = min(max(wait * 2, 0.05), 2.0)

    @property
    def _ever_connected(self) -> bool:
        return bool(self.ready)

    async def _one_connection(self) -> None:
        """Until this connection is gone. Raises when there was none."""
        try:
            socket = await self._dial()
        except InvalidStatus as refused:
            raise await self._refusal(refused) from None
        self._socket = socket
        self._own = None
        self._held.clear()
        try:
            async for message in socket:
                if isinstance(message, str):
                    self._frame(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self._socket = None
            self._current.clear()
        code, reason = socket.close_code, socket.close_reason or ""
        if any(reason.startswith(final) for final in _FINAL_REASONS) or code == 4001:
            self._end(NotConnected(f"the host ended this connection: {code} {reason}"))

    async def _dial(self) -> ClientConnection:
        query = {"document": "events", "models": "events", "buffers": "base64"}
        headers = self.server.headers()
        if self._options.view_only:
            query["view_only"] = "true"
        if self._options.label:
            query["label"] = self._options.label
        if self._client:
            query["client_id"] = self._client["id"]
            headers["Lectern-Client"] = f"{self._client['id']}.{self._client['secret']}"
        if self._resume:
            query["resume"] = self._resume
        path = f"/api/v1/sessions/{self.info.session_id}/connect"
        return await connect(
            self.server.socket_url(path, query),
            subprotocols=[websockets.Subprotocol(PROTOCOL)],
            additional_headers=headers,
            ssl=self.server.tls,
            max_size=None,
            open_timeout=self._options.open_timeout,
            ping_interval=None,  # the host pings
        )

    async def _refusal(self, refused: InvalidStatus) -> LecternError:
        """What a refused handshake means: a session that is gone is opened again by its path, once per attempt."""
        response = refused.response
        try:
            error = json.loads(response.body or b"{}")["error"]
        except (ValueError, KeyError, TypeError):
            error = {"message": f"the handshake ended with {response.status_code}"}
        if response.status_code in (429, 503):
            return LecternError(str(ApiError(response.status_code, error)))
        if response.status_code == 404 and self._ever_connected:
            # A host that was started anew gives the notebook a new session; our key is in its journal.
            self.info = await asyncio.to_thread(self.server.open, self.info.path)
            return LecternError("the session has a new id")
        return ApiError(response.status_code, error)

    def _end(self, why: LecternError) -> None:
        if self._over:
            return
        self._over = why
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(why)
        self._pending.clear()
        for run in self._runs.values():
            if not run.done():
                run.set_exception(why)
        self._runs.clear()
        for queue in self._subscribers:
            queue.put_nowait(None)

    # -- frames ----------------------------------------------------------------------------------------------------

    def _frame(self, frame: dict[str, Any]) -> None:
        op, data = frame.get("op"), frame.get("data")
        if not isinstance(op, str) or not isinstance(data, dict):
            return
        if op == "kernel-ready" and self._own is not None:
            # We were too slow, and what was held is in the snapshot that follows.
            self._own = None
            self._held.clear()
        if self._own is not None and (op != "reply" or data.get("id") != self._own[0]["transaction"].get("id")):
            self._held.append(frame)  # in order behind our own edit
        elif op == "reply":
            self._answered(data)
        else:
            self._event(op, frame.get("seq"), data)

    def _answered(self, reply: dict[str, Any]) -> None:
        reply_id = str(reply.get("id"))
        pending = self._pending.pop(reply_id, None)
        if self._own is not None:
            data, seq = self._own
            self._own = None
            if not reply.get("ok"):
                return self._resync()
            data["transaction"]["changes"] = reply.get("applied") or []
            self._event("notebook-document-transaction", seq, data)
        elif pending and reply.get("ok") and pending.frame["command"] == "model":
            # The answer fell to a cut, and what others wrote since came first: in a gap, ours is not.
            if not self.notebook.wrote(pending.frame["body"], reply["revision"]) and self.ready.get("replay") == "gap":
                self._resync()
        elif pending and reply.get("ok") and int(reply.get("version") or 0) > self.notebook.version:
            if "applied" in reply:
                self._early[reply_id] = reply
        if pending and not pending.answer.done():
            pending.answer.set_result(reply)
        self._pump()
        held, self._held = self._held, deque()
        for frame in held:
            self._frame(frame)

    def _resync(self) -> None:
        """The notebook can no longer be followed: a snapshot."""
        self._resume = None
        if self._socket:
            self._socket.transport.abort()

    def _event(self, op: str, seq: int | None, data: dict[str, Any]) -> None:
        if op == "kernel-ready":
            self._begin(data)
        elif op == "consumer-capabilities":
            self._granted(data)
        elif op == "notebook-document-transaction" and "changes" not in data["transaction"]:
            own = str(data["transaction"].get("id"))
            if own in self._early:
                data["transaction"]["changes"] = self._early.pop(own)["applied"]
            elif own in self._pending:
                self._own = (data, seq)
                return
            else:
                return self._resync()
        if op != "kernel-ready":
            self.notebook.apply(op, data)
        if op == "cell-op":
            self._run_moved(data)
        if op == "replay-complete":
            self._caught_up()
        if seq is not None:
            self._resume = f"{self._stream}.{seq}"
        elif op == "replay-complete":
            self._resume = f"{self._stream}.{data['seq']}"
        for queue in self._subscribers:
            if queue.qsize() < _EVENTS_KEPT:
                queue.put_nowait((op, data))

    def _begin(self, ready: dict[str, Any]) -> None:
        if ready.get("protocol") != PROTOCOL:
            self._end(ProtocolMismatch(str(ready.get("protocol")), PROTOCOL))
            return
        client = dict(ready["client"])
        if "secret" not in client and self._client:
            client["secret"] = self._client["secret"]
        self._client = client
        self._stream = ready["stream"]
        self.ready = ready
        self._granted(ready)
        self.notebook.begin(ready)
        for reply_id, pending in list(self._pending.items()):
            if pending.stream not in (None, self._stream) and not pending.repeatable:
                self._pending.pop(reply_id)
                command = pending.frame["command"]
                error = {
                    "code": "outcome_unknown",
                    "message": f"the host was started anew before it answered {command!r}",
                    "hint": "look at the notebook before asking again",
                }
                if not pending.answer.done():
                    pending.answer.set_exception(ApiError(504, error))
        if ready.get("replay") == "snapshot":
            self._resume = None  # half a snapshot is nothing to go on from
            self._early.clear()
            for pending in self._pending.values():
                pending.socket = None  # cut for slowness, answers may have been among what was dropped
        else:
            # In a gap our own edits come without their changes, which stand in the replies that the cut took away.
            self._pump(again=True)

    def _granted(self, data: Mapping[str, Any]) -> None:
        self.capabilities = dict(data["consumer_capabilities"])
        self.epoch = data.get("epoch") if self.capabilities.get("edit") else None

    def _caught_up(self) -> None:
        self._current.set()
        self._pump()
        for execution_id, run in list(self._runs.items()):
            # A snapshot tells how cells are, not which run left them so.
            cell = self.notebook.find(getattr(run, "cell_id", ""))
            if cell is None or (cell.status in ENDED and self.ready.get("replay") == "snapshot"):
                self._run_ended(execution_id, cell.status if cell else "cancelled")

    def _run_moved(self, data: Mapping[str, Any]) -> None:
        execution_id, status = data.get("execution_id"), data.get("status")
        if execution_id and status in ENDED:
            self._run_ended(str(execution_id), str(status))

    def _run_ended(self, execution_id: str, status: str) -> None:
        self._ended_runs[execution_id] = status
        while len(self._ended_runs) > _ENDED_KEPT:
            self._ended_runs.pop(next(iter(self._ended_runs)))
        run = self._runs.pop(execution_id, None)
        if run and not run.done():
            run.set_result(status)

    def _pump(self, again: bool = False) -> None:
        """Sends what was not sent on this connection yet; with ``again`` only what this run of the host had before."""
        if self._socket is None or not (again or self._current.is_set()):
            return
        for pending in self._pending.values():
            if pending.number - next(iter(self._pending.values())).number >= _WINDOW:
                break
            if pending.socket is not self._socket and (not again or pending.stream == self._stream):
                self._send(pending, self._socket)

    def _send(self, pending: _Pending, socket: ClientConnection) -> None:
        """Under the epoch of now when it goes out first, or to a host that was started anew and left us the pen.

        What was sent to this run of the host keeps its epoch: if somebody had the pen since, it is a late edit and to
        be refused.
        """
        pending.socket = socket
        if pending.stream != self._stream:
            pending.stream = self._stream
            pending.frame.pop("epoch", None)
            if self.epoch is not None:
                pending.frame["epoch"] = self.epoch
        task = asyncio.ensure_future(socket.send(json.dumps(pending.frame)))
        # A send that fails is a connection that is gone; the reader notices and the command is asked again.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    # -- commands --------------------------------------------------------------------------------------------------

    async def command(self, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any command that /api/v1/asyncapi.json lists; its reply. ApiError when it is refused."""
        if self._over:
            raise self._over
        size = len(json.dumps(body)) if body else 0
        if size > _MAX_BODY:
            what = f"the command {name!r} has {size} bytes; a host takes 16 MiB at a time"
            raise ApiError(413, {"code": "too_large", "message": what, "hint": "send it in parts"})
        self._next += 1
        frame_id = f"py{self._next}"
        frame: dict[str, Any] = {"id": frame_id, "command": name, "body": dict(body or {})}
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[frame_id] = _Pending(self._next, frame, answer)
        self._pump()
        reply = await answer
        if not reply.get("ok"):
            error = reply.get("error") or {}
            raise ApiError(int(error.get("status", 500)), error)
        return reply

    async def transaction(self, changes: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Edits, all or none; returns once they are in the host's journal."""
        return await self.command("transaction", {"changes": list(changes), **options})

    async def create_cell(
        self,
        source: str = "",
        cell_type: str = "code",
        *,
        before: str | None = None,
        after: str | None = None,
        cell_id: str | None = None,
    ) -> Cell:
        """A new cell beside ``before`` or ``after``, or at the end."""
        cell_id = cell_id or uuid.uuid4().hex[:12]
        change = {"type": "create_cell", "cell_id": cell_id, "cell_type": cell_type, "source": source}
        change.update({key: value for key, value in (("before", before), ("after", after)) if value is not None})
        await self.transaction([change])
        return self.cell(cell_id)

    async def set_source(self, cell_id: str, source: str) -> None:
        await self._edit({"type": "set_source", "cell_id": cell_id, "source": source})

    async def splice(
        self, cell_id: str, index: int, remove: int, insert: str, *, base_version: int | None = None
    ) -> None:
        """Counts code points in the source as it is at ``base_version``; None: as it is here now."""
        change = {"type": "splice_source", "cell_id": cell_id, "index": index, "delete": remove, "insert": insert}
        await self._edit(change, base_version=self.version if base_version is None else base_version)

    async def move_cell(self, cell_id: str, *, before: str | None = None, after: str | None = None) -> None:
        """Beside ``before`` or ``after``, or to the end."""
        change = {"type": "move_cell", "cell_id": cell_id}
        change.update({key: value for key, value in (("before", before), ("after", after)) if value is not None})
        await self._edit(change)

    async def _edit(self, change: Mapping[str, Any], **options: Any) -> None:
        """One change; 404 ``dropped`` when the cell that it names is gone."""
        reply = await self.transaction([change], **options)
        for dropped in reply.get("dropped") or ():
            what = f"the cell {change['cell_id']!r} was not changed: {dropped.get('reason')}"
            raise ApiError(404, {"code": "dropped", "message": what, "hint": "look at the notebook as it is now"})

    async def delete_cell(self, cell_id: str) -> None:
        await self.transaction([{"type": "delete_cell", "cell_id": cell_id}])

    async def execute(self, cell_ids: Sequence[str], timeout: float | None = None) -> list[Execution]:
        """Runs cells and waits for the last of them to end. A failing cell is an Execution with status ``error``."""
        reply = await self.command("execute", {"cell_ids": list(cell_ids)})
        waits = [self._wait_run(one["execution_id"], one["cell_id"]) for one in reply["executions"]]
        statuses = await asyncio.wait_for(asyncio.gather(*waits), timeout)
        return [
            Execution(one["cell_id"], one["execution_id"], status, self.notebook.find(one["cell_id"]))
            for one, status in zip(reply["executions"], statuses, strict=True)
        ]

    async def run(self, source: str, timeout: float | None = None) -> Execution:
        """Puts ``source`` into a new cell at the end and runs it, for everybody to see."""
        cell = await self.create_cell(source)
        return (await self.execute([cell.id], timeout))[0]

    async def interrupt(self) -> None:
        await self.command("interrupt")

    async def restart(self) -> None:
        await self.command("restart")

    async def answer_input(self, request_id: str, value: str) -> None:
        """Answers the event ``input-request``."""
        await self.command("input", {"request_id": request_id, "value": value})

    async def _wait_run(self, execution_id: str, cell_id: str) -> str:
        if execution_id in self._ended_runs:
            return self._ended_runs[execution_id]
        run: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        run.cell_id = cell_id  # type: ignore[attr-defined]
        self._runs[execution_id] = run
        return await run

    async def takeover(self, reason: str = "", if_epoch: int | None = None) -> dict[str, Any]:
        """Takes the pen. Where the policy asks its holder this waits for the answer; ApiError ``denied`` is a no."""
        body: dict[str, Any] = {"reason": reason} if reason else {}
        if if_epoch is not None:
            body["if_epoch"] = if_epoch
        answers = self._subscribe()
        try:
            reply = await self.command("takeover", body)
            if not reply.get("asked"):
                self._granted(reply)
                return reply
            self._asked[reply["request_id"]] = answers
            async for op, data in self._drain(answers):
                if op == "takeover-answer" and data["request_id"] == reply["request_id"]:
                    if not data["allowed"]:
                        raise ApiError(403, {"code": "denied", "message": data.get("reason") or "the editor said no"})
                    await self._until(lambda: self.can_edit)
                    return {"epoch": self.epoch, "consumer_capabilities": self.capabilities}
            raise self._over or NotConnected("the session ended")
        finally:
            self._subscribers.remove(answers)
            self._asked = {key: queue for key, queue in self._asked.items() if queue is not answers}

    async def answer_takeover(self, request_id: int, allow: bool) -> None:
        """Answers the event ``takeover-request``."""
        await self.command("answer", {"request_id": request_id, "allow": allow})

    async def withdraw(self) -> None:
        """Takes all of our own open requests back; their ``takeover()`` ends with ``denied``."""
        for request_id, answers in list(self._asked.items()):
            await self.command("withdraw", {"request_id": request_id})
            answers.put_nowait(("takeover-answer", {"request_id": request_id, "allowed": False, "reason": "withdrawn"}))

    async def release(self) -> None:
        """Puts the pen down."""
        await self.command("release")

    async def save(self, path: str | None = None) -> dict[str, Any]:
        return await self.command("save", {"path": path} if path else {})

    async def confirm_sync(self) -> int:
        """Ends when the host has, journaled, all we did, and we have seen all it did before; the notebook's version."""
        waiting = [pending.answer for pending in self._pending.values()]
        if waiting:
            await asyncio.wait(waiting)
        await self.command("room")
        return self.notebook.version

    async def get_widgets(self) -> dict[str, dict[str, Any]]:
        """The state of every live model, by id, in the order they were opened; buffers are bytes in their places."""
        await self.confirm_sync()
        return {model_id: dict(state) for model_id, state in self.notebook.models.items()}

    async def get_comms(self) -> dict[str, dict[str, Any]]:
        """The same models with ``target_name``, ``cell_id``, ``seq``, ``revision`` and ``state``, sorted by ``seq``."""
        await self.confirm_sync()
        return self.notebook.comms()

    async def blob(self, reference: Mapping[str, Any]) -> bytes:
        """The bytes behind ``{"$blob": …}``, as large outputs carry them."""
        return await asyncio.to_thread(self.server.fetch, "GET", f"/blobs/{reference['$blob']}")

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def cells(self) -> list[Cell]:
        return self.notebook.cells

    def cell(self, cell_id: str) -> Cell:
        return self.notebook.cell(cell_id)

    @property
    def version(self) -> int:
        return self.notebook.version

    @property
    def ended(self) -> LecternError | None:
        """Why the session is over; None while it is not."""
        return self._over

    @property
    def can_edit(self) -> bool:
        return bool(self.capabilities.get("edit"))

    @property
    def editor(self) -> dict[str, Any] | None:
        """Who holds the pen; None when nobody does."""
        return self.notebook.room.get("editor")

    @property
    def connected(self) -> bool:
        return self._current.is_set()

    async def events(self) -> AsyncIterator[Event]:
        """Every event from now on as (op, data), until the session ends. A reader far behind loses the newest."""
        queue = self._subscribe()
        try:
            async for event in self._drain(queue):
                yield event
        finally:
            self._subscribers.remove(queue)

    def _subscribe(self) -> asyncio.Queue[Event | None]:
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._subscribers.append(queue)
        if self._over:
            queue.put_nowait(None)
        return queue

    @staticmethod
    async def _drain(queue: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        while (event := await queue.get()) is not None:
            yield event

    async def wait_for(self, condition: Callable[[Session], bool], timeout: float | None = None) -> None:
        """Until ``condition(self)`` holds; it is looked at after every event."""
        await asyncio.wait_for(self._until(lambda: condition(self)), timeout)

    async def _until(self, condition: Callable[[], bool]) -> None:
        queue = self._subscribe()
        try:
            while not condition():
                if await queue.get() is None:
                    raise self._over or NotConnected("the session ended")
        finally:
            self._subscribers.remove(queue)


@dataclass(frozen=True)
class Options:
    """How to be in the room. ``reconnect_for`` seconds without the host end the session."""

    label: str = ""
    view_only: bool = False
    reconnect_for: float = 60.0
    open_timeout: float = 10.0


class Opening:
    """``await`` it for a Session, or use it in ``async with``."""

    def __init__(self, make: Callable[[], Awaitable[Session]]) -> None:
        self._make = make
        self._session: Session | None = None

    def __await__(self) -> Generator[Any, None, Session]:
        return self._make().__await__()

    async def __aenter__(self) -> Session:
        self._session = await self._make()
        return self._session

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()


def open(
    path: str,
    *,
    url: str | None = None,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> Opening:
    """Opens the notebook at ``path`` and takes a seat in its room."""

    async def make() -> Session:
        server = Server(url, token, tls)
        info = await asyncio.to_thread(server.open, path)
        return await Session(server, info, Options(**options))._start()

    return Opening(make)


def create(
    runtime: str,
    *,
    path: str | None = None,
    working_dir: str | None = None,
    package_manager: str | None = None,
    dependencies: Sequence[str] | None = None,
    ephemeral: bool | None = None,
    url: str | None = None,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> Opening:
    """Creates a notebook for ``runtime`` (``jupyter/python3``) and takes a seat in its room."""
    spec = {
        "path": path,
        "working_dir": working_dir,
        "package_manager": package_manager,
        "dependencies": list(dependencies) if dependencies is not None else None,
        "ephemeral": ephemeral,
    }

    async def make() -> Session:
        server = Server(url, token, tls)
        info = await asyncio.to_thread(lambda: server.create(runtime, **spec))
        return await Session(server, info, Options(**options))._start()

    return Opening(make)


connect_open = open
connect_create = create
