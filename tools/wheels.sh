#!/usr/bin/env bash
# Prints the directory of a virtual environment with the wheels of a requirements.txt, made once for each content of it.
#   tools/wheels.sh NAME REQUIREMENTS
# Every file is checked against its checksum; nothing is built.
set -euo pipefail
name=$1 requirements=$2
say() { echo "helios: $*" >&2; }
die() { say "$@"; exit 1; }

home=${XDG_CACHE_HOME:-$HOME/.cache}/helios
# Of one Python on one kind of machine.
python=$(python3 -c 'import platform, sys; print(sys.version_info[:3], platform.machine())' 2>/dev/null || true)
dir=$home/$name-$( (cat "$requirements"; echo "$python") | sha256sum | cut -c1-16)
if [ ! -e "$dir/complete" ]; then
  command -v python3 >/dev/null || die "python3 is missing (Debian: apt-get install python3 python3-venv)"
  mkdir -p "$home"
  # One installs, the others wait for it.
  exec 8>"$home/$name.lock"
  flock 8
  if [ ! -e "$dir/complete" ]; then
    say "installing the wheels of $requirements (once)"
    rm -rf "$dir"
    python3 -m venv "$dir" >&2 || die "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)"
    "$dir/bin/pip" --disable-pip-version-check install -q --no-deps --only-binary :all: --require-hashes -r "$requirements" >&2 8>&- ||
      die "the wheels of $requirements can't be had as they are pinned: pip says why above (it needs the network, once)"
    touch "$dir/complete"
  fi
fi
echo "$dir"
