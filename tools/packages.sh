#!/usr/bin/env bash
# Sees to it that the system's programs are there that a test cluster needs beside its own.
#   tools/packages.sh tier1   setpriv (util-linux)
#   tools/packages.sh tier2   and what real nodes need: a container runtime, its network, packet filters
# Says what is missing; installs it with apt-get when run by root on Debian or its like, unless `check` follows.
set -euo pipefail
say() { echo "helios: $*" >&2; }
# A file that shows that the package is there, and the package.
tier1=(setpriv:util-linux)
tier2=("${tier1[@]}" containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins nft:nftables
  iptables:iptables conntrack:conntrack)
case ${1:-tier1} in
  tier1) needs=("${tier1[@]}") ;;
  tier2) needs=("${tier2[@]}") ;;
  *) say "tools/packages.sh knows tier1 and tier2, not '$1'"; exit 2 ;;
esac
# Programs of administrators are not in everybody's path.
PATH=$PATH:/usr/sbin:/sbin
missing() {
  local need
  for need in "${needs[@]}"; do
    [ -x "$(command -v "${need%%:*}" || echo "${need%%:*}")" ] || printf '%s ' "${need#*:}"
  done
}
lacks=$(missing)
[ -n "$lacks" ] || exit 0
read -ra packages <<<"$lacks"
if [ "${2:-}" = check ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "missing: ${packages[*]} (Debian: apt-get install --no-install-recommends ${packages[*]})"
  exit 1
fi
say "installing ${packages[*]}"
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
lacks=$(missing)
[ -z "$lacks" ] || { say "still missing after installing: $lacks"; exit 1; }
