"""What can go wrong, as the host says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LecternError(Exception):
    """Base of everything this package raises."""


class ApiError(LecternError):
    """The host refused, in its own words (docs/http-api.md, Answers)."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        self.status = status
        self.code: str = str(error.get("code", "unknown"))
        self.hint: str = str(error.get("hint", ""))
        self.details: Any = error.get("details")
        text = f"{status} {self.code}: {error.get('message', 'no message')}"
        super().__init__(f"{text} ({self.hint})" if self.hint else text)


class ProtocolMismatch(LecternError):
    """The host speaks a protocol this package does not."""

    def __init__(self, host: str, ours: str) -> None:
        super().__init__(f"the host speaks {host!r}, this package {ours!r}; install matching versions of the two")
        self.host = host
        self.ours = ours


class NotConnected(LecternError):
    """The session ended, or the host could not be reached again within the time given."""


class NoServer(LecternError):
    """No running server was found and none was named."""
