#!/bin/sh
# The fast path patch against the stock crate: both builds must print the same digests for the same seeds.
#   automerge-differential.sh BUILD_DIR [SEEDS] [FIRST_SEED]        (default 60 seeds from 1: a minute once built)
set -eu
build=${1:?usage: automerge-differential.sh BUILD_DIR [SEEDS] [FIRST_SEED]}
seeds=${2:-60}
first=${3:-1}
root=$(cd "$(dirname "$0")/../.." && pwd)
for mode in stock patched; do
  "$root/host/document/automerge/build.sh" "$mode" "$build" run --release --quiet --example differential -- "$seeds" "$first" \
    >"$build/differential-$mode.txt"
done
cat "$build/differential-patched.txt"
if ! cmp "$build/differential-stock.txt" "$build/differential-patched.txt"; then
  echo "the patched crate differs from stock:" >&2
  diff "$build/differential-stock.txt" "$build/differential-patched.txt" >&2 || true
  exit 1
fi
