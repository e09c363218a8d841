#!/usr/bin/env bash
# Installs what the tests need on Debian 12: curl, rclone (Debian's), and Python environments with
# the clients of requirements.txt, Node and its packages among them, all outside the checkout.
#
# Idempotent and never interactive; runs as root or as a user with sudo. When nothing changed
# since the last run it only compares two hashes and returns.
#
#   HAULOUT_TEST_ENV   where the environment goes (default: ~/.cache/haulout/test-env)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
environment="${HAULOUT_TEST_ENV:-$HOME/.cache/haulout/test-env}"
stamp="$environment/installed"

# One version of everything is described by these files, this script among them.
wanted="$(cat "$here/setup.sh" "$here/requirements.txt" "$here/requirements-old.txt" \
  "$here/node/package.json" "$here/node/package-lock.json" | sha256sum | cut -d' ' -f1)"

programs_present() {
  command -v curl && command -v python3 && command -v /usr/bin/rclone
} >/dev/null

if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && programs_present; then
  exit 0
fi

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo --non-interactive "$@"
  fi
}

# Only what is missing is asked for, so that a Python of the user's own stays in place.
packages=()
command -v curl >/dev/null || packages+=(curl ca-certificates)
[[ -x /usr/bin/rclone ]] || packages+=(rclone)
command -v python3 >/dev/null || packages+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [[ ${#packages[@]} -gt 0 ]]; then
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

mkdir -p "$environment"
rm -f "$stamp"

# A half-built environment from an interrupted run is rebuilt rather than repaired.
python_environment() {
  python3 -m venv --clear "$environment/$1"
  "$environment/$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/$2"
}
python_environment python requirements.txt
python_environment python-old requirements-old.txt

mkdir -p "$environment/node"
cp "$here/node/package.json" "$here/node/package-lock.json" "$environment/node/"
(cd "$environment/node" && PATH="$environment/python/bin:$PATH" npm ci --silent --no-audit --no-fund)

echo "$wanted" >"$stamp"
