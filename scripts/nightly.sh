#!/usr/bin/env bash
# The long runs behind `./test.sh --nightly`: no budget, each fails loudly.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
export LECTERN_VENV="$ROOT/.venv"
export LECTERN_BIN="$ROOT/build/dev/bin/lectern"

say "== differential fuzz of the document engine against the stock crate =="
need_cargo
CARGO="$CARGO_BIN" "$ROOT/tests/fuzz/automerge-differential.sh" "$ROOT/build/engine" "${LECTERN_FUZZ_SEEDS:-400}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say "== crash loop: kill -9 after an acknowledged edit =="
for round in $(seq "${LECTERN_CRASH_ROUNDS:-25}"); do
  (cd "$ROOT/tests" && npx vitest run wire/durability.test.ts >"$log" 2>&1) || {
    tail -40 "$log"
    die "the crash loop failed in round $round"
  }
done

say "== crash matrix: 10,000 lives, and the power cut under the real host =="
seed="${LECTERN_CRASH_SEED:-$(date +%-j)}"
"$ROOT/build/dev/bin/crash_matrix" --runs "${LECTERN_CRASH_RUNS:-10000}" --seed "$seed" || die "the crash matrix failed" \
  "each failed run above says how it is repeated"
(cd "$ROOT/tests" && LECTERN_POWER_CUTS=100 LECTERN_POWER_SEED="$seed" npx vitest run wire/disk.test.ts >"$log" 2>&1) || {
  tail -60 "$log"
  die "the power cuts failed with seed $seed"
}

say "== what others lost, at the size they lost it: 50 and 100 MB of outputs =="
for megabytes in 50 100; do
  (cd "$ROOT/tests" && LECTERN_LARGE_MB=$megabytes npx vitest run wire/losses.test.ts >"$log" 2>&1) || {
    tail -60 "$log"
    die "a notebook with $megabytes MB of outputs is not opened, edited and saved"
  }
done

say "== 300 random schedules of clients, host and file =="
(cd "$ROOT/tests" && LECTERN_SCHEDULES="${LECTERN_SCHEDULES:-300}" LECTERN_SCHEDULE_SEED="$((seed * 1000))" npx vitest run model/schedules.test.ts >"$log" 2>&1) || {
  tail -80 "$log"
  die "a random schedule failed" "its seed, and a shorter one that fails too, are printed above"
}

say "== 1,000 swaps of policies under load =="
(cd "$ROOT/tests" && LECTERN_STRICT=1 LECTERN_SWAPS=1000 npx vitest run wire/swaps.test.ts >"$log" 2>&1) || {
  tail -40 "$log"
  die "the swaps failed"
}
grep "swaps: " "$log" || true
for preset in asan-ubsan tsan; do
  build "$preset"
  (cd "$ROOT/tests" && ASAN_OPTIONS=detect_leaks=1:detect_odr_violation=0 UBSAN_OPTIONS=print_stacktrace=1 \
    TSAN_OPTIONS="suppressions=$ROOT/tests/tsan.supp halt_on_error=1 second_deadlock_stack=1" LECTERN_SWAPS=1000 \
    LECTERN_BIN="$ROOT/build/$preset/bin/lectern" npx vitest run wire/swaps.test.ts >"$log" 2>&1) || {
    tail -60 "$log"
    die "the swaps failed in the build $preset"
  }
done

say "== 10,000 sessions of other devices, 50 devices that do not answer, and files edited outside, timed =="
(cd "$ROOT/tests" && LECTERN_STRICT=1 npx vitest run wire/many_devices.test.ts wire/outside.test.ts >"$log" 2>&1) || {
  tail -40 "$log"
  die "the list of other devices' sessions, or what is edited outside, is slow"
}
grep -E "a list of 10,000|attach among|50 dead peers" "$log" || true

say "== every policy validated in full, in 20 s, and random input for every plugin =="
"$ROOT/tests/validate/long.sh" "$ROOT/build/dev" "${LECTERN_VALIDATE_MINUTES:-0.5}" || die "a plugin that ships is not valid"

say "== every kernel there is, and the notebooks of nbclient and ipywidgets =="
need_packages "kernels of other languages" "${NIGHTLY_PACKAGES[@]}"
make_kernels_venv "$ROOT/build/kernels-venv"
(cd "$ROOT/tests/kernels" && LECTERN_NIGHTLY=1 "$ROOT/build/kernels-venv/bin/python" -m pytest -q -p no:cacheprovider \
  >"$log" 2>&1) || {
  tail -80 "$log"
  die "a kernel or a notebook behaves differently through the host"
}

say "== every wire test, five times over =="
for round in $(seq 5); do
  (cd "$ROOT/tests" && npx vitest run wire/ >"$log" 2>&1) || {
    tail -60 "$log"
    die "the wire tests failed in round $round"
  }
done

say "== the page measured =="
(cd "$ROOT/tests" && LECTERN_STRICT=1 npx vitest run browser/measured.test.ts browser/looks.test.ts --testTimeout 3600000 >"$log" 2>&1) || {
  tail -40 "$log"
  die "the page is slower or holds more than it promises"
}
grep -E "first cell|heap " "$log" || true

say "== a newcomer's ./run.sh, in a fresh clone =="
"$ROOT/tests/installed/newcomer.sh" "$ROOT" || die "./run.sh does not do what the README says"

say "== load =="
build bench
# Hocuspocus, the peer of `typists`, needs a newer Node.js than Debian 12 has.
without=()
if ! version_at_least "$(node --version | tr -d v)" 20; then
  say "Node.js is older than 20: the scenario typists is left out"
  without=(--without typists)
fi
"$ROOT/build/bench/bin/lectern-load" --bin "$ROOT/build/bench/bin/lectern" --python "$ROOT/.venv/bin/python" "${without[@]}"
