# Sourced by quickstart.sh and test.sh: installs what a fresh Debian 12 lacks, and says so.

fail() {
  echo "$(basename "$0"): $1" >&2
  exit "${2:-1}"
}

# install_packages NAME... : those of the Debian packages that are not there yet.
install_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root="" log
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "packages are missing (${missing[*]}), and there is neither root nor sudo to install them" 2
    as_root="sudo"
  fi
  echo "installing: ${missing[*]}"
  log="$(mktemp)"
  $as_root apt-get update -o APT::Update::Error-Mode=any >"$log" 2>&1 ||
    fail "apt-get update failed: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")" 2
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 ||
    fail "apt-get could not install ${missing[*]}: $(grep -m1 '^E:' "$log" || tail -n 1 "$log")" 2
  rm -f "$log"
}

BUILD_PACKAGES=(g++ cmake ninja-build ccache git libtorch-dev libopenblas0-pthread libopencv-dev opencv-data libyaml-cpp-dev
  libcli11-dev libspdlog-dev nlohmann-json3-dev libmatio-dev libjpeg-dev libpng-dev zlib1g-dev libgtest-dev libgmock-dev)
SLURM_PACKAGES=(munge slurm-client slurmctld slurmd)  # for the tests of sweeps on Slurm, which bring their own configuration
