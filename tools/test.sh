#!/usr/bin/env bash
# Builds and runs all tests. Usage: bash tools/test.sh [PRESET]   PRESET: dev (default) or asan-ubsan
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

preset="${1:-dev}"
[ "$preset" = dev ] || [ "$preset" = asan-ubsan ] || fail "unknown preset '$preset'; known: dev, asan-ubsan" 2

install_packages "${BUILD_PACKAGES[@]}"
command -v sbatch >/dev/null || install_packages "${SLURM_PACKAGES[@]}"  # a machine of a cluster keeps its own
echo "building build/$preset"
mkdir -p build
log="build/$preset.log"
cmake --preset "$preset" >"$log" 2>&1 || fail "cmake failed: $(grep -m1 'CMake Error' "$log" || tail -n 1 "$log"); all of it is in $log"
cmake --build --preset "$preset" || fail "the build failed"
ctest --preset "$preset" || fail "tests failed"
