#!/bin/bash
# Installs the host and its plugins, moves them, and starts what was installed: page, plugins and all from the new place.
# usage: tests/installed/run.sh BUILD_DIR      BUILD_DIR: a build of Lectern, with the page built beside it
set -euo pipefail
build=$(cd "${1:?usage: tests/installed/run.sh BUILD_DIR}" && pwd)
work=$(mktemp -d)
host=
cleanup() {
  [ -z "$host" ] || kill "$host" 2>/dev/null || true
  [ -z "$host" ] || wait "$host" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "installed: FAILED: $*" >&2; [ -f "$work/log" ] && cat "$work/log" >&2; exit 1; }

for component in host plugins; do
  cmake --install "$build" --component "$component" --prefix "$work/prefix" >"$work/log" || fail "the component $component"
done
mv "$work/prefix" "$work/moved"

mkdir "$work/notebooks"
export XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config" XDG_RUNTIME_DIR="$work/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
"$work/moved/bin/lectern" serve "$work/notebooks" --port 0 --no-browser --json >"$work/start" 2>"$work/log" &
host=$!
for _ in $(seq 300); do
  [ -s "$work/start" ] && break
  kill -0 "$host" 2>/dev/null || fail "it ended instead of starting"
  read -rt 0.1 <> <(:) || true
done
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/start" "$1"; }
page=$(curl -fsSL -b "" "$(field url)")
grep -q "id=.root." <<<"$page" || fail "it does not serve the page: $page"
list=$("$work/moved/bin/lectern" plugins --json)
python3 - "$list" <<'PY' || fail "not every plugin came along"
import json, sys
found = {p["id"] for p in json.loads(sys.argv[1])["plugins"] if p["state"] != "refused"}
missing = {"local-takeover", "collaborative", "transport-websocket", "transport-sse", "format-ipynb", "runtime-jupyter",
           "presence-folder", "presence-local", "presence-redis"} - found
strangers = {p["id"] for p in json.loads(sys.argv[1])["plugins"] if p.get("trusted") is False}
sys.exit(f"missing: {missing}, not on the list of own plugins: {strangers}" if missing or strangers else 0)
PY
scenarios=$(cd "$(dirname "$0")/../scenarios" && pwd)
"$work/moved/bin/lectern" policy test "$scenarios/queue.yaml" >"$work/log" || fail "it does not read scenario files"
rm "$work/moved/lib/lectern/lectern-scenarios.so"
! "$work/moved/bin/lectern" policy test "$scenarios/queue.yaml" >"$work/log" 2>&1 || fail "scenarios need lectern-scenarios.so"
grep -q "lectern-scenarios.so cannot be loaded" "$work/log" || fail "it does not say which file is missing"
echo "installed: passed"
