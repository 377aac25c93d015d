#!/usr/bin/env bash
# `make soak`: what needs longer than `make test`. Each part writes its results and the commit they belong to:
#   tools/soak.sh trading     docs/soak.md: statistics, crashes, fresh random cases, kills, long runs
#   tools/soak.sh kubernetes  docs/soak-kubernetes.md: the oldest release that is supported, and what a cluster goes through
#   tools/soak.sh             both
# The knobs of the first:
#   HELIOS_SOAK_ROUNDS  rounds of every property with fresh random cases (default 10)
#   HELIOS_CRASH_PATHS  crashes of each set of the margin ladder (default 1000)
#   HELIOS_SOAK_FOR     wall time of each long run of the whole system (default 5m)
#   HELIOS_SOAK_SEEDS   its seeds (default "7 8 9")
set -uo pipefail
cd "$(dirname "$0")/.."
tools/toolchain.sh || exit 1
rounds=${HELIOS_SOAK_ROUNDS:-10} run_for=${HELIOS_SOAK_FOR:-5m} seeds=${HELIOS_SOAK_SEEDS:-7 8 9}
export CARGO_TERM_COLOR=never RUST_BACKTRACE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit and changes that are not committed"
table="" failed=0
case ${1:-all} in
  all) "$0" trading; trading=$?; "$0" kubernetes; exit $((trading | $?)) ;;
  trading | kubernetes) ;;
  *) echo "helios: tools/soak.sh knows trading and kubernetes, not '$1'" >&2; exit 2 ;;
esac

stage() { # name log command...
  local name=$1 log=$2 t0=$SECONDS verdict=ok; shift 2
  echo; echo "=== $name"
  "$@" 2>&1 | tee "$work/$log"
  if (( PIPESTATUS[0] != 0 )); then verdict=FAILED; failed=1; fi
  local took=$((SECONDS - t0))
  table+="| $name | $verdict | $((took / 60)):$(printf %02d $((took % 60))) |"$'\n'
}

statistics() { cargo test --release --locked -p helios-sim --test '*' -- --ignored --nocapture --test-threads=1; }

crashes() { HELIOS_CRASH_PATHS=${HELIOS_CRASH_PATHS:-1000} cargo test --release --locked -p helios-sim --test crash_paths -- --nocapture; }

# Each round draws new cases; those whose number is not fixed take 2000.
properties() {
  local packages=(-p helios-core -p helios-binance -p helios-venue -p helios-crds -p helios-bus) i
  cargo test --release --locked "${packages[@]}" --lib --no-run || return 1
  cargo test --release --locked -p helios --test depth_resync --no-run || return 1
  for ((i = 1; i <= rounds; i++)); do
    echo "round $i of $rounds"
    PROPTEST_RNG_SEED=$((RANDOM * 32768 + RANDOM)) PROPTEST_CASES=2000 cargo test --release --locked -q "${packages[@]}" --lib || return 1
    cargo test --release --locked -q -p helios --test depth_resync || return 1
  done
}

long_runs() {
  cargo build --release --locked -p helios --no-default-features --features up || return 1
  local seed
  for seed in $seeds; do
    target/release/helios up --for "$run_for" --seed "$seed" --json --logs "$work/logs-$seed" --admin 127.0.0.1:0 \
      2>"$work/up-$seed.err" | tail -1 >"$work/up-$seed.json" || { tail -20 "$work/up-$seed.err"; return 1; }
    python3 - "$seed" "$work/up-$seed.json" <<'PY' || return 1
import json, sys
s = json.load(open(sys.argv[2]))
print(f"seed {sys.argv[1]}: {s['round_trips']} round trips in {s['market_seconds']:.0f} market seconds, "
      f"longest without a stop {s['max_unprotected_ms'] or 0:.1f} ms, p99 {s['fill_to_stop_p99_ms'] or 0:.1f} ms, "
      f"smallest margin ratio {s['min_margin_ratio']} %, resyncs {s['resyncs']}, errors {s['errors']}, restarts {s['restarts']}, "
      f"books agree: {s['books_agree']}")
sys.exit(0 if s["books_agree"] and (s["max_unprotected_ms"] or 0) <= 1000 else 1)
PY
  done
}

