"""A real host whose kernels are those of this environment, and notebooks that are run through it.

LECTERN_BIN names the host's program; LECTERN_NIGHTLY=1 runs all of what a change runs a part of.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import nbformat
import pytest

import lectern

NIGHTLY = os.environ.get("LECTERN_NIGHTLY") == "1"
PATIENCE = 90
HERE = pathlib.Path(__file__).parent

nightly = pytest.mark.nightly


def pytest_configure(config):
    config.addinivalue_line("markers", "nightly: only with LECTERN_NIGHTLY=1")


def pytest_collection_modifyitems(config, items):
    if not NIGHTLY:
        items[:] = [item for item in items if item.get_closest_marker("nightly") is None]


class Host:
    def __init__(self, folder: pathlib.Path, arguments: tuple[str, ...] = (), **environment: str) -> None:
        self.root = folder / "notebooks"
        self.root.mkdir()
        (folder / "run").mkdir(mode=0o700)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LECTERN_")},
            "LECTERN_VENV": sys.prefix,
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "IPYTHONDIR": str(folder / "ipython"),
            "COLUMNS": "80",
            "LINES": "24",
            **environment,
        }
        program = os.environ.get("LECTERN_BIN") or shutil.which("lectern")
        assert program, "set LECTERN_BIN to a built lectern"
        command = [program, "serve", str(self.root), "--port", "0", "--no-browser", "--json", "--token", "t", *arguments]
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.url = json.loads(self.process.stdout.readline())["url"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout
        self.process.stdout.close()

    @contextlib.contextmanager
    def notebook(self, name: str, cells: list[str] | nbformat.NotebookNode, kernel: str = "python3", language: str = "python"):
        """A notebook of this content, opened, with its kernel up; it is shut down at the end."""
        made = cells
        if isinstance(cells, list):
            made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        made.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": language}
        nbformat.write(made, self.root / name)
        with lectern.open(name, url=self.url) as session:
            yield session
            with contextlib.suppress(lectern.ApiError):
                session.command("shutdown_kernel")

    def saved(self, session: lectern.blocking.Session, name: str) -> nbformat.NotebookNode:
        session.save()
        return nbformat.read(self.root / name, 4)


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.stop()


class Server:
    """A Jupyter Server, as the other machine whose kernels a host reaches by its gateway plugin."""

    def __init__(self, folder: pathlib.Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        token = folder / "token"
        token.write_text("secret\n")
        self.arguments = ("--gateway", f"http://localhost:{self.port}", "--gateway-token-file", str(token))
        folders = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("RUNTIME", "DATA", "CONFIG")}
        command = [sys.executable, "-m", "jupyter_server", f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0"]
        command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}", "--allow-root", "--no-browser"]
        environment = {**os.environ, **folders, "JUPYTER_TOKEN": "secret", "JUPYTER_PREFER_ENV_PATH": "1"}
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        until(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, "the Jupyter Server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="session")
def gateway_host(tmp_path_factory):
    with contextlib.ExitStack() as ended:
        server = Server(tmp_path_factory.mktemp("server"))
        ended.callback(server.stop)
        host = Host(tmp_path_factory.mktemp("host"), server.arguments)
        ended.callback(host.stop)
        yield host


class Ears:
    """Every event of a session from now on."""

    def __init__(self, session: lectern.blocking.Session) -> None:
        self.session = session
        self.heard: list[tuple[str, dict]] = []
        self.task = asyncio.run_coroutine_threadsafe(self._listen(), session._loop.loop)

    async def _listen(self) -> None:
        async for op, data in self.session.aio.events():
            self.heard.append((op, data))

    def all(self, wanted: str) -> list[dict]:
        return [data for op, data in list(self.heard) if op == wanted]

    def wait(self, wanted: str, match=lambda data: True) -> dict:
        return until(lambda: next((data for data in self.all(wanted) if match(data)), None))


def until(condition, patience: float = PATIENCE):
    end = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)
    return value
