#!/usr/bin/env python3
"""Runs code in a notebook, visibly for everybody in it, and prints what it says: run.py NOTEBOOK CODE [URL]"""

import sys

import lectern

if len(sys.argv) < 3:
    sys.exit(__doc__)
try:
    with lectern.open(sys.argv[1], url=sys.argv[3] if len(sys.argv) > 3 else None, label="run.py") as notebook:
        notebook.takeover(reason="to run a cell")
        run = notebook.run(sys.argv[2])
        print(run.text, end="")
        sys.exit(0 if run.ok else 1)
except lectern.LecternError as refused:
    sys.exit(str(refused))
