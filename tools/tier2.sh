#!/usr/bin/env bash
# Runs a command where a node of a test cluster may be, with namespaces of its own for network, processes and mounts:
#   tools/tier2.sh cargo test -p helios-e2e --test tier2
# Everything in them ends with the command: containers, interfaces, packet filters, mounts. Root is needed.
# Builds come first, because the inside has no network but its own.
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "helios: tools/tier2.sh needs root: it makes namespaces, bridges and mounts" >&2; exit 1; }
"$tools/packages.sh" tier2
HELIOS_E2E_BIN=$("$tools/kubernetes.sh" tier2)
# Process ids inside are others, so clusters of inside and outside must not clean each other up.
TMPDIR=$(mktemp -d /tmp/helios-node.XXXXXX)
# Its own place among the control groups too: a kubelet ends what it does not know below its root.
HELIOS_E2E_CGROUP=/$(basename "$TMPDIR")
groups() { find /sys/fs/cgroup -maxdepth 2 -type d -path "*$HELIOS_E2E_CGROUP"; }
end() {
  local group
  for group in $(groups); do find "$group" -depth -type d -exec rmdir {} + || true; done
  rm -rf "$TMPDIR"
}
trap end EXIT
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir "/sys/fs/cgroup$HELIOS_E2E_CGROUP"
else
  for hierarchy in /sys/fs/cgroup/*/; do mkdir -p "$hierarchy$HELIOS_E2E_CGROUP"; done
fi
export HELIOS_E2E_BIN HELIOS_E2E_CGROUP TMPDIR HELIOS_E2E_INSIDE=1 PATH=$PATH:/usr/sbin:/sbin
unshare --net --mount --pid --fork --kill-child --mount-proc -- bash -euc '
  # Shared among the inside alone: kubelet mounts volumes for containers to see.
  mount --make-rshared /
  # What containerd, its network plugins and kubelet write to fixed places.
  for dir in /run /var/log /var/lib/cni; do
    mkdir -p "$dir"
    mount -t tmpfs tmpfs "$dir"
  done
  ip link set lo up
  ip link add helios0 type bridge
  ip addr add 10.88.0.1/24 dev helios0
  ip link set helios0 up
  ip route add default via 10.88.0.1
  # This shell stays: the first process of a namespace buries the orphans of the others.
  "$@" || exit' tier2 "$@"
