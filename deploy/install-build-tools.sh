#!/usr/bin/env bash
# Installs what compiling Haulout needs besides Rust, if it is missing, on Debian 12 and its relatives: a C and C++
# compiler for RocksDB, AWS-LC and blst, and libclang, which reads RocksDB's headers.
# Asks nothing. As another user than root it needs sudo without a password, or one that was just given.
set -euo pipefail

missing=()
{ command -v cc && command -v c++ && command -v make; } >/dev/null || missing+=(build-essential)

has_libclang() {
  [[ -n ${LIBCLANG_PATH:-} ]] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
    ldconfig -p 2>/dev/null | grep -q libclang
}
has_libclang || missing+=(libclang-dev)

if ! command -v cargo >/dev/null; then
  echo "Rust is missing: install it from https://rustup.rs, then try again." >&2
  exit 1
fi
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "Please install what Debian calls ${missing[*]}, then try again." >&2
  exit 1
fi

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo --non-interactive "$@"
  fi
}
echo "Installing ${missing[*]} ..." >&2
as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
