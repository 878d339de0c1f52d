#!/bin/sh
# Builds BUILD_DIR/patched|stock/liblectern_automerge.a, the way distributions build a patched crate: fetch what
# Cargo.lock names once, patch the fetched copy, then build offline against exactly that.
#   build.sh patched|stock BUILD_DIR [cargo command and arguments, default: build --release --lib]
# Environment: CARGO (default cargo); LECTERN_VENDOR (a folder made by `cargo vendor`, for builds without network).
set -eu
mode=$1
build=$2
shift 2
[ $# -gt 0 ] || set -- build --release --lib
here=$(cd "$(dirname "$0")" && pwd)
cargo=${CARGO:-cargo}
mkdir -p "$build"
build=$(cd "$build" && pwd)
vendor=$build/vendor-$mode

case $mode in patched | stock) ;; *) echo "build.sh: the first argument is 'patched' or 'stock', not '$mode'" >&2; exit 2 ;; esac

# Several builds share BUILD_DIR; one at a time may make the fetched copy.
exec 9>"$build/.lock"
flock 9

version=$("$cargo" --version | sed 's/^[^ ]* //; s/ .*//')
if [ "$(printf '%s\n1.90.0\n' "$version" | sort -V | head -n 1)" != 1.90.0 ]; then
  echo "build.sh: $cargo is $version; 1.90 or newer is needed (set LECTERN_CARGO; on Debian 12 install cargo-web)" >&2
  exit 1
fi

# The copy is made anew whenever the lock or the patch changes; a half-made one has no stamp.
stamp=$(cat "$here/Cargo.lock" "$here/patches/fastpath.patch" | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$vendor/.stamp" 2>/dev/null || true)" != "$stamp" ]; then
  rm -rf "$vendor"
  if [ -n "${LECTERN_VENDOR:-}" ]; then
    cp -R "$LECTERN_VENDOR" "$vendor"
  else
    (cd "$here" && "$cargo" vendor --quiet --locked --versioned-dirs "$vendor" >/dev/null)
  fi
  crate=$(ls -d "$vendor"/automerge-[0-9]* 2>/dev/null || echo "$vendor/automerge")
  if [ "$mode" = patched ]; then
    patch -s -d "$crate" -p1 <"$here/patches/fastpath.patch"
    # cargo holds vendored files to their checksums; ours differ on purpose. The crate's own checksum, which
    # Cargo.lock names, stays.
    sed -i 's/"files":{[^}]*}/"files":{}/' "$crate/.cargo-checksum.json"
  fi
  # cargo takes a vendored crate for what it was when it first saw it, whatever its files say now.
  rm -rf "$build/target-$mode"/*/.fingerprint/automerge-*
  echo "$stamp" >"$vendor/.stamp"
fi

cd "$here"
CARGO_TARGET_DIR=$build/target-$mode "$cargo" --offline --locked \
  --config 'source.crates-io.replace-with="lectern-vendor"' \
  --config "source.lectern-vendor.directory=\"$vendor\"" \
  "$@"
mkdir -p "$build/$mode"
made=$build/target-$mode/release/liblectern_automerge.a
# Tests and examples make the library too; the copy changes only when it does, so that nothing is linked anew for nothing.
if [ "$1" = build ] && ! cmp -s "$made" "$build/$mode/liblectern_automerge.a"; then
  cp "$made" "$build/$mode/liblectern_automerge.a"
fi
