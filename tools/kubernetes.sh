#!/usr/bin/env bash
# Prints the directory of the programs that a test cluster is made of, building once what is missing there.
#   tools/kubernetes.sh tier1   API server, controller manager, scheduler, kubectl, etcd, kwok, helm
#   tools/kubernetes.sh tier2   those and kubelet, kube-proxy, CoreDNS, and what tests put into pods
#   HELIOS_E2E_BIN         a directory that has them already
#   HELIOS_E2E_KUBERNETES  another release, as the folder e2e/tools/kubernetes-<release> pins it
# Sources are Go modules pinned by e2e/tools/*/go.sum, one module per program because their dependencies conflict.
set -euo pipefail
tier=${1:-tier1}
say() { echo "helios: $*" >&2; }
tier1=(kube-apiserver kube-controller-manager kube-scheduler kubectl etcd kwok helm)
case $tier in
  tier1) want=("${tier1[@]}") ;;
  tier2) want=("${tier1[@]}" kubelet kube-proxy coredns probe) ;;
  *) say "tools/kubernetes.sh knows tier1 and tier2, not '$tier'"; exit 2 ;;
esac
missing() { # directory: those of the wanted programs that it has not
  local p
  for p in "${want[@]}"; do [ -x "$1/$p" ] || printf '%s ' "$p"; done
}

if [ -n "${HELIOS_E2E_BIN:-}" ]; then
  lacks=$(missing "$HELIOS_E2E_BIN")
  [ -z "$lacks" ] || { say "HELIOS_E2E_BIN=$HELIOS_E2E_BIN has no ${lacks% }"; exit 1; }
  echo "$HELIOS_E2E_BIN"
  exit 0
fi

modules=$(cd "$(dirname "$0")/../e2e/tools" && pwd)
kubernetes=kubernetes${HELIOS_E2E_KUBERNETES:+-$HELIOS_E2E_KUBERNETES}
[ -f "$modules/$kubernetes/go.mod" ] || { say "no release of Kubernetes is pinned in e2e/tools/$kubernetes"; exit 1; }
folders=("$kubernetes" etcd kwok helm coredns probe)
# Raised when the flags of the builds below change.
recipe=1
key=$({ echo "$recipe"; for f in "${folders[@]}"; do cat "$modules/$f"/go.* "$modules/$f"/*.go; done; } | sha256sum | cut -c1-16)
home=${XDG_CACHE_HOME:-$HOME/.cache}/helios
bin=$home/e2e-$key
if [ -z "$(missing "$bin")" ]; then
  echo "$bin"
  exit 0
fi

command -v go >/dev/null || {
  say "$(missing "$bin")missing and go, which builds them, is too: install Go 1.26 or newer (https://go.dev;" \
    "Debian: apt-get install golang-go), or name a directory that has them with HELIOS_E2E_BIN"
  exit 1
}
mkdir -p "$home" "$bin"
# One builds, the others wait for it.
exec 9>"$home/e2e.lock"
flock -n 9 || { say "another run is building Kubernetes for tests: waiting for it"; flock 9; }
lacks=$(missing "$bin")
if [ -z "$lacks" ]; then
  echo "$bin"
  exit 0
fi

work=$(mktemp -d "$home/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
export GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0
pinned() { sed -nE "s#^(require )?[[:space:]]*$2 (v[^ ]+).*#\2#p" "$modules/$1/go.mod" | head -1; } # folder module
# An unstamped server calls itself v0.0.0-master, and clients then refuse or guess.
stamp() { # folder: linker flags that tell the programs their version
  local version package flags="-s -w"
  case $1 in
    kubernetes*)
      version=$(pinned "$1" k8s.io/kubernetes)
      [[ $version =~ ^v([0-9]+)\.([0-9]+) ]]
      for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=$version -X $package.gitTreeState=clean"
        flags+=" -X $package.gitMajor=${BASH_REMATCH[1]} -X $package.gitMinor=${BASH_REMATCH[2]}"
      done ;;
    kwok) flags+=" -X sigs.k8s.io/kwok/pkg/consts.Version=$(pinned kwok sigs.k8s.io/kwok)" ;;
    helm) flags+=" -X helm.sh/helm/v4/internal/version.version=$(pinned helm helm.sh/helm/v4)" ;;
  esac
  echo "$flags"
}
module_of() { # program: its folder and its package
  case $1 in
    etcd) echo etcd go.etcd.io/etcd/server/v3 ;;
    kwok) echo kwok sigs.k8s.io/kwok/cmd/kwok ;;
    helm) echo helm helm.sh/helm/v4/cmd/helm ;;
    coredns) echo coredns github.com/coredns/coredns ;;
    probe) echo probe . ;;
    *) echo "$kubernetes" "k8s.io/kubernetes/cmd/$1" ;;
  esac
}
build() { # folder program...: all programs of a module in one build, with a word each minute
  local folder=$1 t0=$SECONDS program package packages=() pid
  shift
  for program in "$@"; do
    read -r _ package < <(module_of "$program")
    packages+=("$package")
  done
  say "building $* (once; $(nproc) cores)"
  mkdir -p "$work/$folder"
  (cd "$modules/$folder" && exec go build -trimpath -buildvcs=false -ldflags "$(stamp "$folder")" -o "$work/$folder/" "${packages[@]}") >&2 9>&- &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    (( (SECONDS - t0) % 60 )) || say "still building $*: $((SECONDS - t0)) s"
  done
  wait "$pid" || {
    say "$* cannot be built: go says why above (it needs Go 1.26 or newer and the network, once)"
    exit 1
  }
  # Go names etcd's program after its folder.
  [ "$folder" != etcd ] || mv "$work/etcd/server" "$work/etcd/etcd"
  for program in "$@"; do
    mv "$work/$folder/$program" "$bin/$program"
    sum_of "$folder" >"$bin/.$program"
  done
  say "built $* in $((SECONDS - t0)) s"
}
sum_of() { { echo "$recipe"; cat "$modules/$1"/go.* "$modules/$1"/*.go; } | sha256sum | cut -c1-16; } # folder
# What another selection of modules has built from the same folder is the same program: a new etcd is no reason to build
# Kubernetes again.
elsewhere() { # program folder
  local noted
  for noted in "$home"/e2e-*/."$1"; do
    [ -r "$noted" ] && [ "$(<"$noted")" = "$(sum_of "$2")" ] && ln -f "${noted%/*}/$1" "$noted" "$bin/" 2>/dev/null && return
  done
  return 1
}
for folder in "${folders[@]}"; do
  programs=()
  for program in $lacks; do
    read -r of _ < <(module_of "$program")
    [ "$of" = "$folder" ] && ! elsewhere "$program" "$folder" && programs+=("$program")
  done
  [ ${#programs[@]} = 0 ] || build "$folder" "${programs[@]}"
done
echo "$bin"
