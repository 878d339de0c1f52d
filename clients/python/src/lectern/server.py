"""Finding a host and asking it over HTTP. Standard library only; blocking, so the session calls it from a thread."""

from __future__ import annotations

import json
import os
import pathlib
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError, LecternError, NoServer, ProtocolMismatch

PROTOCOL = "lectern.v1"


@dataclass(frozen=True)
class ConnectionInfo:
    """The answer to open and create: count and errors in it are final."""

    session_id: str
    notebook_id: str
    path: str
    format: str
    cell_count: int
    needs_trust_approval: bool
    connect_url: str
    protocol: str = PROTOCOL
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> ConnectionInfo:
        """Checked before anything else is read: another protocol may have other keys."""
        protocol = str(answer.get("protocol", "none"))
        if protocol != PROTOCOL:
            raise ProtocolMismatch(protocol, PROTOCOL)
        keys = ("session_id", "notebook_id", "path", "format", "cell_count", "needs_trust_approval", "connect_url")
        return cls(**{key: answer[key] for key in keys}, protocol=protocol, raw=answer)


class Server:
    """One host.

    ``url`` as its start line prints it, token and all; without one, ``LECTERN_URL`` or the newest running.
    """

    def __init__(self, url: str | None = None, token: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        url = url or os.environ.get("LECTERN_URL")
        if url:
            parts = urllib.parse.urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                raise ValueError(f"{url!r} is not the address of a host: expected http://NAME:PORT/ or https://…")
            self.base = f"{parts.scheme}://{parts.netloc}"
            self.token = token or urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        else:
            self.base, found = running_server()
            self.token = token or found
        self.tls = tls

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def socket_url(self, path: str, query: Mapping[str, str]) -> str:
        return f"ws{self.base[4:]}{path}?{urllib.parse.urlencode(query)}"

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 130.0,
    ) -> Any:
        """The decoded answer; ApiError when the host refuses."""
        data = self.fetch(method, path, body, headers, timeout)
        return json.loads(data) if data else None

    def fetch(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 130.0,
    ) -> bytes:
        """The same, undecoded; for blobs and documents."""
        request = urllib.request.Request(self.base + path, method=method, headers={**self.headers(), **(headers or {})})
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        elif method not in ("GET", "DELETE"):
            request.data = b""
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self.tls) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as refused:
            raise ApiError(refused.code, _error_body(refused.read())) from None
        except OSError as unreachable:
            reason = getattr(unreachable, "reason", unreachable)
            raise LecternError(f"the host at {self.base} cannot be reached: {reason}") from None

    def open(self, path: str) -> ConnectionInfo:
        return ConnectionInfo.of(self.ask("POST", "/api/v1/notebooks/open", {"path": path}))

    def create(self, runtime: str, **options: Any) -> ConnectionInfo:
        given = {key: value for key, value in options.items() if value is not None}
        return ConnectionInfo.of(self.ask("POST", "/api/v1/notebooks/create", {"runtime": runtime, **given}))

    def sessions(self) -> Any:
        return self.ask("GET", "/api/v1/sessions")


def running_server() -> tuple[str, str]:
    """Address and token of this user's newest running host, from the list that ``lectern ls`` reads."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = pathlib.Path(base) / "lectern" if base else pathlib.Path(tempfile.gettempdir()) / f"lectern-{os.getuid()}"
    entries = []
    for path in (folder / "servers").glob("*.json"):
        try:
            entries.append(json.loads(path.read_text()))
        except (OSError, ValueError):
            continue  # it ended, or is being written, while we looked
    if not entries:
        raise NoServer("no host is running: start one with 'lectern serve', or give its url")
    newest = max(entries, key=lambda entry: str(entry["started_at"]))
    return str(newest["url"]).rstrip("/"), str(newest["token"])


def _error_body(body: bytes) -> Mapping[str, Any]:
    try:
        error = json.loads(body)["error"]
        return error if isinstance(error, dict) else {"message": str(error)}
    except (ValueError, KeyError, TypeError):
        return {"code": "unknown", "message": body[:200].decode("utf-8", "replace") or "no body"}
