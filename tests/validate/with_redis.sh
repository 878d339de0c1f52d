#!/usr/bin/env bash
# with_redis.sh <lectern-validate> <presence-redis.so>: the contract suite against a redis-server of its own.
set -euo pipefail
folder=$(mktemp -d)
setpriv --pdeathsig KILL redis-server --port 0 --unixsocket "$folder/redis.sock" --save "" --appendonly no --daemonize no --dir "$folder" \
  --logfile "$folder/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -rf "$folder"' EXIT
for _ in $(seq 600); do
  [ -S "$folder/redis.sock" ] && break
  sleep 0.1
done
"$1" "$2" --quick --config '{"address":"unix:'"$folder"'/redis.sock","prefix":"{work}"}'
