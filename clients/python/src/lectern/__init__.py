"""Live Lectern notebooks from Python.

    import lectern

    with lectern.open("analysis.ipynb") as notebook:
        notebook.takeover()
        print(notebook.run("1 + 1").text)

``lectern.aio`` has the same names for asyncio.
"""

from . import aio
from .aio import Execution
from .blocking import Session, connect_create, connect_open, create, open
from .errors import ApiError, LecternError, NoServer, NotConnected, ProtocolMismatch
from .server import PROTOCOL, ConnectionInfo, Server
from .state import Cell, Notebook

__all__ = [
    "PROTOCOL",
    "ApiError",
    "Cell",
    "ConnectionInfo",
    "Execution",
    "LecternError",
    "NoServer",
    "NotConnected",
    "Notebook",
    "ProtocolMismatch",
    "Server",
    "Session",
    "aio",
    "connect_create",
    "connect_open",
    "create",
    "open",
]
__version__ = "0.1.0"
