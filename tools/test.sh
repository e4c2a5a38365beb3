#!/usr/bin/env bash
# Builds and runs all tests. Usage: bash tools/test.sh [PRESET]   PRESET: dev (default) or asan-ubsan
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

preset="${1:-dev}"
[ "$preset" = dev ] || [ "$preset" = asan-ubsan ] || fail "unknown preset '$preset'; known: dev, asan-ubsan" 2

install_packages "${BUILD_PACKAGES[@]}"
echo "building build/$preset"
cmake --preset "$preset" >/dev/null || fail "cmake could not configure the preset $preset"
cmake --build --preset "$preset" || fail "the build failed"
ctest --preset "$preset" || fail "tests failed"
