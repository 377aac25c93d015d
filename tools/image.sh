#!/usr/bin/env bash
# `make image`: the image as an archive in target/image, without a daemon, and its list of parts beside it.
#   tools/image.sh [amd64|arm64]...           this machine's architecture, or those named
#   tools/image.sh --check [amd64|arm64]...   the same, twice: one input is one archive
#   tools/image.sh --refresh                  pins the packages that Debian has today (tools/image/debian.lock)
#   HELIOS_IMAGE_REBUILD=1  --check compiles again too, in another directory
#   HELIOS_DEBIAN_MIRRORS   addresses of Debian's archive beside those that apt is configured with
# Pinned: the compiler below, the linker in tools/image/requirements.txt, crates in Cargo.lock, packages in debian.lock.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "helios: $*" >&2; }
die() { say "$@"; exit 1; }
# Another compiler makes other bytes, so "stable" won't do here.
rust=1.95.0
glibc=2.28
profile=release

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
check="" wanted=()
for word in "$@"; do
  case $word in
    --refresh) exec python3 tools/image/debian.py refresh ;;
    --check) check=1 ;;
    amd64 | arm64) wanted+=("$word") ;;
    *) usage ;;
  esac
done
case $(uname -m) in
  x86_64) own=amd64 ;;
  aarch64) own=arm64 ;;
  *) own="" ;;
esac
[ ${#wanted[@]} != 0 ] || wanted=("${own:?no image for $(uname -m): name amd64 or arm64}")

python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
  die "python3, 3.9 or newer, is missing: it puts the image together (Debian: apt-get install python3 python3-venv)"
command -v readelf >/dev/null || die "readelf is missing: install binutils"
tools/toolchain.sh

home=${XDG_CACHE_HOME:-$HOME/.cache}/helios
out=$PWD/target/image
mkdir -p "$home" "$out"
version=$(sed -nE 's/^appVersion: "?([^"]+)"?$/\1/p' charts/helios/Chart.yaml)
repository=$(sed -nE '/^image:/,/^[^ #]/s/^  repository: //p' charts/helios/values.yaml | head -1)
grep -qx "version = \"$version\"" Cargo.toml ||
  die "charts/helios/Chart.yaml says appVersion $version, and Cargo.toml has another version: the chart asks for an image by its appVersion"

# One builds, the others wait for it.
exec 9>"$home/image.lock"
flock -n 9 || { say "another run is building an image: waiting for it"; flock 9; }

# cargo-zigbuild and the zig it links with: wheels that are checked against their checksums.
linker() { tools/wheels.sh zigbuild tools/image/requirements.txt 9>&-; }

compiler() { # target: the pinned compiler, with what it needs for the target
  if [[ $(rustc --version 2>/dev/null) = "rustc $rust "* && -d "$(rustc --print sysroot)/lib/rustlib/$1" ]]; then
    return
  fi
  if command -v rustup >/dev/null; then
    [[ $(rustup toolchain list) = *"$rust-"* ]] || rustup toolchain install "$rust" --profile minimal --no-self-update >&2 ||
      die "Rust $rust, which images are built with, can't be installed: rustup says why above (it needs the network, once)"
    export RUSTUP_TOOLCHAIN=$rust
    rustup -q target add --toolchain "$rust" "$1" >&2 ||
      die "the standard library of $1 can't be installed: rustup says why above (it needs the network, once)"
  else
    [[ $(rustc --version) = "rustc $rust "* ]] || die "images are built with Rust $rust, and this is $(rustc --version): install rustup"
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1" ] || die "this Rust has no standard library of $1: install rustup"
  fi
}

triple() { case $1 in amd64) echo x86_64-unknown-linux-gnu ;; arm64) echo aarch64-unknown-linux-gnu ;; esac; }

