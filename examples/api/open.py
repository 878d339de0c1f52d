#!/usr/bin/env python3
"""Opens a notebook and shows what came of it: open.py NOTEBOOK"""

import json
import sys

from lectern_api import ApiError, Lectern

if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    print(json.dumps(Lectern().open(sys.argv[1]), indent=2))
except ApiError as refused:
    sys.exit(str(refused))
