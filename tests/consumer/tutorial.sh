#!/bin/bash
# Follows docs/tutorial-policy.md to the letter, in a home of its own: runs every sh block, puts the cpp block where the text
# says, and looks for every line of the text blocks in what the blocks before them printed. Says how long it took.
# usage: tests/consumer/tutorial.sh BUILD_DIR      BUILD_DIR: a build of Lectern with bin/lectern and bin/lectern-validate
set -euo pipefail
LECTERN_BUILD=$(cd "${1:?usage: tests/consumer/tutorial.sh BUILD_DIR}" && pwd)
tutorial=$(cd "$(dirname "$0")/../../docs" && pwd)/tutorial-policy.md
most_seconds=600
most_lines=40
work=$(mktemp -d)
export LECTERN_BUILD HOME="$work/home"
export XDG_STATE_HOME="$HOME/state" XDG_CONFIG_HOME="$HOME/config" XDG_RUNTIME_DIR="$HOME/run"
mkdir "$HOME"
mkdir -m 700 "$XDG_RUNTIME_DIR"
# The server still writes while it ends: its folders go after it.
cleanup() {
  server=$(cat "$work/server" 2>/dev/null || true)
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    for ((tenth = 0; tenth < 150; tenth++)); do
      kill -0 "$server" 2>/dev/null || break
      sleep 0.1
    done
  fi
  rm -rf "$work" || true
}
trap cleanup EXIT

# One script of all blocks: what they print goes to a file per step, so that the text blocks can be looked for.
python3 - "$tutorial" "$work" <<'PY'
import re, sys
text, work = open(sys.argv[1]).read(), sys.argv[2]
blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
script = ["set -euo pipefail"]
step = 0
for kind, body in blocks:
    if kind == "sh":
        step += 1
        body = body.replace(" &\n", f" &\necho $! > {work}/server\n")  # so that it is ended whatever happens
        script.append(f'echo "tutorial: step {step}" >&2\n{{\n{body}}} > {work}/out.{step} 2>&1')
    elif kind == "cpp":
        with open(f"{work}/code", "w") as out:
            out.write(body)
        script.append(f'cp {work}/code "$HOME/tutorial/relieve/relieve.cpp"')
    elif kind == "text":
        with open(f"{work}/expected.{step}", "w") as out:
            out.write(body)
    else:
        sys.exit(f"what is a block of {kind}?")
open(f"{work}/script", "w").write("\n".join(script) + "\n")
PY

started=$SECONDS
timeout $most_seconds bash "$work/script" || {
  tail -n 40 "$work"/out.* >&2
  echo "tutorial: FAILED: a block of $tutorial failed, or it took more than $most_seconds s" >&2
  exit 1
}
took=$((SECONDS - started))
for expected in "$work"/expected.*; do
  while IFS= read -r line; do
    grep -qF -- "$line" "$work/out.${expected##*.}" || {
      cat "$work/out.${expected##*.}" >&2
      echo "tutorial: FAILED: step ${expected##*.} did not print: $line" >&2
      exit 1
    }
  done <"$expected"
done
lines=$(cat "$HOME/tutorial/relieve/relieve.cpp" "$HOME/tutorial/relieve/CMakeLists.txt" | grep -cv '^ *$')
[ "$lines" -le $most_lines ] || { echo "tutorial: FAILED: $lines lines to write, not $most_lines" >&2; exit 1; }
echo "tutorial: passed: from nothing to a deciding policy in $took s and $lines lines"
