"""A real host for the tests: LECTERN_BIN names its program, LECTERN_VENV a venv with ipykernel."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": ["x = 1"]},
        {"cell_type": "markdown", "id": "b", "metadata": {}, "source": ["hello"]},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


class Host:
    """One host process in folders of its own; ``start`` again after ``kill`` is a restart on the same port."""

    def __init__(self, folder: pathlib.Path, *options: str) -> None:
        self.options = options
        self.root = folder / "notebooks"
        self.root.mkdir()
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LECTERN_")},
            "LECTERN_VENV": os.environ.get("LECTERN_VENV", ""),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
        }
        (folder / "run").mkdir(mode=0o700)
        self.port = 0
        self.start()

    def start(self) -> None:
        program = os.environ.get("LECTERN_BIN") or shutil.which("lectern")
        assert program, "set LECTERN_BIN to a built lectern"
        command = [program, "serve", str(self.root), "--port", str(self.port), "--no-browser", "--json", "--token", "t"]
        command += self.options
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        started = json.loads(self.process.stdout.readline())
        self.port, self.url = started["port"], started["url"]

    def write(self, name: str) -> str:
        (self.root / name).write_text(json.dumps(NOTEBOOK))
        return name

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.kill()


@pytest.fixture
def polite_host(tmp_path):
    """Its policy asks the editor before somebody else gets the pen."""
    host = Host(tmp_path, "--policy", "ask-first", "--asked-alive-ms", "20000")
    yield host
    host.kill()


@pytest.fixture
def notebook(host):
    return host.write("n.ipynb")
