#!/usr/bin/env bash
# Says what is missing before anything fails in its own words.
set -euo pipefail
need() { command -v "$1" >/dev/null || { echo "helios: $1 is missing: $2" >&2; exit 1; }; }
need cargo "install Rust with rustup (https://rustup.rs), stable 1.95 or newer"
need cc "install a C compiler (Debian: apt-get install build-essential)"
have=$(rustc --version | sed -E 's/^rustc ([0-9]+)\.([0-9]+).*/\1 \2/')
read -r major minor <<<"$have"
if (( major == 1 && minor < 95 )); then
  echo "helios: rustc 1.$minor is too old: run 'rustup update stable' (1.95 or newer is needed)" >&2
  exit 1
fi
for c in fmt clippy; do
  cargo "$c" --version >/dev/null 2>&1 || rustup component add "$([ $c = fmt ] && echo rustfmt || echo clippy)" >/dev/null 2>&1 || true
done
