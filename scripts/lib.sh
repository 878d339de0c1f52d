# Shared by run.sh and test.sh: what has to be on the machine, and how it gets there. Sourced, not run.
# shellcheck shell=bash disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
JOBS=$(nproc)

say() { printf '%s\n' "$*"; }
die() {
  printf 'error: %s\n' "$1" >&2
  [ -n "${2:-}" ] && printf '       %s\n' "$2" >&2
  exit 1
}

# What the host is built with: compiler, build tools, libraries (THIRD_PARTY.md).
BUILD_PACKAGES=(g++ cmake ninja-build pkg-config git patch ca-certificates ccache lld libpoco-dev libboost-dev
  libboost-system-dev libboost-filesystem-dev libboost-program-options-dev rapidjson-dev libexpected-dev libssl-dev
  libyaml-cpp-dev libseccomp-dev liblua5.4-dev libqrcodegencpp-dev libxxhash-dev zlib1g-dev)
# What only the tests need.
TEST_PACKAGES=(libgtest-dev libgmock-dev libbenchmark-dev libzmq3-dev cppzmq-dev clang-format-14 clang-tidy-14 shellcheck chromium
  fonts-dejavu-core python3-venv python3-yaml abigail-tools curl openssl binutils make
  redis-server)

# What only the nightly run needs: a kernel of another language, and a formatter for it.
NIGHTLY_PACKAGES=(r-cran-irkernel r-cran-formatr)

# free_mib DIR: what is free there for this user, in MiB.
free_mib() { df --output=avail -BM "$1" | tail -1 | tr -dc 0-9; }

# need_space GIB "why": warns where less is free; a full disk fails builds and tests in odd ways, long after.
need_space() {
  local free
  free=$(free_mib "$ROOT")
  [ "$free" -ge $(($1 * 1024)) ] || say "warning: $2 needs about $1 GiB under $ROOT; $free MiB are free"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "root is needed for: $*" "run it as root, or install sudo, then start again"
  fi
}

# need_packages "why" name...: installs what is missing through apt, quiet when all is there.
need_packages() {
  local why=$1 missing=() name
  shift
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -q '^installed$' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || die "missing packages for $why: ${missing[*]}" \
    "this machine has no apt; install their equivalents by hand"
  say "Installing for $why: ${missing[*]} (needs root)"
  local log
  log=$(mktemp)
  if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get update &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -20 "$log" >&2
    rm -f "$log"
    die "apt could not install: ${missing[*]}" "the lines above say why"
  fi
  rm -f "$log"
}

# True when version $1 is at least $2.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -1)" = "$2" ]; }

# at_least_1_90 PROGRAM: cargo and rustc have the same numbers.
at_least_1_90() {
  local version
  version=$("$1" --version 2>/dev/null | cut -d' ' -f2) || true
  [ -n "$version" ] && version_at_least "$version" 1.90
}

# Cargo runs the rustc of PATH, which may be an older one than its own.
find_rustc() {
  local candidate
  for candidate in "${RUSTC:-rustc}" /usr/bin/rustc; do
    if at_least_1_90 "$candidate"; then
      [ "$candidate" = rustc ] || export RUSTC="$candidate"
      return 0
    fi
  done
  return 1
}

# The document engine is a Rust crate that needs cargo 1.90 or newer; Debian's security updates carry 1.96 as cargo-web.
need_cargo() {
  local candidate
  for candidate in "${CARGO:-cargo}" /usr/bin/cargo; do
    if at_least_1_90 "$candidate" && find_rustc; then
      CARGO_BIN=$(command -v "$candidate")
      return 0
    fi
  done
  need_packages "the document engine (Rust)" cargo-web rustc-web
  CARGO_BIN=/usr/bin/cargo
  if ! at_least_1_90 "$CARGO_BIN" || ! find_rustc; then
    die "cargo or rustc is too old; 1.90 or newer is needed" \
      "enable Debian's security updates (packages cargo-web and rustc-web), or install a newer Rust"
  fi
}

need_node() {
  local version
  version=$(node --version 2>/dev/null | tr -d v) || true
  if [ -z "$version" ] || ! command -v npm >/dev/null; then
    need_packages "the page (Node.js)" nodejs npm
    version=$(node --version | tr -d v)
  fi
  version_at_least "$version" 18 || die "Node.js $version is too old; 18 or newer is needed" "install a newer nodejs"
}

# npm_install DIR: node_modules as the lock file says, only when the lock file changed.
npm_install() {
  local stamp="$1/node_modules/.lectern-lock"
  cmp -s "$1/package-lock.json" "$stamp" && return 0
  say "Fetching the packages of ${1#"$ROOT"/}"
  (cd "$1" && npm ci --no-audit --no-fund --loglevel=error) >/dev/null || die "npm ci failed in $1"
  cp "$1/package-lock.json" "$stamp"
}

# The page: built when a source is newer than the result.
build_page() {
  local web="$ROOT/host/web"
  need_node
  npm_install "$web"
  # The last file that the build writes: where it is, the others are whole.
  local last="$web/dist/widget-frame.js.gz"
  if [ -f "$last" ] && [ -z "$(find "$web/src" "$web/public" "$web/index.html" "$web/package.json" "$web/package-lock.json" \
    "$web/vite.config.ts" "$web/vite.frame.config.ts" "$web/vite.precompress.ts" -newer "$last" -print -quit)" ]; then
    return 0
  fi
  say "Building the page"
  (cd "$web" && npm run --silent build) >/dev/null || die "the page does not build" "see: cd host/web && npm run build"
}

