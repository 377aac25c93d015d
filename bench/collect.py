"""Puts what tools/bench.sh measured into bench/results.json and prints it as a table.

usage: collect.py WORKDIR CRATES RESULTS. What was not measured is not in it. Exits 1 when a goal is missed or a checksum
differs.
"""

import json
import os
import sys

work, crates, results = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def read(name):
    path = os.path.join(work, name)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return json.load(f)


out = {}
wrong = []


def put(key, value, unit, goal, better, peer=None):
    """`peer` is a number of the same unit from the same run; ratio > 1 means better than the peer."""
    ratio = None
    if peer and value:
        ratio = round(value / peer if better == "higher" else peer / value, 3)
    out[key] = {"value": value, "unit": unit, "goal": goal, "better": better, "peer": peer, "ratio": ratio}
    if goal is not None and (value is None or (value > goal if better == "lower" else value < goal)):
        wrong.append(f"{key} is {value} {unit}, the goal is {goal} ({better} is better)")


up = read("up.json")
if up:
    put("fill_to_stop_p99_ms", up.get("fill_to_stop_p99_ms"), "ms", 150, "lower")
    put("max_unprotected_ms", up.get("max_unprotected_ms"), "ms", 1000, "lower")
    put("round_trips_60s", up.get("round_trips"), "round trips", 20, "higher")
    put("achieved_speed", round(up.get("achieved_speed", 0), 2), "market s / wall s", None, "higher")

hot, inspected = read("hotpath.json"), read("inspect.json")
if hot:
    put("book_hot_path_per_s", hot["per_cpu_second"], "frames / CPU s", 100_000, "higher")
    put("book_hot_path_p50_us", hot["p50_us"], "us", None, "lower")
    put("book_hot_path_p99_us", hot["p99_us"], "us", None, "lower")
    put("book_hot_path_p999_us", hot["p999_us"], "us", None, "lower")
    same = abs(hot["nobi_sum"] - inspected["nobi_sum"]) < 1e-6 and hot["applied"] == inspected["depth_applied"]
    if not same:
        wrong.append("the hot path's sum of NOBI is not that of `helios inspect`: its speed means nothing")

venue = read("venue.json")
if venue:
    put("venue_frame_delay_p50_ms", venue["p50_ms"], "ms", None, "lower")
    put("venue_frame_delay_p99_ms", venue["p99_ms"], "ms", 5, "lower")

c = read("coordinator.json")
if c:
    put("grant_p50_ms", c["grant_p50_ms"], "ms", None, "lower")
    put("grant_p99_ms", c["grant_p99_ms"], "ms", 2, "lower")
    put("grant_500_p50_ms", c["grant_500_p50_ms"], "ms", None, "lower")
    put("grant_500_p99_ms", c["grant_500_p99_ms"], "ms", None, "lower")
    put("heartbeats_core_percent", c["heartbeats_core_percent"], "% of a core", 10, "lower")
    put("coordinator_quiet_core_percent", c["coordinator_quiet_core_percent"], "% of a core", None, "lower")
    put("coordinator_500_core_percent", c["coordinator_500_core_percent"], "% of a core", None, "lower")
    put("coordinator_rss_mib", c["coordinator_rss_mib"], "MiB", 60, "lower")
    put("critical_to_last_worker_p50_ms", c["critical_to_last_worker_p50_ms"], "ms", None, "lower")
    put("critical_to_last_worker_p99_ms", c["critical_to_last_worker_p99_ms"], "ms", 50, "lower")
    put("critical_decided_p99_ms", c["critical_decided_p99_ms"], "ms", None, "lower")
    put("silence_to_reduce_only_error_ms", c["silence_to_reduce_only_error_ms"], "ms", 5, "lower")
    put("takeover_s", c["takeover_s"], "s", 9, "lower")
    put("handover_gap_ms", c["handover_gap_ms"], "ms", 0, "lower")

o = read("operator.json")
if o:
    # 2,000 symbols unless another number was asked for, which its keys then name.
    usual, size = o["symbols"] == 2000, o["symbols"]
    of = "" if usual else "_10k" if size == 10_000 else f"_{size}"
    if "converge_s" in o:
        put(f"converge_ratio_to_deployments{of}", o["converge_ratio_to_deployments"], "ratio", 1.1, "lower")
        put(f"converge_s{of}", o["converge_s"], "s", None, "lower", peer=o["converge_deployments_s"])
        put(f"writes_per_symbol{of}", o["writes_per_symbol"], "writes", 2, "lower")
    put(f"operator_rss{of}_mib", o["operator_rss_mib"], "MiB", 60 if size <= 2000 else 100, "lower")
    if "steady_state_writes" in o:
        put(f"steady_state_writes{of}", o["steady_state_writes"], "writes", 0, "lower")
        put(f"lease_renewals_per_min{of}", o["lease_renewals_per_min"], "writes / min", None, "lower")
    if "parameter_ack_p99_s" in o:
        put(f"parameter_ack_p50_s{of}", o["parameter_ack_p50_s"], "s", None, "lower")
        put(f"parameter_ack_p99_s{of}", o["parameter_ack_p99_s"], "s", 5, "lower")
    if "operator_takeover_s" in o:
        put(f"operator_takeover_s{of}", o["operator_takeover_s"], "s", 15, "lower")
        put(f"operator_handover_s{of}", o["operator_handover_s"], "s", 2, "lower")

if crates:
    put("make_up_crates", crates, "crates", None, "lower")
cold = read("cold")
if cold is not None:
    put("cold_build_s", cold, "s", 600, "lower")

with open(results + ".tmp", "w", encoding="utf-8") as f:
    json.dump(out, f, indent=2)
    f.write("\n")
os.replace(results + ".tmp", results)

for key, v in out.items():
    goal = "" if v["goal"] is None else f"goal {'≤' if v['better'] == 'lower' else '≥'} {v['goal']}"
    print(f"{key:32} {v['value']!s:>12} {v['unit']:18} {goal}")
for w in wrong:
    print(f"bench: {w}", file=sys.stderr)
sys.exit(1 if wrong else 0)
