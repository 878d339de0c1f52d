#!/usr/bin/env python3
"""Two programs pass the pen of one notebook: takeover.py NOTEBOOK"""

import sys

from lectern_api import ApiError, Lectern


def main(notebook):
    server = Lectern()
    session = server.open(notebook)["session_id"]
    first = server.join(session, "first program")
    second = server.join(session, "second program")

    print("first:  the pen is mine, epoch", first.takeover()["epoch"])
    print("second: I took it over, epoch", second.takeover(reason="my turn")["epoch"])
    try:
        first.command("clear_outputs")
        sys.exit("the first program edited without the pen")
    except ApiError as refused:
        print("first:  my next edit is refused:", refused)
    second.command("release")
    print("second: I gave it back")


if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    main(sys.argv[1])
except ApiError as refused:
    sys.exit(str(refused))