# The program, and the crates that are linked into it, in a directory of its own: nothing of where it was built, or of
# whoever built it, gets into it.
build() { # architecture directory: makes files `helios` and `crates` in directory/architecture
  local dir=$2 target linker t0=$SECONDS
  target=$(triple "$1")
  compiler "$target"
  linker=$(linker)
  python3 tools/image/source.py . "$dir/src"
  mkdir -p "$dir/$1"
  say "building helios for $target, glibc $glibc ($(nproc) cores; minutes when everything is new)"
  (
    cd "$dir/src"
    local name flags
    for name in $(compgen -e); do
      case $name in RUSTFLAGS | CARGO_BUILD_* | CARGO_PROFILE_* | CARGO_TARGET_* | CC | CXX | CFLAGS* | CXXFLAGS* | LDFLAGS | RUSTC*) unset "$name" ;; esac
    done
    flags=("--remap-path-prefix=$PWD=/helios" "--remap-path-prefix=$dir/target=/target"
      "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
      "--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc" -Cstrip=symbols)
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
    CARGO_ZIGBUILD_ZIG_PATH=$(echo "$linker"/lib/python3*/site-packages/ziglang/zig)
    export CARGO_ENCODED_RUSTFLAGS CARGO_ZIGBUILD_ZIG_PATH CARGO_TARGET_DIR=$dir/target CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH=0
    export CARGO_ZIGBUILD_CACHE_DIR=$home/zigbuild ZIG_GLOBAL_CACHE_DIR=$home/zig
    "$linker/bin/cargo-zigbuild" zigbuild --profile "$profile" --locked -p helios --features kubernetes --target "$target.$glibc" >&2 9>&-
    cargo tree --locked -p helios --features kubernetes --target "$target" -e normal,no-proc-macro --prefix none \
      --format $'{p}\t{l}\t{r}' >"$dir/$1/tree"
  ) || die "helios can't be built for $1: cargo says why above"
  # A crate of the workspace says where it is, and one that was listed before says so.
  sed -E 's/ \(\*\)$//; s/ \(\/[^)]*\)//; s/ /\t/' "$dir/$1/tree" | sort -u >"$dir/$1/crates"
  cp "$dir/target/$target/$profile/helios" "$dir/$1/helios"
  say "built helios for $1 in $((SECONDS - t0)) s"
}

assemble() { # architecture directory-of-the-build archive
  local sbom=${3%.tar}.sbom.spdx.json
  python3 tools/image/sbom.py "$1" "$version" "$2/$1/helios" "$2/$1/crates" Cargo.lock "$rust" \
    "$(sed -nE 's/^ziglang==([^ ]+).*/\1/p' tools/image/requirements.txt)" >"$sbom"
  python3 tools/image/assemble.py --architecture "$1" --repository "$repository" --version "$version" --binary "$2/$1/helios" \
    --sbom "$sbom" --licence LICENSE --debs "$home/debs" --archive "$3"
}

work=$(mktemp -d "$home/image-again.XXXXXX")
trap 'rm -rf "$work"' EXIT
same() { # architecture directory-of-the-build archive what
  assemble "$1" "$2" "$work/$(basename "$3")" >/dev/null
  cmp "$3" "$work/$(basename "$3")" >&2 || die "$4 made another archive of the same sources: something in it depends on time or place"
  rm -f "$work/$(basename "$3")"
  echo "  again     $4 made the same archive"
}

archives=()
for architecture in "${wanted[@]}"; do
  archive=$out/helios-$version-$architecture.tar
  build "$architecture" "$home/image"
  assemble "$architecture" "$home/image" "$archive"
  if [ -n "$check" ]; then
    same "$architecture" "$home/image" "$archive" "putting it together again"
    if [ "${HELIOS_IMAGE_REBUILD:-0}" = 1 ]; then
      build "$architecture" "$work/elsewhere"
      same "$architecture" "$work/elsewhere" "$archive" "compiling it in another directory"
    fi
  fi
  archives+=("${archive#"$PWD/"}")
done
for archive in "${archives[@]}"; do
  cat <<EOF

On the nodes:  ctr --namespace k8s.io images import $archive    (as root on each; k3s: k3s ctr images import)
kind:          kind load image-archive $archive
a registry:    docker load --input $archive, docker tag, docker push; or skopeo copy oci-archive:$archive docker://...
EOF
done
