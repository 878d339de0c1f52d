#!/bin/bash
# The C++ client library as a third party meets it: installed and moved, found by CMake and by pkg-config, and its examples
# with a real host and kernel.
# usage: tests/consumer/client.sh BUILD_DIR      a configured build with the client library, and bin/lectern, built
set -euo pipefail
build=$(cd "${1:?usage: tests/consumer/client.sh BUILD_DIR}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
host=
watch=
# The host still writes while it ends: its folders go after it.
cleanup() {
  for process in $watch $host; do kill "$process" 2>/dev/null || true; done
  for process in $watch $host; do
    for ((tenth = 0; tenth < 150; tenth++)); do
      kill -0 "$process" 2>/dev/null || break
      sleep 0.1
    done
  done
  rm -rf "$work" || true
}
trap cleanup EXIT
fail() { echo "client: FAILED: $*" >&2; exit 1; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$*"; }; }
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Werror)

echo "client: installed and moved"
for component in sdk client; do quietly cmake --install "$build" --component "$component" --prefix "$work/prefix"; done
mv "$work/prefix" "$work/moved"
! grep -rqIF --exclude='*.a' "$source" "$work/moved" || fail "what is installed names the source tree"
! grep -rhE '^ *# *include' "$work/moved/include/lectern/client" | grep -vE '^#include (<[a-z_]+>|"lectern/client/[a-z_]+\.hpp")' ||
  fail "a header shows more than the standard library"
for header in "$work"/moved/include/lectern/client/*.hpp; do
  echo "#include \"lectern/client/$(basename "$header")\"" >"$work/alone.cpp"
  quietly g++ -std=c++20 "${warnings[@]}" -fsyntax-only -I"$work/moved/include" "$work/alone.cpp"
done

echo "client: find_package(LecternSDK COMPONENTS client)"
cp -r "$source/examples/client-cpp" "$work/examples"
quietly cmake -S "$work/examples" -B "$work/examples/build" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_CXX_FLAGS="${warnings[*]}"
quietly cmake --build "$work/examples/build"

echo "client: pkg-config lectern-client"
export PKG_CONFIG_PATH="$work/moved/lib/pkgconfig"
read -ra flags <<<"$(pkg-config --cflags --libs lectern-client)"
quietly g++ -std=c++20 "${warnings[@]}" -o "$work/by-pkg-config" "$work/examples/run.cpp" "${flags[@]}"
grep -q "LECTERN_SDK_VERSION \"$(pkg-config --modversion lectern-client)\"" "$work/moved/include/lectern/abi/base.h" ||
  fail "pkg-config says another version than base.h"

if [ ! -x "$build/bin/lectern" ]; then
  echo "client: SKIPPED the examples' run: $build/bin/lectern is not built"
  exit 0
fi
echo "client: the examples with a real host"
mkdir -p "$work/notebooks" "$work/run"
chmod 700 "$work/run"
cp "$source/examples/notebooks/welcome.ipynb" "$work/notebooks/"
export XDG_RUNTIME_DIR="$work/run" XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config"
export LECTERN_VENV="${LECTERN_VENV:-$source/.venv}"
unset LECTERN_URL
exec 3< <(exec "$build/bin/lectern" serve "$work/notebooks" --port 0 --no-browser --json 2>"$work/host.log")
host=$!
read -r -t 60 _ <&3 || { cat "$work/host.log" >&2; fail "the host does not start"; }
# Without an address both find the newest host of this user.
exec 4< <(exec "$work/examples/build/watch" welcome.ipynb)
watch=$!
read -r -t 60 first <&4 || fail "watch says nothing"
case "$first" in *cells) ;; *) fail "watch says: $first" ;; esac
[ "$("$work/examples/build/run" welcome.ipynb '6 * 7')" = 42 ] || fail "run does not say 42"
[ "$("$work/by-pkg-config" welcome.ipynb 'print("seen")')" = seen ] || fail "run by pkg-config says something else"
! "$work/examples/build/run" welcome.ipynb '1 / 0' >"$work/out" || fail "a failing cell is no failure"
grep -q ZeroDivisionError "$work/out" || fail "run does not show the error"
while read -r -t 60 line <&4; do case "$line" in "edit by run") seen=1; break ;; esac; done
[ "${seen:-}" = 1 ] || fail "watch does not tell of the edit"
echo "client: passed"
