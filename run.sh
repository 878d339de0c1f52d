#!/usr/bin/env bash
# Installs what is missing, builds, starts the host on loopback and prints one URL.
#   ./run.sh                        on examples/notebooks/
#   ./run.sh path/to/notebook.ipynb on that notebook; other arguments go to `lectern serve`
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/scripts/lib.sh"

need_packages "building the host" "${BUILD_PACKAGES[@]}"
build release
build_page
have_kernel || make_venv

target=$ROOT/examples/notebooks
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  target=$1
  shift
fi
export LECTERN_VENV="${LECTERN_VENV:-$ROOT/.venv}"
exec "$ROOT/build/release/bin/lectern" serve "$target" "$@"
