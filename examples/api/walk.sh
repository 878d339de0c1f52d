#!/bin/sh
# Open, create, takeover and execute with curl alone: walk.sh URL NOTEBOOK
# URL as the server printed it ("http://127.0.0.1:8899/?token=..."), NOTEBOOK inside its root.
set -eu
url=${1:?usage: walk.sh URL NOTEBOOK}
notebook=${2:?usage: walk.sh URL NOTEBOOK}
base=${url%%/\?*}
token=${url##*token=}

# ask METHOD PATH [curl options]: prints the answer; an error ends the script, and its reason is shown
ask() {
  method=$1
  path=$2
  shift 2
  answer=$(curl --silent --show-error --fail-with-body -X "$method" "$base$path" \
    -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@") || {
    printf '%s\n' "$answer" >&2
    exit 1
  }
  printf %s "$answer"
}
# field NAME: the value of a member, for the flat answers used here
field() { sed "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/"; }

echo "open $notebook"
opened=$(ask POST /api/v1/notebooks/open -d "{\"path\":\"$notebook\",\"create\":false}")
session=$(printf %s "$opened" | field session_id)
echo "  session $session"

echo "join it"
made=$(ask POST "/api/v1/sessions/$session/clients" -d '{"label":"walk.sh","kind":"program"}')
id=$(printf %s "$made" | sed 's/.*"client":{"id":"\([^"]*\)".*/\1/')
secret=$(printf %s "$made" | field secret)

echo "take the pen"
pen=$(ask POST "/api/v1/sessions/$session/takeover" -d '{"reason":"an example"}' -H "Lectern-Client: $id.$secret")
epoch=$(printf %s "$pen" | field epoch)
echo "  epoch $epoch"

echo "add a cell and run it"
cell=walk-$$
command() {
  name=$1
  shift
  ask POST "/api/v1/sessions/$session/commands/$name" -H "Lectern-Client: $id.$secret" -H "Lectern-Epoch: $epoch" "$@"
  echo
}
command transaction -H "Idempotency-Key: create-$cell" \
  -d "{\"changes\":[{\"type\":\"create_cell\",\"cell_id\":\"$cell\",\"cell_type\":\"code\",\"source\":\"6*7\"}]}"
command execute -H "Idempotency-Key: run-$cell" -d "{\"cell_ids\":[\"$cell\"]}"

echo "save, and give the pen back"
command save -d '{}'
command release -d '{}'

echo "create a notebook"
ask POST /api/v1/notebooks/create -d '{"runtime":"jupyter/python3"}'
echo
