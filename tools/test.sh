#!/usr/bin/env bash
# `make test`: the stages, each with its time and its limit in minutes (warm). A stage over its limit fails the run;
# a cold build is measured apart, because a newcomer pays it once.
set -uo pipefail
cd "$(dirname "$0")/.."
tools/toolchain.sh || exit 1
export HELIOS_BIN="$PWD/target/release/helios" RUST_BACKTRACE=1 CARGO_TERM_COLOR=never
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
lint() { cargo fmt --all --check && cargo clippy --workspace --all-targets --locked -- -D warnings; }
unit() { cargo test --workspace --lib --bins --locked; }
build_tests() { cargo test --workspace --locked --no-run; }
contracts() { cargo test --locked -p helios-core -p helios-crds -p helios-bus -p helios-binance -p helios-venue --test '*'; }
spine() { cargo test --locked -p helios -p helios-worker -p helios-coordinator --test '*' -- --test-threads=1; }
simulation() { cargo test --locked -p helios-sim --test '*' -- --nocapture; }

# Cold builds of the dependencies count here and nowhere else; 20 minutes cold on 2 cores is the outer limit.
stage "build: what make up runs" 1200 build_up || { echo "$table"; exit 1; }
stage "build: tests" 1200 build_tests || { echo "$table"; exit 1; }
stage "format and lint" 600 lint
stage "unit" 180 unit
stage "contracts (protocol, manifests)" 240 contracts
stage "spine (helios up, end to end)" 480 spine
stage "simulation" 240 simulation
echo; echo "$table"
exit $failed
