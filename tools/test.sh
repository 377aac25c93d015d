#!/usr/bin/env bash
# `make test`: the stages, each with its time and its limit in minutes (warm). A stage over its limit fails the run;
# a cold build is measured apart, because a newcomer pays it once.
set -uo pipefail
cd "$(dirname "$0")/.."
tools/toolchain.sh || exit 1
export HELIOS_BIN="$PWD/target/release/helios" RUST_BACKTRACE=1 CARGO_TERM_COLOR=never
# One set of features for everything but what `make up` runs: another selection builds everything again.
features=(--features helios/kubernetes,helios-bus/testing,helios-lease/testing)
table=""; failed=0; cold=0
[ -d target/release/deps ] || cold=1

stage() { # name limit-in-seconds command...
  local name=$1 limit=$2; shift 2
  echo; echo "=== $name"
  local t0=$SECONDS
  "$@"; local code=$?
  local took=$((SECONDS - t0)) verdict=ok
  (( code == 0 )) || { verdict="FAILED ($code)"; failed=1; }
  if (( took > limit )); then verdict="$verdict, OVER its ${limit} s"; failed=1; fi
  table+=$(printf '%-34s %6d:%02d  of %3d min  %s' "$name" $((took / 60)) $((took % 60)) $((limit / 60)) "$verdict")$'\n'
  return $code
}

build_up() {
  local crates t0=$SECONDS
  crates=$(cargo tree --locked -p helios --no-default-features --features up -e normal,build --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)
  cargo build --release --locked -p helios --no-default-features --features up || return 1
  echo "make up builds $crates crates; $([ $cold = 1 ] && echo cold || echo warm) build took $((SECONDS - t0)) s"
}
kubernetes() { HELIOS_E2E_BIN=$(tools/kubernetes.sh tier1) && "$HELIOS_E2E_BIN/kube-apiserver" --version; }
nats() { HELIOS_NATS_SERVER=$(tools/nats.sh) && "$HELIOS_NATS_SERVER" --version; }
outside_clients() { HELIOS_CLIENTS_DIR=$(tools/clients.sh) && cat e2e/clients/requirements.in; }
lint() { cargo fmt --all --check && cargo clippy --workspace --all-targets --locked "${features[@]}" -- -D warnings; }
unit() { cargo test --workspace --lib --bins --locked "${features[@]}"; }
build_tests() { cargo test --workspace --locked "${features[@]}" --no-run; }
# The integration tests of some crates by name. Always with --workspace: another selection has other features, and
# everything would be built again.
tests_of() {
  local crate f args=()
  for crate in "$@"; do
    for f in "$crate"/tests/*.rs "$crate"/tests/*/main.rs; do
      [ -e "$f" ] || continue
      case $f in */main.rs) f=$(dirname "$f") ;; esac
      args+=(--test "$(basename "$f" .rs)")
    done
  done
  printf '%s\n' "${args[@]}"
}
# Of the command line's tests, those that run coordinator and workers as processes over a real NATS, and the complaints: each has a
# stage of its own, in which several run at once.
processes='^(coordinator|nats_roles|complaints)$'
integration() { # crates... -- arguments of the test binaries
  local crates=() names
  while (( $# )) && [ "$1" != -- ]; do crates+=("$1"); shift; done
  mapfile -t names < <(tests_of "${crates[@]}" | sed '/^--test$/d' | grep -vE "$processes" | sed 's/^/--test=/')
  cargo test --workspace --locked "${features[@]}" "${names[@]}" "$@"
}
contracts() { integration core crds bus lease binance venue; }
spine() { integration helios worker coordinator -- --test-threads=1; }
# Mostly waiting for what the market does, each in a whole system of its own.
complaints() { cargo test --workspace --locked "${features[@]}" --test complaints -- --test-threads=5; }
# Mostly waiting (outages, leases), so more of them at once than there are cores.
coordination() { cargo test --workspace --locked "${features[@]}" --test nats_roles --test coordinator -- --test-threads=4; }
# Mostly waiting too: scenarios share one control plane, each in a namespace of its own.
control_plane() { cargo test --workspace --locked "${features[@]}" --test tier1 -- --test-threads=4; }
# Clients that nobody here wrote, against a venue of the binary that users have.
judges() { "$HELIOS_CLIENTS_DIR/python/bin/python" e2e/clients/run.py "$HELIOS_CLIENTS_DIR"; }
# What the charts render, and what a real API server says to it.
charts() { cargo test --workspace --locked "${features[@]}" --test charts -- --test-threads=4; }
# The image's first line says where it is. Compiled as it is shipped, so not with what other stages built; its cache is its own.
image() {
  local said
  said=$(tools/image.sh --check) || return 1
  echo "$said"
  HELIOS_E2E_IMAGE=$(head -1 <<<"$said")
}
image_tests() { cargo test --workspace --locked "${features[@]}" --test image -- --nocapture; }
# One real node, in namespaces that need root and Debian's packages; whatever it needs is built before it starts. Scenarios
# wait for their turn by themselves, so all of them start at once.
node() { tools/tier2.sh cargo test --workspace --locked "${features[@]}" --test tier2 -- --test-threads=16; }
simulation() { integration sim -- --nocapture --test-threads=2; }

# Cold builds of the dependencies count here and nowhere else; 20 minutes cold on 2 cores is the outer limit,
# Kubernetes apart.
stage "build: what make up runs" 1200 build_up || { echo "$table"; exit 1; }
stage "build: nats-server for tests" 600 nats || { echo "$table"; exit 1; }
export HELIOS_NATS_SERVER
stage "build: outside clients" 600 outside_clients
stage "build: Kubernetes for tests" 1500 kubernetes || { echo "$table"; exit 1; }
export HELIOS_E2E_BIN
stage "build: tests" 1500 build_tests || { echo "$table"; exit 1; }
stage "format and lint" 900 lint
stage "unit" 180 unit
stage "contracts (protocol, manifests)" 240 contracts
stage "spine (helios up, end to end)" 600 spine
stage "complaints (exchange faults)" 300 complaints
[ -z "${HELIOS_CLIENTS_DIR:-}" ] || stage "outside clients (ccxt, connectors)" 240 judges
stage "coordinator (real NATS, processes)" 360 coordination
stage "Kubernetes (control plane, kwok)" 480 control_plane
stage "charts (helm, control plane)" 300 charts
if stage "build: the image" 1200 image; then
  export HELIOS_E2E_IMAGE
  stage "image (what is in it)" 60 image_tests
fi
if [ "$(id -u)" = 0 ] && tools/packages.sh tier2; then
  unset HELIOS_E2E_BIN
  stage "build: a node for tests" 900 tools/kubernetes.sh tier2 && stage "Kubernetes (a real node)" 420 node
else
  echo "SKIPPED: a real node needs root and tools/packages.sh tier2"
fi
stage "simulation" 300 simulation
[ -d ../shared/data ] || echo "SKIPPED: ../shared/data is not here, so the checks on recorded markets did not run"
echo; echo "$table"
exit $failed
