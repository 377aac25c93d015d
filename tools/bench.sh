#!/usr/bin/env bash
# `make bench`: measures and writes bench/results.json, `{key: {value, unit, goal, better, peer, ratio}}`.
# A key whose input is missing (the recording) is left out and said; one that misses its goal fails the run.
# `tools/bench.sh up hotpath venue coordinator operator build`: these parts; all of them unless named.
# How to repeat a number, and what each means: bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=" ${*:-up hotpath venue coordinator operator build} "
for part in $parts; do
  case $part in up | hotpath | venue | coordinator | operator | build) ;; *) echo "helios: the bench has no part $part" >&2; exit 2 ;; esac
done
asked() { [[ $parts == *" $1 "* ]]; }
tools/toolchain.sh
command -v python3 >/dev/null || { echo "helios: python3 is missing: the bench collects its numbers with it" >&2; exit 1; }
bin=target/release/helios
capture=${HELIOS_CAPTURE:-../shared/data/capture/usdm_btcusdt_20240808.jsonl.gz}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TERM_COLOR=never

if asked up || asked hotpath; then
  [ -x "$bin" ] || { echo "helios: $bin is missing: make build" >&2; exit 1; }
fi

if asked up; then
  echo "fill to stop: 60 s of the quickstart, seed 7"
  "$bin" up --for 60s --seed 7 --json --logs "$work/logs" --admin 127.0.0.1:0 2>"$work/up.err" | tail -1 >"$work/up.json" ||
    { tail -20 "$work/up.err" >&2; exit 1; }
fi

if asked hotpath && [ -r "$capture" ]; then
  echo "book hot path: $capture"
  cargo build --release --locked -q -p helios --no-default-features --features up --example hotpath
  target/release/examples/hotpath "$capture" 5 >"$work/hotpath.json"
  "$bin" inspect "$capture" --json 2>/dev/null >"$work/inspect.json"
elif asked hotpath; then
  echo "book hot path: skipped, $capture is missing (HELIOS_CAPTURE names another)"
fi

if asked venue; then
  echo "venue: 50 contracts at 20 depth frames a second, a socket each, 20 s"
  cargo build --release --locked -q -p helios-venue --example venue_frames
  target/release/examples/venue_frames 20 >"$work/venue.json"
fi

# Binaries with NATS or Kubernetes are others than `make up` runs: kept aside, and the old one put back.
built() {
  local was=0
  [ ! -x "$bin" ] || was=1
  cargo build --release --locked -q "${@:2}" --bin helios
  cp "$bin" "$work/$1"
  [ $was = 0 ] || cargo build --release --locked -q -p helios --no-default-features --features up
}

if asked coordinator; then
  echo "coordinator: real processes over a real nats-server, 500 symbols and as many workers"
  built helios-nats -p helios --no-default-features --features up,nats --example coordinator
  HELIOS_NATS_SERVER=$(tools/nats.sh) target/release/examples/coordinator "$work/helios-nats" >"$work/coordinator.json"
fi

if asked operator; then
  echo "operator: a real control plane, ${HELIOS_BENCH_SYMBOLS:-2000} symbols, against the Deployment controller"
  built helios-kubernetes -p helios -p helios-e2e --no-default-features --features helios/up,helios/kubernetes --example operator
  HELIOS_E2E_HELIOS="$work/helios-kubernetes" target/release/examples/operator >"$work/operator.json"
fi

crates=0
if asked build; then
  crates=$(cargo tree --locked -p helios --no-default-features --features up -e normal,build --prefix none |
    sed 's/ (\*)$//' | sort -u | wc -l)
fi

# A cold build costs minutes: measured on request only, into a target directory of its own.
if asked build && [ "${HELIOS_BENCH_COLD:-0}" = 1 ]; then
  echo "cold build"
  t0=$SECONDS
  CARGO_TARGET_DIR="$work/cold" cargo build --release --locked -q -p helios --no-default-features --features up
  echo $((SECONDS - t0)) >"$work/cold"
fi

python3 bench/collect.py "$work" "$crates" bench/results.json
