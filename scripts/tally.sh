# Counting tests over several runners, so that test.sh can close with one line. Sourced by test.sh.
# shellcheck shell=bash

PASSED=0
FAILED=0
SKIPPED=0

heading() { printf '\n== %s ==\n' "$1"; }

# check NAME COMMAND...: one test; its output is shown when it fails.
check() {
  local name=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    PASSED=$((PASSED + 1))
    say "ok   $name"
  else
    FAILED=$((FAILED + 1))
    tail -60 "$log"
    say "FAIL $name"
  fi
  rm -f "$log"
}

# add_junit FILE STATUS: adds the counts of a JUnit report; a missing one is a failure, and so is a runner that failed
# without a failed test in its report (an error outside any test).
add_junit() {
  local counts
  if [ ! -s "$1" ]; then
    FAILED=$((FAILED + 1))
    say "FAIL no report at $1: the runner did not finish"
    return
  fi
  counts=$(python3 - "$1" <<'PY'
import sys
import xml.etree.ElementTree as tree
failed = skipped = total = 0
for case in tree.parse(sys.argv[1]).iter("testcase"):
    total += 1
    if case.find("failure") is not None or case.find("error") is not None:
        failed += 1
    elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        skipped += 1
print(total - failed - skipped, failed, skipped)
PY
  )
  local p f s
  read -r p f s <<<"$counts"
  if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1
    say "FAIL the runner ended with $2 although no test failed"
  fi
  PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
  say "$p passed, $f failed, $s skipped here"
}

# run_ctest PRESET [ctest options...]
run_ctest() {
  local preset=$1 report
  shift
  report="$ROOT/build/$preset/ctest.xml"
  rm -f "$report"
  local status=0
  (cd "$ROOT/build/$preset" &&
    ASAN_OPTIONS=detect_leaks=1:detect_odr_violation=0 \
      TSAN_OPTIONS="suppressions=$ROOT/tests/tsan.supp halt_on_error=1 second_deadlock_stack=1" \
      UBSAN_OPTIONS=print_stacktrace=1 \
      ctest -j "$JOBS" --output-on-failure --output-junit "$report" --progress "$@" 2>&1 | tail -80) || status=$?
  add_junit "$report" "$status"
}

run_cargo_tests() {
  need_cargo
  local log
  log=$(mktemp)
  # In the release profile: it shares what the host's own build compiled.
  CARGO="$CARGO_BIN" "$ROOT/host/document/automerge/build.sh" patched "$ROOT/build/engine" test --release --quiet \
    >"$log" 2>&1 || true
  if ! grep -q '^test result' "$log"; then
    tail -40 "$log"
    FAILED=$((FAILED + 1))
  fi
  grep -A20 '^failures:' "$log" || true
  local p f s
  while read -r p f s; do
    PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
  done < <(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored.*/\1 \2 \3/p' "$log")
  rm -f "$log"
}

# run_vitest DIR NAME [filter...]
run_vitest() {
  local dir=$1 name=$2 report status=0
  shift 2
  report="$ROOT/build/vitest-$name.xml"
  rm -f "$report"
  (cd "$dir" && npx vitest run --reporter=default --reporter=junit --outputFile.junit="$report" "$@" 2>&1 | tail -80) || status=$?
  add_junit "$report" "$status"
}

# run_pytest PYTHON DIR NAME
run_pytest() {
  local python=$1 dir=$2 report="$ROOT/build/pytest-$3.xml" status=0
  rm -f "$report"
  (cd "$dir" && "$python" -m pytest -q -p no:cacheprovider --junitxml="$report" 2>&1 | tail -60) || status=$?
  add_junit "$report" "$status"
}

# clang-tidy reads GCC's command lines; what only GCC knows is taken out of a copy of them.
run_tidy() {
  mkdir -p "$ROOT/build/tidy"
  sed -E 's/ -fno-gnu-unique//g; s/ -Wno-restrict//g; s/ -Wno-(tsan|maybe-uninitialized|dangling-pointer|stringop-[a-z-]*|array-bounds)//g' \
    "$ROOT/build/dev/compile_commands.json" >"$ROOT/build/tidy/compile_commands.json"
  printf '%s\n' "$@" | xargs -P "$JOBS" -n 1 clang-tidy-14 -p "$ROOT/build/tidy" --quiet
}

closing_line() {
  printf '\n%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  [ "$FAILED" -eq 0 ]
}
