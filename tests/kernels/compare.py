"""Outputs made comparable the way nbclient's own tests do it (nbclient, tests/test_client.py, BSD-3-Clause)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Any
from xml.etree import ElementTree

ADDRESS = re.compile(r"0x[0-9a-f]{7,12}")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PLACE = re.compile(
    r"(<ipython-input-\d+-[0-9a-f]+>|<IPY-INPUT>) in (<module>|<cell line: \d>\(\))"
    r"|((Cell|Input) In\s?\[\d+\]|<IPY-INPUT>), (in )?(line \d|<module>|<cell line: \d>\(\))"
)


def _base64(text: str) -> str:
    try:
        return b64encode(b64decode(text.encode("ascii"))).decode("ascii")
    except (ValueError, TypeError):
        return text


def _where(entry: str) -> str:
    place, *code = entry.split("\n")
    return "\n".join([place, *(line for line in code if line.startswith("--"))])


def normal(output: Any) -> dict[str, Any]:
    out = {key: value for key, value in output.items() if key != "metadata"}
    if "text" in out:
        out["text"] = ADDRESS.sub("<HEXADDR>", out["text"])
    if "data" in out:
        data = dict(out["data"])
        for kind, value in data.items():
            if kind == "application/vnd.jupyter.widget-view+json":
                data[kind] = {**value, "model_id": "<MODEL_ID>"}
            elif kind == "image/svg+xml":
                data[kind] = ElementTree.canonicalize(value, strip_text=True)
            elif isinstance(value, str):
                data[kind] = _base64(ADDRESS.sub("<HEXADDR>", value))
        out["data"] = data
    if "traceback" in out:
        # Rules and how much is shown around a line differ between versions of IPython; what failed and where does not.
        lines = [_where(PLACE.sub("<IPY-INPUT>", COLOURS.sub("", line)).rstrip()) for line in out["traceback"]]
        out["traceback"] = [line for line in lines if not set(line) <= {"-"}]
    return out


def in_order(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which of two streams a kernel flushes first is chance."""
    out: list[dict[str, Any]] = []
    for output in outputs:
        if out and output["output_type"] == out[-1]["output_type"] == "stream" and output["name"] < out[-1]["name"]:
            out.insert(-1, output)
        else:
            out.append(output)
    return out


def outputs_of(notebook: Any) -> list[tuple[int | None, list[dict[str, Any]]]]:
    """Count and outputs of each code cell, in order."""
    return [
        (cell.get("execution_count"), in_order([normal(output) for output in cell["outputs"]]))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
