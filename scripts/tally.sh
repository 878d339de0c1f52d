# Counting tests over several runners, so that test.sh can close with one line. Sourced by test.sh.
# shellcheck shell=bash

PASSED=0
FAILED=0
SKIPPED=0

# What failed, with the end of what it said: told again before the closing line, since whoever reads the end of a long run
# must not have to look for it.
FAILURES=$(mktemp)
AHEAD=0
AHEAD_LOG=$(mktemp)
leave() {
  if [ "$AHEAD" -ne 0 ]; then kill -- "-$AHEAD" 2>/dev/null || true; fi
  rm -f "$FAILURES" "$AHEAD_LOG"
}
trap leave EXIT

heading() { printf '\n== %s ==\n' "$1"; }

# remember_failure NAME: what it printed is on stdin.
remember_failure() {
  printf -- '--- %s\n' "$1" >>"$FAILURES"
  tail -40 | cut -c1-400 >>"$FAILURES"
}

# Says so where less than 256 MiB is left: what fails then fails for that, and often without a word of its own, since
# its log did not fit either.
tell_full_disk() {
  local dir free
  for dir in "$ROOT" "${TMPDIR:-/tmp}"; do
    free=$(free_mib "$dir")
    [ "$free" -ge 256 ] || say "the disk under $dir is full: $free MiB are free"
  done
}

# failed NAME LOG: counts and tells one failure.
failed() {
  FAILED=$((FAILED + 1))
  say "FAIL $1"
  tell_full_disk
  remember_failure "$1" <"$2"
}

# check NAME COMMAND...: one test; its output is shown when it fails.
check() {
  local name=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    PASSED=$((PASSED + 1))
    say "ok   $name"
  else
    tail -60 "$log"
    failed "$name" "$log"
  fi
  rm -f "$log"
}

# add_junit FILE STATUS LOG: adds the counts of a JUnit report; a missing one is a failure, and so is a runner that failed
# without a failed test in its report (an error outside any test). LOG is what the runner printed.
add_junit() {
  if [ ! -s "$1" ]; then
    failed "no report at $1: the runner did not finish" "$3"
    return
  fi
  local p f s
  if ! read -r p f s < <("$ROOT/scripts/junit.py" "$1" "$FAILURES"); then
    failed "the report $1 is damaged: the runner did not finish" "$3"
    return
  fi
  PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
  say "$p passed, $f failed, $s skipped here"
  if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then failed "the runner of $1 ended with $2 although no test failed" "$3"; fi
}

# build_ahead PRESET...: builds them beside the parts that mostly wait (for kernels, pages and sockets), with what these
# leave of the processors. In a process group of its own, so that it ends with this script whatever ends that.
build_ahead() {
  set -m
  (
    renice -n 19 -p "$BASHPID" >/dev/null
    for preset in "$@"; do build "$preset"; done
  ) >"$AHEAD_LOG" 2>&1 &
  AHEAD=$!
  set +m
}

# Waits for it. What it could not build is built again by who needs it, and fails there.
await_ahead() {
  [ "$AHEAD" -ne 0 ] || return 0
  wait "$AHEAD" || tail -5 "$AHEAD_LOG"
  AHEAD=0
}

# run_ctest PRESET [ctest options...]
run_ctest() {
  local preset=$1 report log status=0
  shift
  report="$ROOT/build/$preset/ctest.xml"
  rm -f "$report"
  log=$(mktemp)
  (cd "$ROOT/build/$preset" &&
    ASAN_OPTIONS=detect_leaks=1:detect_odr_violation=0 \
      TSAN_OPTIONS="suppressions=$ROOT/tests/tsan.supp halt_on_error=1 second_deadlock_stack=1" \
      UBSAN_OPTIONS=print_stacktrace=1 \
      ctest -j "$JOBS" --output-on-failure --output-junit "$report" "$@" >"$log" 2>&1) || status=$?
  sed -n '/% tests passed/,$p' "$log" | head -40
  add_junit "$report" "$status" "$log"
  rm -f "$log"
}

run_cargo_tests() {
  need_cargo
  local log
  log=$(mktemp)
  # In the release profile: it shares what the host's own build compiled.
  CARGO="$CARGO_BIN" "$ROOT/host/document/automerge/build.sh" patched "$ROOT/build/engine" test --release --quiet \
    >"$log" 2>&1 || true
  if ! grep -q '^test result' "$log"; then
    failed "the tests of the document bridge did not finish" "$log"
  fi
  if grep -q '^failures:' "$log"; then remember_failure "the document bridge" < <(grep -A40 '^failures:' "$log"); fi
  local p f s
  while read -r p f s; do
    PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
  done < <(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored.*/\1 \2 \3/p' "$log")
  rm -f "$log"
}

# run_vitest DIR NAME [filter...]
run_vitest() {
  local dir=$1 name=$2 report log status=0
  shift 2
  report="$ROOT/build/vitest-$name.xml"
  rm -f "$report"
  log=$(mktemp)
  (cd "$dir" && npx vitest run --reporter=default --reporter=junit --outputFile.junit="$report" "$@" >"$log" 2>&1) || status=$?
  tail -60 "$log"
  add_junit "$report" "$status" "$log"
  rm -f "$log"
}

# run_pytest PYTHON DIR NAME
run_pytest() {
  local python=$1 dir=$2 report="$ROOT/build/pytest-$3.xml" log status=0
  rm -f "$report"
  log=$(mktemp)
  (cd "$dir" && "$python" -m pytest -q -p no:cacheprovider --junitxml="$report" >"$log" 2>&1) || status=$?
  tail -60 "$log"
  add_junit "$report" "$status" "$log"
  rm -f "$log"
}

# clang-tidy reads GCC's command lines; what only GCC knows, its precompiled headers too, is taken out of a copy of them.
run_tidy() {
  mkdir -p "$ROOT/build/tidy"
  sed -E 's/ -fno-gnu-unique//g; s/ -Wno-restrict//g; s/ -Wno-(tsan|maybe-uninitialized|dangling-pointer|stringop-[a-z-]*|array-bounds)//g
    s/ -Winvalid-pch -include [^ ]*cmake_pch\.hxx//g' \
    "$ROOT/build/dev/compile_commands.json" >"$ROOT/build/tidy/compile_commands.json"
  printf '%s\n' "$@" | xargs -P "$JOBS" -n 1 clang-tidy-14 -p "$ROOT/build/tidy" --quiet
}

closing_line() {
  if [ -s "$FAILURES" ]; then
    heading "what failed"
    # Bounded, so that it ends where the end of a run is read.
    tail -c 9000 "$FAILURES"
  fi
  printf '\n%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  [ "$FAILED" -eq 0 ]
}
