#!/usr/bin/env bash
# Builds what is needed and runs every test there is. The budget of each part is in docs/testing.md.
#   ./test.sh            everything that runs on every change
#   ./test.sh --nightly  also the long soak, crash and fuzz runs
#   ./test.sh PART...    only these parts, in this order (see `parts` below), on a build that is brought up to date
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/scripts/lib.sh"
# shellcheck source=scripts/tally.sh
. "$ROOT/scripts/tally.sh"

parts=(format build unit page wire browser python rust sdk sanitizers tidy)
NIGHTLY=0
if [ "${1:-}" = --nightly ]; then
  NIGHTLY=1
  shift
fi
[ $# -gt 0 ] && parts=("$@")

need_space 10 "the whole of the tests"
need_packages "building the host" "${BUILD_PACKAGES[@]}"
need_packages "the tests" "${TEST_PACKAGES[@]}"
make_venv
export LECTERN_VENV="$ROOT/.venv"
export LECTERN_BIN="$ROOT/build/dev/bin/lectern"
export LECTERN_KERNELS_VENV="$ROOT/build/kernels-venv"

part_format() {
  local files
  mapfile -t files < <(git -C "$ROOT" ls-files '*.cpp' '*.hpp' | sed "s|^|$ROOT/|")
  check "clang-format" clang-format-14 --dry-run --Werror "${files[@]}"
  mapfile -t files < <(git -C "$ROOT" ls-files '*.sh' | sed "s|^|$ROOT/|")
  check "shellcheck" shellcheck -x -P "$ROOT" "${files[@]}"
}

built=
part_build() {
  build dev
  build_page
  built=yes
}
# A part that is run alone must not try what was built before the last edit.
need_build() { [ -n "$built" ] || part_build; }

part_unit() {
  need_build
  run_ctest dev
}

part_rust() {
  run_cargo_tests
  check "the patched document engine equals stock on random edits" env CARGO="$CARGO_BIN" \
    "$ROOT/tests/fuzz/automerge-differential.sh" "$ROOT/build/engine" 40
}

part_page() {
  need_node
  npm_install "$ROOT/host/web"
  check "the page type-checks" npm --prefix "$ROOT/host/web" run --silent typecheck
  run_vitest "$ROOT/host/web" page
}

part_wire() {
  need_build
  case " ${parts[*]} " in *" sanitizers "*) build_ahead asan-ubsan tsan ;; esac
  npm_install "$ROOT/tests"
  add_widgets
  make_kernels_venv "$LECTERN_KERNELS_VENV"
  check "the wire tests type-check" npm --prefix "$ROOT/tests" run --silent typecheck
  run_vitest "$ROOT/tests" wire wire/ model/
  check "the load driver starts a host and measures it" "$ROOT/build/dev/bin/lectern-load" --bin "$LECTERN_BIN" start
}

part_browser() {
  need_build
  add_widgets
  npm_install "$ROOT/tests"
  run_vitest "$ROOT/tests" browser browser/
}

part_python() {
  need_build
  local venv="$ROOT/build/python-client" client="$ROOT/clients/python"
  make_client_venv "$venv"
  check "the Python client is formatted" "$venv/bin/ruff" format --check "$client"
  check "the Python client is linted" "$venv/bin/ruff" check "$client"
  check "the Python client type-checks" "$venv/bin/mypy" --config-file "$client/pyproject.toml" "$client/src"
  run_pytest "$venv/bin/python" "$client" python-client
  jupytext_examples "$venv"
  LECTERN_PLUGINS="$ROOT/build/dev/plugins" run_pytest "$venv/bin/python" "$ROOT/tests/formats" text-notebooks
  make_kernels_venv "$LECTERN_KERNELS_VENV"
  run_pytest "$LECTERN_KERNELS_VENV/bin/python" "$ROOT/tests/kernels" kernels
}

part_sdk() {
  need_build
  check "a plugin outside the tree builds against the installed SDK" "$ROOT/tests/consumer/run.sh" "$ROOT/build/dev"
  check "a program outside the tree builds against the installed client" "$ROOT/tests/consumer/client.sh" "$ROOT/build/dev"
  check "the tutorial leads to a policy that decides" "$ROOT/tests/consumer/tutorial.sh" "$ROOT/build/dev"
  check "the installed host runs from where it is put" "$ROOT/tests/installed/run.sh" "$ROOT/build/dev"
}

# Sanitizers run the fast suites: no kernels, no fault injection, nothing of great size, no processes of their own (TSan
# cannot follow a fork).
SLOW_SUITES='KernelTest|ClientHostTest|CliTest|EveryFault|AKilledHostLetsGo|SessionLargeRoom|ReadOnce|WrittenOnce|^abi\.'
# What has one thread tells TSan nothing: readers and writers of formats, fuzzers, the reducers of policies.
ONE_THREAD='Fuzz|^[A-Za-z.]*/?Format|PolicyWalk|PolicyScenario|^Scenarios|LateSplice|LateEdit|TwentyFourMegabytes|HistoryDifference|SourceDifference|NotebookChanges|NotebookTransaction|ClientState|ElfTest|Terminal'
part_sanitizers() {
  await_ahead
  build asan-ubsan
  run_ctest asan-ubsan -E "$SLOW_SUITES"
  build tsan
  run_ctest tsan -E "$SLOW_SUITES|$ONE_THREAD"
}

# Only what changed since the main branch, or in the last commit when this is the main branch; of much, the first
# LECTERN_TIDY_FILES.
part_tidy() {
  local base files most="${LECTERN_TIDY_FILES:-12}"
  base=$(git -C "$ROOT" merge-base HEAD origin/main 2>/dev/null || true)
  if [ -z "$base" ] || [ "$base" = "$(git -C "$ROOT" rev-parse HEAD)" ]; then base=HEAD~1; fi
  mapfile -t files < <(git -C "$ROOT" diff --name-only --diff-filter=d "$base" -- '*.cpp' 2>/dev/null |
    grep -E '^(host|plugins|policies|sdk|tools|bench)/' | sed "s|^|$ROOT/|")
  if [ ${#files[@]} -eq 0 ]; then
    say "no C++ file changed: nothing to check"
    return 0
  fi
  need_build
  if [ ${#files[@]} -gt "$most" ]; then
    say "${#files[@]} C++ files changed, $most of them are checked; LECTERN_TIDY_FILES=${#files[@]} checks all"
    files=("${files[@]:0:most}")
  fi
  check "clang-tidy on ${#files[@]} changed files" run_tidy "${files[@]}"
}

for part in "${parts[@]}"; do
  declare -F "part_$part" >/dev/null || die "there is no part called $part" "parts: ${parts[*]}"
  started=$SECONDS
  heading "$part"
  "part_$part"
  say "-- $part took $((SECONDS - started)) s"
done
if [ $NIGHTLY = 1 ]; then "$ROOT/scripts/nightly.sh" || FAILED=$((FAILED + 1)); fi

closing_line
