#!/usr/bin/env python3
"""Runs code in a notebook's kernel and prints what it writes: execute.py NOTEBOOK CODE

The code goes into a new cell at the end, so that everybody who watches sees it and its outputs.
"""

import sys
import uuid

from lectern_api import ApiError, Lectern


def text_of(output):
    """The text of an nbformat output."""
    if output["output_type"] == "stream":
        return "".join(output["text"])
    if output["output_type"] == "error":
        return "\n".join(output["traceback"]) + "\n"
    return "".join(output.get("data", {}).get("text/plain", "")) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    server = Lectern()
    client = server.join(server.open(sys.argv[1])["session_id"], "execute.py")
    events = client.events()
    next(event for event in events if event[0] == "replay-complete")
    client.takeover(reason="to run a cell")
    cell = uuid.uuid4().hex[:8]
    change = {"type": "create_cell", "cell_id": cell, "cell_type": "code", "source": sys.argv[2]}
    client.command("transaction", {"changes": [change]}, key=f"create-{cell}")
    client.command("execute", {"cell_ids": [cell]}, key=f"run-{cell}")
    for op, data in events:
        if op != "cell-op" or data["cell_id"] != cell:
            continue
        for change in data.get("outputs", []):
            if "output" in change:
                print(text_of(change["output"]), end="")
            elif change["op"] == "append_text":
                print(change["text"], end="")
        if data.get("status") in ("idle", "error", "cancelled"):
            return 0 if data["status"] == "idle" else 1
    return 1


try:
    sys.exit(main())
except ApiError as refused:
    sys.exit(str(refused))
