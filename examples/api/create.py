#!/usr/bin/env python3
"""Creates a notebook for a runtime: create.py [RUNTIME [PATH]]; the runtime defaults to jupyter/python3."""

import json
import sys

from lectern_api import ApiError, Lectern

runtime = sys.argv[1] if len(sys.argv) > 1 else "jupyter/python3"
options = {"path": sys.argv[2]} if len(sys.argv) > 2 else {}
try:
    print(json.dumps(Lectern().create(runtime, **options), indent=2))
except ApiError as refused:
    sys.exit(str(refused))  # an unknown runtime names the known ones
