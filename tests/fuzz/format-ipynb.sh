#!/bin/sh
# Fuzzes plugins/format-ipynb with libFuzzer under ASan and UBSan: tests/fuzz/format-ipynb.sh [SECONDS]
# Needs clang 14 with compiler-rt. What it finds is written to the current folder as crash-*; put it into the corpus.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
clang=$(command -v clang++-14 || command -v clang++) || { echo "clang++ is missing: apt-get install clang-14" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$clang" -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  -DLECTERN_PLUGIN_ID='"format-ipynb"' -DLECTERN_PLUGIN_VERSION='"0"' -I"$root/sdk/include" \
  -o "$work/fuzzer" "$here/format-ipynb/fuzzer.cpp" "$root"/plugins/format-ipynb/*.cpp
mkdir "$work/new"
"$work/fuzzer" -max_total_time="${1:-60}" -max_len=4096 -dict="$here/format-ipynb/json.dict" \
  "$work/new" "$here/format-ipynb/corpus" "$root/tests/data/notebooks"
