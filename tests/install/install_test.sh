#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install_test.sh CMAKE BUILD COMPILER: installs into a temporary folder with a space in its name, moves it
# (it must not know where it was made), then builds and runs the consumer by both ways.
set -euo pipefail
cmake=$1 build=$2 compiler=$3
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first place" >"$work/log" || { cat "$work/log"; exit 1; }
prefix="$work/second place"
mv "$work/first place" "$prefix"

echo "== the installed files name no folder of the build"
if grep -rIlF -e "$build" -e "$work/first place" "$prefix/lib/cmake" "$prefix/lib/pkgconfig" \
  "$prefix/include"; then
  echo "error: the files above name the build folder or the first place"
  exit 1
fi

echo "== find_package(harness)"
"$cmake" -G Ninja -S "$here/consumer" -B "$work/by-cmake" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug >"$work/log" || { cat "$work/log"; exit 1; }
"$cmake" --build "$work/by-cmake"
"$work/by-cmake/consumer"

echo "== an unknown component and a later version are refused"
for wrong in "-DHARNESS_COMPONENT=teleport" "-DHARNESS_VERSION=99.0"; do
  if "$cmake" -G Ninja -S "$here/consumer" -B "$work/wrong" --fresh -DCMAKE_PREFIX_PATH="$prefix" "$wrong" \
    >"$work/log" 2>&1; then
    echo "error: find_package accepted $wrong"
    exit 1
  fi
done

echo "== pkg-config"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
pkg-config --exists --print-errors harness
# pkg-config escapes the space; eval is how a shell reads that back.
flags=$(pkg-config --cflags --libs harness)
eval "$compiler" -o "'$work/by-pkg-config'" "'$here/consumer/main.cpp'" "$flags"
"$work/by-pkg-config"
