"""A jupyter_server on a free port of loopback, token "bench", with one kernelspec "bench": the ipykernel of the
interpreter given. Prints `listening PORT`."""

import json
import os
import pathlib
import signal
import socket
import sys
import tempfile

from jupyter_server.serverapp import ServerApp


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(python):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-jupyter-"))
    spec = folder / "data" / "kernels" / "bench"
    spec.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "bench", "language": "python"}))
    for name in ("CONFIG", "RUNTIME"):
        os.environ[f"JUPYTER_{name}_DIR"] = str(folder / name.lower())
    os.environ["JUPYTER_DATA_DIR"] = str(folder / "data")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = free_port()
    app = ServerApp.instance()
    app.initialize(
        [
            "--ip=127.0.0.1",
            f"--port={port}",
            "--port-retries=0",
            "--no-browser",
            "--allow-root",
            "--IdentityProvider.token=bench",
            f"--ServerApp.root_dir={folder}",
            "--log-level=ERROR",
        ]
    )
    app.io_loop.add_callback(lambda: print(f"listening {port}", flush=True))
    app.start()


main(sys.argv[1])
