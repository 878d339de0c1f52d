#!/usr/bin/env bash
# The interface, as sdk/abi.yaml lists it (which abi_yaml.py holds to the headers), against every released one
# (sdk/abi-baseline/VERSION.abi): what VERSION had must be there to the last bit.
#   baseline.sh PYTHON CC SOURCE_DIR                 compares; 77 = abidiff is not installed
#   baseline.sh PYTHON CC SOURCE_DIR write VERSION   writes sdk/abi-baseline/VERSION.abi, at a release
set -euo pipefail
python=$1 cc=$2 source=$3
if ! command -v abidiff >/dev/null || ! command -v abidw >/dev/null; then
  echo "abidiff is not here (Debian: abigail-tools): skipped"
  exit 77
fi
if [ "$(uname -m)" != x86_64 ]; then
  echo "the baselines are of x86-64: skipped"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Always a file of the same name in the same folder, so that nothing but types is recorded.
probe() {
  "$python" "$source/tests/abi/abi_yaml.py" probe "$1" "$2" "$work/probe.c"
  (cd "$work" && "$cc" -std=c11 -g -O0 -shared -fPIC -fdebug-prefix-map="$work"=. -o "$3" probe.c)
}
same() { abidiff --no-added-syms "$1" "$2"; }

if [ "${4:-}" = write ]; then
  probe "$source/sdk/abi.yaml" "$5" now.so
  abidw --no-corpus-path --no-comp-dir-path --no-show-locs "$work/now.so" >"$source/sdk/abi-baseline/$5.abi"
  exit 0
fi

failed=0
for released in "$source"/sdk/abi-baseline/*.abi; do
  version=$(basename "$released" .abi)
  probe "$source/sdk/abi.yaml" "$version" now.so
  if same "$released" "$work/now.so"; then
    echo "all of interface $version is still there"
  else
    echo "the interface broke since $version: see docs/abi-policy.md"
    failed=1
  fi
done

# The comparison can fail, and lets a newer field pass.
expect() {
  local wanted=$1 what=$2 script=$3 got=passes
  sed -E "$script" "$source/sdk/abi.yaml" >"$work/abi.yaml"
  if cmp -s "$work/abi.yaml" "$source/sdk/abi.yaml"; then
    got="changes nothing"
  else
    probe "$work/abi.yaml" "$version" mutated.so
    same "$released" "$work/mutated.so" >/dev/null || got=breaks
  fi
  if [ "$got" != "$wanted" ]; then
    echo "$what: $got, expected: $wanted"
    failed=1
  fi
}
released=$source/sdk/abi-baseline/0.1.abi
version=0.1
field='      - {name: later, type: "uint64_t", offset: 0, since: '
expect passes "a newer field at the end" "/^  lectern_request:/i\\${field}\"99.0\"}"
expect breaks "a field at the end that claims to be old" "/^  lectern_request:/i\\${field}\"0.1\"}"
expect breaks "a field of another type" 's/name: line, type: "uint64_t"/name: line, type: "uint32_t"/'
expect breaks "an argument more" 's/uint32_t n_fields\)/uint32_t n_fields, uint32_t flags)/'
expect breaks "a field that is gone" '/name: grant, type/d'
expect breaks "a constant of another value" 's/LECTERN_CONFLICT: \{value: 6/LECTERN_CONFLICT: {value: 9/'
expect breaks "an extension that is gone" '/id: "log\/1"/d'
expect passes "a newer constant" '/^  LECTERN_CONFLICT:/i\  LECTERN_LATER: {value: 99, header: lectern/abi/base.h, since: "99.0"}'
expect breaks "two fields that swap names" 's/name: joined_ms/name: TMP/; s/name: seen_ms/name: joined_ms/; s/name: TMP/name: seen_ms/'
exit $failed
