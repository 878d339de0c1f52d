#!/bin/bash
# The SDK as a third party meets it: installed and moved, as a subdirectory, by pkg-config; every template and every example
# builds from the installed copy alone, and the host finds what was built.
# usage: tests/consumer/run.sh BUILD_DIR      BUILD_DIR: a configured build of Lectern with bin/lectern built, or with the
#                                             SDK alone; then what needs the host is skipped and said to be.
set -euo pipefail
build=$(cd "${1:?usage: tests/consumer/run.sh BUILD_DIR}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "consumer: FAILED: $*" >&2; exit 1; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$*"; }; }
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"
export CXXFLAGS="$warnings" CFLAGS="$warnings"
lectern="$build/bin/lectern"
[ -x "$lectern" ] || lectern=

# build_plugin SOURCE ID: by find_package from the moved SDK; leaves it in $work/plugins
build_plugin() {
  quietly cmake -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_BUILD_TYPE=Release
  quietly cmake --build "$1/build"
  quietly cmake --install "$1/build" --component plugins --prefix "$work/host"
  check_plugin "$work/host/lib/lectern/plugins/$2" "$2"
}

check_plugin() {
  local symbols
  if [ ! -f "$1/$2.so" ] || [ ! -f "$1/$2.plugin.json" ]; then fail "lectern_add_plugin made nothing at $1"; fi
  symbols=$(nm -D --defined-only "$1/$2.so" | awk '{print $3}')
  [ "$symbols" = lectern_plugin_entry ] || fail "$2 exports more than its entry: $symbols"
  if readelf -d "$1/$2.so" | grep -q SONAME; then fail "$2 has a SONAME"; fi
  if nm -D "$1/$2.so" | grep -q ' u '; then fail "$2 has symbols that are unique to the process"; fi
}

echo "consumer: the SDK, installed and moved"
quietly cmake --install "$build" --component sdk --prefix "$work/prefix"
for program in "$work"/prefix/bin/*; do
  [ ! -e "$program" ] || [ "$(basename "$program")" = lectern-validate ] || fail "the sdk component brings $program"
done
mv "$work/prefix" "$work/moved"
! grep -rqF --exclude-dir=bin "$source" "$work/moved" || fail "the installed SDK names the source tree"

echo "consumer: find_package(LecternSDK)"
cp -r "$here/policy" "$work/policy"
build_plugin "$work/policy" first-come

echo "consumer: a component that is not there is named"
mkdir "$work/absent"
cat >"$work/absent/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(absent LANGUAGES CXX)
find_package(LecternSDK 0.1 REQUIRED COMPONENTS abi sdk flying-carpet)
CMAKE
! cmake -S "$work/absent" -B "$work/absent/build" -DCMAKE_PREFIX_PATH="$work/moved" >"$work/log" 2>&1 ||
  fail "a component that does not exist is found"
tr -s ' \n' ' ' <"$work/log" | grep -q 'component "flying-carpet" of LecternSDK' || { cat "$work/log"; fail "it is not named"; }

echo "consumer: add_subdirectory"
cp -r "$here/subdirectory" "$work/subdirectory"
cp "$here/policy/first_come.cpp" "$work/subdirectory/"
cp -r "$source/sdk" "$work/subdirectory/lectern-sdk"
quietly cmake -S "$work/subdirectory" -B "$work/subdirectory/build"
quietly cmake --build "$work/subdirectory/build"
quietly cmake --install "$work/subdirectory/build" --prefix "$work/subdirectory/prefix"
check_plugin "$work/subdirectory/prefix/lib/lectern/plugins/first-come" first-come
[ ! -e "$work/subdirectory/prefix/include" ] || fail "a project that carries the SDK along installs it"

echo "consumer: pkg-config, and the examples"
version=$(PKG_CONFIG_PATH="$work/moved/share/pkgconfig" pkg-config --modversion lectern-sdk)
grep -q "LECTERN_SDK_VERSION \"$version\"" "$work/moved/include/lectern/abi/base.h" || fail "pkg-config says $version, base.h another"
"$here/examples.sh" "$build" "$work/examples"
for id in watch-only fair-turns percent-text transport-cbor sheet; do check_plugin "$work/examples/plugins/$id" "$id"; done
cp -r "$work/examples/plugins/." "$work/host/lib/lectern/plugins/"

echo "consumer: every template of the installed SDK"
ids=(first-come watch-only fair-turns percent-text transport-cbor sheet)
for template in "$work"/moved/share/lectern/templates/*/; do
  template=$(basename "$template")
  id="own-$template"
  if [ -n "$lectern" ]; then
    language=c++
    [ "$template" = "${template%-c}" ] || language=c
    quietly "$lectern" new-plugin --kind "${template%-c}" --lang "$language" "$id" --into "$work/$id" \
      --templates "$work/moved/share/lectern/templates"
    ! grep -rqi 'my.\?plugin' "$work/$id" || fail "the new plugin $id still has the template's name"
  else
    id=my-plugin
    rm -rf "$work/host/lib/lectern/plugins/$id" "${work:?}/$id"
    cp -r "$work/moved/share/lectern/templates/$template" "$work/$id"
  fi
  build_plugin "$work/$id" "$id"
  ids+=("$id")
done

if [ -z "$lectern" ]; then
  echo "consumer: SKIPPED the host's part: $build/bin/lectern is not built"
  exit 0
fi

echo "consumer: the host finds all of them"
list=$("$lectern" plugins --json --plugin-path "$work/host/lib/lectern/plugins") || fail "lectern plugins: $list"
python3 - "$list" "${ids[@]}" <<'PY' || fail "the host refuses one"
import json, sys
text, *wanted = sys.argv[1:]
found = {p["id"]: p for p in json.loads(text)["plugins"]}
bad = [found.get(id, id) for id in wanted if id not in found or found[id]["state"] == "refused"]
sys.exit(f"missing or refused: {bad}" if bad else 0)
PY
if [ -x "$work/moved/bin/lectern-validate" ]; then
  echo "consumer: lectern-validate approves of the templates, as ctest"
  for id in "${ids[@]}"; do
    [ -d "$work/$id/build" ] || continue
    quietly ctest --test-dir "$work/$id/build" --output-on-failure --no-tests=error
  done
else
  echo "consumer: SKIPPED lectern-validate: it is not built"
fi
echo "consumer: passed"
