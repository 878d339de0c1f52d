"""A small client of Lectern's HTTP API, standard library only. Used by the other scripts here.

The server is found through LECTERN_URL (as the start line prints it, with its token) or, without that, through the list
of running servers that `lectern ls` reads.
"""

import json
import os
import pathlib
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request


class ApiError(Exception):
    """What the server refused, in its own words."""

    def __init__(self, status, error):
        hint = f" ({error['hint']})" if error.get("hint") else ""
        super().__init__(f"{status} {error.get('code')}: {error.get('message')}{hint}")
        self.status = status
        self.code = error.get("code")
        self.details = error.get("details", {})


def running_server():
    """URL and token of the newest running server of this user."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = pathlib.Path(base) / "lectern" if base else pathlib.Path(tempfile.gettempdir()) / f"lectern-{os.getuid()}"
    entries = [json.loads(path.read_text()) for path in (folder / "servers").glob("*.json")]
    if not entries:
        sys.exit("no server is running: start one with 'lectern serve', or set LECTERN_URL")
    newest = max(entries, key=lambda entry: entry["started_at"])
    return newest["url"], newest["token"]


class Lectern:
    def __init__(self, url=None):
        url = url or os.environ.get("LECTERN_URL")
        if url:
            parts = urllib.parse.urlsplit(url)
            self.base = f"{parts.scheme}://{parts.netloc}"
            self.token = urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        else:
            self.base, self.token = running_server()

    def request(self, method, path, body=None, headers=None, timeout=130):
        """The decoded answer, or ApiError."""
        request = urllib.request.Request(self.base + path, method=method, headers=dict(headers or {}))
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        elif method != "GET":
            request.data = b""
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as refused:
            raise ApiError(refused.code, json.loads(refused.read())["error"]) from None

    def open(self, path):
        """A notebook that is there; without "create": False a path where nothing is yet would begin a new one."""
        return self.request("POST", "/api/v1/notebooks/open", {"path": path, "create": False})[1]

    def create(self, runtime, **options):
        return self.request("POST", "/api/v1/notebooks/create", {"runtime": runtime, **options})[1]

    def join(self, session_id, label):
        """A member of the session's room, without a socket."""
        _, made = self.request("POST", f"/api/v1/sessions/{session_id}/clients", {"label": label, "kind": "program"})
        return Client(self, session_id, made)


class Client:
    def __init__(self, server, session_id, made):
        self.server = server
        self.path = f"/api/v1/sessions/{session_id}"
        self.key = f"{made['client']['id']}.{made['client']['secret']}"
        self.ticket = made["ticket"]
        self.epoch = None

    def takeover(self, reason="", wait_ms=30_000):
        """Takes the pen, or waits for the editor's answer where the policy asks it."""
        headers = {"Lectern-Client": self.key}
        status, answer = self.server.request("POST", f"{self.path}/takeover", {"reason": reason}, headers)
        if status == 202:
            asked = f"{self.path}/takeover/{answer['request_id']}?wait_ms={wait_ms}"
            _, answer = self.server.request("GET", asked, headers=headers)
            if answer["state"] != "allowed":
                raise ApiError(403, {"code": answer["state"], "message": answer.get("reason") or "not allowed"})
        self.epoch = answer["epoch"]
        return answer

    def command(self, name, body=None, key=None):
        """Runs one command. With an idempotency key, a retry gets the first answer and runs nothing."""
        headers = {"Lectern-Client": self.key}
        if self.epoch is not None:
            headers["Lectern-Epoch"] = str(self.epoch)
        if key:
            headers["Idempotency-Key"] = key
        return self.server.request("POST", f"{self.path}/commands/{name}", body or {}, headers)[1]

    def events(self):
        """The session's events as (op, data), from a snapshot on; ends with the connection."""
        query = urllib.parse.urlencode({"ticket": self.ticket})
        request = urllib.request.Request(f"{self.server.base}{self.path}/events?{query}")
        if self.server.token:
            request.add_header("Authorization", f"Bearer {self.server.token}")
        with urllib.request.urlopen(request, timeout=60) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    yield event["op"], event["data"]