# Coordinator and workers as processes over a real NATS: a hundred kills, ten minutes without NATS.
processes() {
  local server; server=$(tools/nats.sh) || return 1
  HELIOS_SOAK=1 HELIOS_NATS_SERVER=$server cargo test --release --locked -p helios --features nats --test coordinator -- --nocapture
}

# The selection of features that `make test` has built already.
tests=(cargo test --workspace --locked --features "helios/kubernetes,helios-bus/testing,helios-lease/testing")
oldest=1.34

built() {
  HELIOS_NATS_SERVER=$(tools/nats.sh) && export HELIOS_NATS_SERVER &&
    tools/kubernetes.sh tier2 >/dev/null && HELIOS_E2E_KUBERNETES=$oldest tools/kubernetes.sh tier2 >/dev/null && "${tests[@]}" --no-run
}
control_plane() { HELIOS_E2E_KUBERNETES=$oldest "${tests[@]}" --test tier1 --test charts -- --test-threads=4; }
real_node() { HELIOS_E2E_KUBERNETES=$oldest tools/tier2.sh "${tests[@]}" --test tier2; }
long_scenarios() { tools/tier2.sh "${tests[@]}" --test tier2 -- --ignored --nocapture --test-threads=1; }

head_of() { # title
  echo "# $1"
  echo
  echo "Written by \`make soak\`; don't edit. Nothing here holds for another commit."
  echo
  echo "- Commit: $commit"
  echo "- When: $(date -u +%Y-%m-%d), $(rustc --version), $(nproc) cores"
  echo
  echo "| stage | result | minutes |"
  echo "|---|---|---|"
  printf '%s' "$table"
}

# How each test ended, and what it measured. What a test says itself comes between its name and its end.
said() {
  awk '
    match($0, /soak: .*/) { print substr($0, RSTART) }
    /^test .* \.\.\. / { name = $2 }
    /^test .* (ok|FAILED)$/ { print; name = ""; next }
    /^(ok|FAILED)$/ && name { print "test " name " ... " $0; name = "" }
  ' "$@" 2>/dev/null
}

if [ "${1:-}" = kubernetes ]; then
  built || exit 1
  stage "Control plane of $oldest: every scenario of tier 1, and the charts" oldest-tier1 control_plane
  stage "Real node of $oldest: every scenario of tier 2" oldest-tier2 real_node
  stage "Real nodes: what needs longer" long long_scenarios
  {
    head_of "Soak in Kubernetes"
    echo
    echo "What each scenario said:"
    echo
    echo '```'
    said "$work/oldest-tier1" "$work/oldest-tier2" "$work/long"
    echo '```'
  } >docs/soak-kubernetes.md.tmp && mv docs/soak-kubernetes.md.tmp docs/soak-kubernetes.md
  echo; printf '%s' "$table"
  exit $failed
fi

stage "Statistics: the simulator gives no money away" statistics statistics
stage "Crashes: no account is liquidated under protection" crashes crashes
stage "Properties, $rounds rounds of fresh cases" properties properties
stage "Coordinator over NATS: killed, stopped, cut off" processes processes
stage "The whole system, $run_for for each seed ($seeds)" runs long_runs

{
  head_of Soak
  echo
  echo "What the statistics, the crashes and the long runs said:"
  echo
  echo '```'
  grep -h 'trades, gross' "$work/statistics" 2>/dev/null | sed 's/^test [^ ]* \.\.\. //' | sort -u
  grep -ohE 'crash (Warned|Leveraged): .*' "$work/crashes" 2>/dev/null | sort
  grep -hE '^seed ' "$work/runs" 2>/dev/null
  echo '```'
} >docs/soak.md.tmp && mv docs/soak.md.tmp docs/soak.md
echo; printf '%s' "$table"
exit $failed
