#!/usr/bin/env bash
# Runs a Python script of this folder with the packages of requirements.txt, which it installs first where they are not:
#   bench/peers/python.sh nbformat_times.py NOTEBOOK
#   bench/peers/python.sh serve_jupyter.py PYTHON     the interpreter whose ipykernel it starts
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)/build/bench-peers/python

if ! cmp -s "$here/requirements.txt" "$home/.made-for"; then
  echo "installing the Python peers into $home" >&2
  rm -rf "$home"
  mkdir -p "$(dirname "$home")"
  python3 -m venv "$home" >&2
  "$home/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$home/.made-for"
fi
script=$1
shift
exec "$home/bin/python" "$here/$script" "$@"
