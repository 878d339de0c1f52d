#!/usr/bin/env python3
"""Prints what happens in a notebook, as it happens: watch.py NOTEBOOK [URL]"""

import asyncio
import sys

import lectern


async def main() -> None:
    url = sys.argv[2] if len(sys.argv) > 2 else None
    async with lectern.aio.open(sys.argv[1], url=url, view_only=True, label="watch.py") as notebook:
        print(f"{notebook.info.path}: {len(notebook.cells)} cells")
        async for op, data in notebook.events():
            if op == "room-state":
                print("editor:", (data["editor"] or {}).get("label") or "nobody")
            elif op == "cell-op":
                print(data["cell_id"], data["status"])
            elif op == "notebook-document-transaction":
                print("edit by", (data["transaction"].get("by") or {}).get("label") or "somebody")


if len(sys.argv) < 2:
    sys.exit(__doc__)
try:
    asyncio.run(main())
except (lectern.LecternError, KeyboardInterrupt) as end:
    sys.exit(str(end))
