#!/usr/bin/env bash
# Starts Hocuspocus, installing it first where it is not there. Prints `listening PORT`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"
home="$ROOT/build/bench-peers/hocuspocus"

version_at_least "$(node --version | tr -d v)" 20 ||
  die "Hocuspocus needs Node.js 20 or newer, and this is $(node --version)" "install one, or name the other scenarios"
if ! cmp -s "$here/hocuspocus/package-lock.json" "$home/.made-for"; then
  echo "installing Hocuspocus into $home" >&2
  rm -rf "$home"
  mkdir -p "$home"
  cp "$here/hocuspocus/package.json" "$here/hocuspocus/package-lock.json" "$home/"
  (cd "$home" && npm ci --no-audit --no-fund --loglevel=error >&2)
  cp "$here/hocuspocus/package-lock.json" "$home/.made-for"
fi
cp "$here/hocuspocus/server.mjs" "$home/server.mjs"
cd "$home"
exec node server.mjs
