#!/bin/bash
# What a newcomer does: clones, ./run.sh, looks at the page, runs a cell; then once more, on a notebook of his own, which
# is quick and quiet because all is there.
# usage: tests/installed/newcomer.sh SOURCE      SOURCE: a repository of Lectern
set -euo pipefail
source=$(cd "${1:?usage: tests/installed/newcomer.sh SOURCE}" && pwd)
work=$(mktemp -d)
host=
stop() {
  [ -z "$host" ] || kill -TERM "$host" 2>/dev/null || true
  [ -z "$host" ] || wait "$host" || true
  host=
}
trap 'stop; rm -rf "$work"' EXIT
fail() { echo "newcomer: FAILED: $*" >&2; tail -30 "$work/out" >&2; exit 1; }

export XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config" XDG_RUNTIME_DIR="$work/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
git clone -q "$source" "$work/lectern"

# run SECONDS ARGUMENT...: ./run.sh until it printed its one URL, which is left in $url.
run() {
  local most=$1
  shift
  "$work/lectern/run.sh" "$@" --port 0 --no-browser >"$work/out" 2>&1 &
  host=$!
  local end=$((SECONDS + most))
  until url=$(grep -oE 'http://[^[:space:]]+' "$work/out" | tail -1) && [ -n "$url" ]; do
    kill -0 "$host" 2>/dev/null || fail "it ended instead of starting"
    [ $SECONDS -lt $end ] || fail "it took more than $most s"
    read -rt 0.1 <> <(:) || true
  done
}

python_says() {
  python3 "$work/lectern/examples/api/execute.py" "$1" 'import sys; print(6 * 7, sys.version_info[0])' 2>"$work/why" ||
    fail "a cell does not run: $(cat "$work/why")"
}

started=$SECONDS
run 3600
echo "newcomer: the first ./run.sh took $((SECONDS - started)) s"
page=$(curl -fsSL -b "" "$url")
grep -q "id=.root." <<<"$page" || fail "it does not serve the page: $page"
[ "$(python_says welcome.ipynb)" = "42 3" ] || fail "Python says $(python_says welcome.ipynb)"
stop

mkdir "$work/mine"
cp "$work/lectern/examples/notebooks/welcome.ipynb" "$work/mine/own.ipynb"
started=$SECONDS
run 60 "$work/mine/own.ipynb"
[ $((SECONDS - started)) -le 20 ] || fail "a second ./run.sh took $((SECONDS - started)) s"
[ "$(grep -c . "$work/out")" -le 3 ] || fail "a second ./run.sh is not quiet"
grep -q own.ipynb <<<"$url" || fail "it does not lead to the notebook: $url"
[ "$(python_says own.ipynb)" = "42 3" ] || fail "Python says $(python_says own.ipynb)"
stop
git -C "$work/lectern" status --short -- . ':!examples/notebooks' | grep . && fail "./run.sh leaves files in the clone"
echo "newcomer: passed"
