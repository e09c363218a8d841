#!/usr/bin/env bash
# Compiles the RocksDB that Cargo.lock names, once, into DIRECTORY/librocksdb.a, for ROCKSDB_LIB_DIR.
#
# Cargo alone would compile it again for every selection of packages and features that changes anything its
# build script is built from, which takes a quarter of an hour each time.
#
# Usage: build-rocksdb.sh DIRECTORY
set -euo pipefail

directory=$1
if [[ -f $directory/librocksdb.a ]]; then
  exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "Compiling RocksDB, once; this takes about a quarter of an hour on two cores ..." >&2
mkdir -p "$directory"
env --unset=ROCKSDB_LIB_DIR --unset=ROCKSDB_STATIC \
  cargo build --release --package librocksdb-sys --target-dir "$directory/target"
library=$(find "$directory/target" -name librocksdb.a -print -quit)
cp "$library" "$directory/librocksdb.a.new"
mv "$directory/librocksdb.a.new" "$directory/librocksdb.a" # Whole or not at all.
rm -rf "$directory/target"
