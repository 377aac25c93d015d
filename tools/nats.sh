#!/usr/bin/env bash
# Prints the path of the nats-server that tests run against, building it once when it is missing.
#   HELIOS_NATS_SERVER  another one to use, 2.15 or newer
# Go's client fetches the module and checks it against Go's checksum database.
set -euo pipefail
version=2.15.2
say() { echo "helios: $*" >&2; }

if [ -n "${HELIOS_NATS_SERVER:-}" ]; then
  have=$("$HELIOS_NATS_SERVER" --version 2>/dev/null | sed -nE 's/^nats-server: v([0-9]+)\.([0-9]+).*/\1 \2/p') || true
  read -r major minor <<<"${have:-0 0}" || true
  if (( major < 2 || (major == 2 && minor < 15) )); then
    say "HELIOS_NATS_SERVER=$HELIOS_NATS_SERVER is no nats-server 2.15 or newer"
    exit 1
  fi
  echo "$HELIOS_NATS_SERVER"
  exit 0
fi

home=${XDG_CACHE_HOME:-$HOME/.cache}/helios
bin=$home/nats-server-$version/nats-server
if [ ! -x "$bin" ]; then
  command -v go >/dev/null || {
    say "nats-server is missing and go, which builds it, is too: install Go 1.26 or newer (https://go.dev; Debian: apt-get install golang-go)," \
      "or name a nats-server 2.15 or newer with HELIOS_NATS_SERVER"
    exit 1
  }
  mkdir -p "$home"
  # One builds, the others wait for it.
  exec 9>"$home/nats-server.lock"
  flock 9
  if [ ! -x "$bin" ]; then
    say "building nats-server $version (once)"
    work=$(mktemp -d "$home/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    GOBIN=$work GOFLAGS=-mod=mod CGO_ENABLED=0 go install "github.com/nats-io/nats-server/v2@v$version" >&2 9>&- || {
      say "nats-server $version cannot be built: go says why above (it needs Go 1.26 or newer and the network, once)"
      exit 1
    }
    mkdir -p "$(dirname "$bin")"
    mv "$work/nats-server" "$bin"
  fi
fi
echo "$bin"
