#!/bin/sh
# Fuzzes the plugins for text notebooks with libFuzzer under ASan and UBSan: tests/fuzz/format-text.sh percent|myst|quarto [SECONDS]
# Needs clang 14 with compiler-rt. What it finds is written to the current folder as crash-*; put it into the corpus.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
which=${1:?usage: format-text.sh percent|myst|quarto [SECONDS]}
plugins=$root/plugins
case $which in
  percent) path=a.py sources="$plugins/format-percent/*.cpp" ;;
  myst | quarto)
    path=a.$([ "$which" = myst ] && echo md || echo qmd)
    sources="$plugins/format-markdown/[a-o]*.cpp $plugins/format-markdown/plugin_$which.cpp"
    ;;
  *) echo "there is no format $which" >&2; exit 2 ;;
esac
clang=$(command -v clang++-14 || command -v clang++) || { echo "clang++ is missing: apt-get install clang-14" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086  # the patterns are to be expanded
"$clang" -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  -DLECTERN_PLUGIN_ID='"fuzzed"' -DLECTERN_PLUGIN_VERSION='"0"' -DFUZZED_PATH="\"$path\"" -I"$root/sdk/include" \
  -o "$work/fuzzer" "$here/format-text/fuzzer.cpp" $sources "$plugins"/text-cells/*.cpp
mkdir "$work/new"
"$work/fuzzer" -max_total_time="${2:-60}" -max_len=2048 "$work/new" "$here/format-text/$which"
