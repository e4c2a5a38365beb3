#!/usr/bin/env bash
# From a fresh Debian 12 to a trained and evaluated SINet: packages, build, synthetic portraits, training, figures.
# Run it again at any time: what is done is not done twice.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

install_packages "${BUILD_PACKAGES[@]}"

echo "building build/release"
mkdir -p build
log=build/release.log
{ cmake --preset release && cmake --build --preset release; } >"$log" 2>&1 ||
  fail "the build failed: $(grep -m1 -E 'error:|CMake Error' "$log" || tail -n 1 "$log"); all of it is in $log"

portraitseg=build/release/portraitseg
data=data/synthetic
run=runs/sinet_quickstart

"$portraitseg" dataset synthesize --output "$data" --train 600 --val 100 --test 100 --height 160 --width 128

if [ ! -f "$run/config.yaml" ]; then
  "$portraitseg" train --config configs/sinet_quickstart.yaml --output "$run"
else  # finished or interrupted; a finished run has nothing left to do
  "$portraitseg" train --resume "$run"
fi

if [ ! -f "$run/evaluation/metrics.json" ]; then
  "$portraitseg" evaluate --run "$run" --list test.txt --protocol clova,native --output "$run/evaluation" | tee "$run/evaluation.txt"
else
  cat "$run/evaluation.txt"
fi
echo
echo "run folder       $run"
echo "overlay picture  $(ls "$run"/evaluation/clova/overlays/*.png | head -n 1)"
