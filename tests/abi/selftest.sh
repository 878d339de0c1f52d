#!/usr/bin/env bash
# The checks of the interface can fail: each edit below breaks one rule, and the check must say so.
#   selftest.sh PYTHON CC SOURCE_DIR
set -euo pipefail
python=$1 cc=$2 source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fresh() {
  rm -rf "$work/include" "$work/abi.yaml"
  cp -r "$source/sdk/include" "$work/include"
  cp "$source/sdk/abi.yaml" "$work/abi.yaml"
}

# must_fail "what" "words of the finding" FILE SED-SCRIPT
must_fail() {
  local what=$1 words=$2 file=$3 script=$4 said
  fresh
  sed -i -E "$script" "$work/$file"
  if cmp -s "$work/$file" "$source/sdk/$file"; then
    echo "the edit '$what' changes nothing"
    failed=1
  elif said=$("$python" "$source/tests/abi/abi_yaml.py" check "$work/include" "$work/abi.yaml" "$cc" "$work/out" 2>&1); then
    echo "nobody noticed: $what"
    failed=1
  elif ! grep -q -- "$words" <<<"$said"; then
    echo "$what: no '$words' in: $said"
    failed=1
  fi
}

must_fail "a slot is renamed" "has the fields" include/lectern/abi/draft/policy.h 's/\(\*reduce\)/(*decide)/'
must_fail "fields swap places" "has the fields" include/lectern/abi/draft/policy.h \
  's/uint64_t target, request, timer;/uint64_t request, target, timer;/'
must_fail "a type changes" "its type is" include/lectern/abi/base.h 's/  uint64_t line; /  int64_t line; /'
must_fail "a constant changes" "the layout differs" include/lectern/abi/base.h 's/LECTERN_CONFLICT = 6/LECTERN_CONFLICT = 9/'
must_fail "a constant is new" "constant LECTERN_NEW is in" include/lectern/abi/base.h \
  's/LECTERN_OK = 0,/LECTERN_OK = 0, LECTERN_NEW = 42,/'
must_fail "a tag is lost" "names no thread tag" include/lectern/abi/draft/format.h 's/\/\* \[worker\] \(initialised\) Writes/\/* Writes/'
must_fail "a state is lost" "names no state" include/lectern/abi/draft/format.h 's/\[worker\] \(initialised\) Writes/[worker] Writes/'
must_fail "a failure is not explained" "does not say what FAILURE means" include/lectern/abi/base.h \
  's/any number of times\. FAILURE:/any number of times:/'
must_fail "a tag differs" "its tag is" include/lectern/abi/draft/presence.h 's/\[control\] \(object\) Frees it/[any] (object) Frees it/'
must_fail "an extension's revision rises" "extension log/2 is in" include/lectern/abi/ext/log.h 's/"log\/1"/"log\/2"/'
must_fail "the list forgets a struct" "struct lectern_request is in" abi.yaml '/^  lectern_request:/,/^  lectern_room:/{/^  lectern_room:/!d}'
must_fail "the list has a wrong offset" "the layout differs" abi.yaml 's/name: abi_minor, type: "uint32_t", offset: 8/name: abi_minor, type: "uint32_t", offset: 16/'
must_fail "a field is older than the one before it" "added at the end only" abi.yaml \
  '/^  lectern_str:/,/^  lectern_error:/{s/(name: n, .*since: )"0.1"/\1"0.0"/}'
must_fail "a frozen kind under draft/" "its header is under draft/" abi.yaml 's/(name: policy, .*status: )draft/\1stable/'

exit $failed
