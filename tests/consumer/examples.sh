#!/bin/bash
# Installs the SDK and builds examples/plugins against the installed copy alone, as their authors would.
# usage: tests/consumer/examples.sh BUILD_DIR OUT      OUT/sdk gets the SDK, OUT/plugins the plugins, ready for --plugin-path
set -euo pipefail
build=$(cd "${1:?usage: tests/consumer/examples.sh BUILD_DIR OUT}" && pwd)
out=${2:?usage: tests/consumer/examples.sh BUILD_DIR OUT}
examples=$(cd "$(dirname "$0")/../../examples/plugins" && pwd)
mkdir -p "$out/plugins"
out=$(cd "$out" && pwd)
quietly() { "$@" >"$out/log" 2>&1 || { cat "$out/log" >&2; echo "examples: FAILED: $*" >&2; exit 1; }; }

quietly cmake --install "$build" --component sdk --prefix "$out/sdk"
for example in policy-cpp format-c transport-cbor runtime-sheet; do
  cp -r "$examples/$example" "$out/$example"
  quietly cmake -S "$out/$example" -B "$out/$example/build" -DCMAKE_PREFIX_PATH="$out/sdk" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Wshadow -Werror" -DCMAKE_C_FLAGS="-Wall -Wextra -Wpedantic -Wshadow -Werror"
  quietly cmake --build "$out/$example/build"
  quietly cmake --install "$out/$example/build" --component plugins --prefix "$out/$example/prefix"
  cp -r "$out/$example"/prefix/lib/lectern/plugins/* "$out/plugins/"
done

export PKG_CONFIG_PATH="$out/sdk/share/pkgconfig"
cp -r "$examples/policy-c" "$out/policy-c"
quietly make -C "$out/policy-c" install PLUGINS="$out/plugins" CFLAGS="-O2 -Wall -Wextra -Wpedantic -Wshadow -Werror"