# build PRESET [cmake options...]: configures when needed and builds with a progress display.
build() {
  local preset=$1
  shift
  need_cargo
  local dir="$ROOT/build/$preset"
  if [ ! -f "$dir/build.ninja" ] || [ "$ROOT/CMakePresets.json" -nt "$dir/build.ninja" ] || [ $# -gt 0 ]; then
    cmake -S "$ROOT" --preset "$preset" -DLECTERN_CARGO="$CARGO_BIN" "$@" >"$ROOT/build-$preset.log" 2>&1 || {
      tail -30 "$ROOT/build-$preset.log" >&2
      die "cmake could not configure the $preset build"
    }
    rm -f "$ROOT/build-$preset.log"
  fi
  # A dry run believes that looking for new files found some, and stops there. So that is done first, for real, and the dry
  # run gets a manifest by a name under which it is nobody's to remake.
  if ninja -C "$dir" build.ninja >/dev/null 2>&1 &&
    ninja -C "$dir" -n -f /dev/stdin <"$dir/build.ninja" | tail -1 | grep -q 'no work to do'; then return 0; fi
  say "Building Lectern ($preset)"
  NINJA_STATUS='[%f/%t, %es] ' cmake --build "$dir" -j "$JOBS" ||
    die "the $preset build failed" "$(free_mib "$dir") MiB are free on its disk"
}

# True when a Python kernel is there whose interpreter exists: the example notebooks need one that starts.
have_kernel() {
  local dir spec interpreter
  for dir in "$ROOT/.venv/share/jupyter" "${VIRTUAL_ENV:+$VIRTUAL_ENV/share/jupyter}" \
    "${CONDA_PREFIX:+$CONDA_PREFIX/share/jupyter}" "${JUPYTER_DATA_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/jupyter}" \
    /usr/local/share/jupyter /usr/share/jupyter; do
    [ -n "$dir" ] || continue
    for spec in "$dir"/kernels/*/kernel.json; do
      if [ ! -f "$spec" ] || ! grep -q '"language": *"python"' "$spec"; then continue; fi
      interpreter=$(tr -d '\n' <"$spec" | sed -nE 's/.*"argv": *\[ *"([^"]*)".*/\1/p')
      command -v "$interpreter" >/dev/null && return 0
    done
  done
  return 1
}

# make_client_venv DIR: the Python client as it is in the tree, and what its tests and those of the formats need.
make_client_venv() {
  local venv=$1 client="$ROOT/clients/python" formats="$ROOT/tests/formats/requirements.txt"
  cat "$client/pyproject.toml" "$formats" | cmp -s - "$venv/.made-for" && return 0
  say "Making a Python environment for the client's tests"
  rm -rf "$venv"
  python3 -m venv "$venv" || die "python3 could not make $venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$client/requirements-test.txt" -r "$formats" \
    -e "$client" || die "pip could not install the Python client's packages"
  cat "$client/pyproject.toml" "$formats" > "$venv/.made-for"
}

# jupytext_examples VENV: Jupytext's own examples, of the version in tests/formats/requirements.txt; its source has them.
# Leaves their folder in JUPYTEXT_EXAMPLES.
jupytext_examples() {
  local wanted into
  wanted=$(grep '^jupytext==' "$ROOT/tests/formats/requirements.txt")
  into="$ROOT/build/jupytext-${wanted#*==}"
  if [ ! -d "$into" ]; then
    say "Fetching Jupytext's own examples"
    rm -rf "$into.new"
    mkdir -p "$into.new"
    "$1/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary jupytext -d "$into.new" "$wanted" ||
      die "pip could not fetch the source of $wanted"
    tar -xzf "$into.new"/jupytext-*.tar.gz -C "$into.new" --strip-components=1 --wildcards '*/tests/data/notebooks/outputs/*'
    mv "$into.new" "$into"
  fi
  export JUPYTEXT_EXAMPLES="$into/tests/data/notebooks/outputs"
}

# make_kernels_venv DIR: kernels as they are on another machine, with a Jupyter Server and a Kernel Gateway in front of
# them, and what the notebooks of tests/kernels need.
make_kernels_venv() {
  local venv=$1 client="$ROOT/clients/python" wanted="$ROOT/tests/kernels/requirements.txt"
  cat "$client/pyproject.toml" "$wanted" | cmp -s - "$venv/.made-for" && return 0
  say "Making a Python environment with Jupyter servers for the tests of kernels"
  rm -rf "$venv"
  python3 -m venv "$venv" || die "python3 could not make $venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" -e "$client" ||
    die "pip could not install the packages of $wanted"
  cat "$client/pyproject.toml" "$wanted" > "$venv/.made-for"
}

# add_widgets: widgets that nobody here wrote, into .venv, for the browser tests.
add_widgets() {
  local list="$ROOT/tests/browser/requirements.txt"
  cmp -s "$list" "$ROOT/.venv/.widgets" && return 0
  say "Installing widgets of others into .venv"
  "$ROOT/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$list" || die "pip could not install $list"
  cp "$list" "$ROOT/.venv/.widgets"
}

# A Python environment of our own with a kernel in it.
make_venv() {
  [ -f "$ROOT/.venv/share/jupyter/kernels/python3/kernel.json" ] && return 0
  python3 -c 'import venv, ensurepip' 2>/dev/null || need_packages "a Python kernel" python3 python3-venv
  say "Making .venv with a Python kernel (ipykernel, ipywidgets)"
  python3 -m venv "$ROOT/.venv" || die "python3 could not make $ROOT/.venv"
  "$ROOT/.venv/bin/pip" install --quiet --disable-pip-version-check ipykernel ipywidgets ||
    die "pip could not install ipykernel into .venv"
}
