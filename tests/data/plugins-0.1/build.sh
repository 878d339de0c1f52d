#!/usr/bin/env bash
# Builds what lies here, once, when the SDK of that version is released. The results are committed and never built again:
# they are plugins that people have. Needs the SDK's include folder as its argument.
set -euo pipefail
cd "$(dirname "$0")"
build() {
  local id=$1 kind=$2 source=$3
  mkdir -p "$id"
  cc -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -fPIC -shared -fvisibility=hidden -ffile-prefix-map="$PWD"=. -I"$include" \
    -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -Wl,--build-id=none -Wl,-z,noseparate-code -s -o "$id/$id.so" "$source"
  cat >"$id/$id.plugin.json" <<JSON
{
  "manifest": 1,
  "id": "$id",
  "kind": "$kind",
  "name": "$id, built with SDK 0.1",
  "version": "0.1.0",
  "abi": { "major": 0, "minor": 1 },
  "library": "$id.so",
  "sha256": "$(sha256sum "$id/$id.so" | cut -d' ' -f1)",
  "unloadable": true
}
JSON
}
include=$1
build first-come policy first_come.c
build lines format lines.c
build whispers transport whispers.c
build shelf presence shelf.c
build parrot runtime parrot.c
