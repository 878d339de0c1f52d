#!/bin/bash
# Installs the SDK, builds two plugins against the installed copy alone (one by CMake, one in C by pkg-config) and lets the
# host find and load them.
# usage: tests/consumer/run.sh BUILD_DIR      BUILD_DIR: a configured build of Lectern with bin/lectern built, or with the
#                                             SDK alone; then the last step is skipped and said to be.
set -euo pipefail
build=$(cd "${1:?usage: tests/consumer/run.sh BUILD_DIR}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "consumer: FAILED: $*" >&2; exit 1; }

echo "consumer: installing the SDK"
cmake --install "$build" --component sdk --prefix "$work/prefix" > "$work/install.log" || { cat "$work/install.log"; fail "install"; }
[ ! -e "$work/prefix/bin" ] || fail "the sdk component brings more than the SDK"
# The installed copy must stand alone: it is moved, and the source tree is not named in it.
mv "$work/prefix" "$work/moved"
! grep -rqF "$(cd "$here/../.." && pwd)" "$work/moved" || fail "the installed SDK names the source tree"

echo "consumer: building a policy with find_package(LecternSDK)"
cp -r "$here" "$work/source"
cmake -S "$work/source" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Werror" > "$work/configure.log" 2>&1 || { cat "$work/configure.log"; fail "configure"; }
cmake --build "$work/build" > "$work/build.log" 2>&1 || { cat "$work/build.log"; fail "build"; }
cmake --install "$work/build" --component plugins --prefix "$work/host" > "$work/plugins.log"
plugin="$work/host/lib/lectern/plugins/first-come"
if [ ! -f "$plugin/first-come.so" ] || [ ! -f "$plugin/first-come.plugin.json" ]; then
  fail "lectern_add_plugin installed nothing at $plugin"
fi
symbols=$(nm -D --defined-only "$plugin/first-come.so" | awk '{print $3}')
[ "$symbols" = lectern_plugin_entry ] || fail "the plugin exports more than its entry: $symbols"
if readelf -d "$plugin/first-come.so" | grep -q SONAME; then fail "the plugin has a SONAME"; fi

echo "consumer: building a policy in C with pkg-config"
export PKG_CONFIG_PATH="$work/moved/share/pkgconfig"
version=$(pkg-config --modversion lectern-sdk)
grep -q "LECTERN_SDK_VERSION \"$version\"" "$work/moved/include/lectern/abi/base.h" || fail "pkg-config says $version, base.h another"
c="$work/host/lib/lectern/plugins/nobody-edits"
mkdir -p "$c"
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -fvisibility=hidden -Wl,-z,defs \
  -Wl,--version-script="$(pkg-config --variable=versionscript lectern-sdk)" \
  $(pkg-config --cflags lectern-sdk) "$work/source/plain.c" -o "$c/nobody-edits.so"
cp "$here/nobody-edits.plugin.json" "$c/"

if [ ! -x "$build/bin/lectern" ]; then
  echo "consumer: SKIPPED the host's part: $build/bin/lectern is not built"
  exit 0
fi
echo "consumer: letting the host find them"
list=$("$build/bin/lectern" plugins --json --plugin-path "$work/host/lib/lectern/plugins") || fail "lectern plugins: $list"
for id in first-come nobody-edits; do
  python3 - "$id" "$list" <<'PY' || fail "the host does not list $id"
import json, sys
wanted, text = sys.argv[1:]
found = [p for p in json.loads(text)["plugins"] if p["id"] == wanted]
sys.exit(0 if found and found[0]["state"] != "refused" and found[0]["kind"] == "policy" else f"{wanted}: {found}")
PY
done
echo "consumer: passed"
