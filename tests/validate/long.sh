#!/usr/bin/env bash
# lectern-validate in its full depth on every policy that ships, 20 s for each at the most; then random input for every plugin.
#   tests/validate/long.sh BUILD_DIR [MINUTES]      MINUTES of random input per plugin, half a minute by default
# SEED=N sets where the randomness starts: today's day of the year otherwise.
set -euo pipefail
build=$(cd "${1:?usage: tests/validate/long.sh BUILD_DIR [MINUTES]}" && pwd)
minutes=${2:-0.5}
seed=${SEED:-$(date +%-j)}
most_ms=20000
log=$(mktemp)
trap 'rm -f "$log"' EXIT

declare -A settings=(
  [classroom]='{"teachers": ["Ann"]}'
  [presenter]='{"presenter": "Ann"}'
  [presence-folder]='{"folder": "{work}"}'
  [presence-local]='{"folder": "{work}"}'
  [script]='{"source": "function initial_capabilities(room, member) if room.holder == 0 and member.may_edit then return '\''editor'\'' end return '\''interactor'\'' end function can_take_over_editing(room, asker) return allow() end"}'
)

# validate ID OPTION...: leaves what it said in $log
validate() {
  local id=$1
  shift
  "$build/bin/lectern-validate" "$build/plugins/$id" --config "${settings[$id]:-{\}}" --seed "$seed" "$@" >"$log" 2>&1
}

failed=0
for manifest in "$build"/plugins/*/*.plugin.json; do
  id=$(basename "$manifest" .plugin.json)
  # Wants a server, and must not find the one that somebody uses: with_redis.sh starts one for it.
  [ "$id" = presence-redis ] && continue
  if grep -q '"kind": "policy"' "$manifest"; then
    started=$(date +%s%3N)
    if ! validate "$id"; then
      cat "$log"
      failed=1
    fi
    took=$(($(date +%s%3N) - started))
    verdict=ok
    if [ "$took" -gt "$most_ms" ]; then
      verdict="more than $most_ms ms"
      failed=1
    fi
    echo "validate: $id in full: $took ms, $verdict"
  fi
  if validate "$id" --fuzz --minutes "$minutes"; then
    echo "validate: $id: $(grep -o '[0-9]* seeds, the last one [0-9]*' "$log" | head -1)"
  else
    cat "$log"
    echo "validate: $id fails on random input"
    failed=1
  fi
done
exit $failed
