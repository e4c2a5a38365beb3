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
  local as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "missing packages (${missing[*]}), and neither root nor sudo to install them" 2
    as_root="sudo"
  fi
  echo "installing: ${missing[*]}"
  $as_root apt-get update -qq || fail "apt-get update failed; is there a network?" 2
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install: ${missing[*]}" 2
}

BUILD_PACKAGES=(g++ cmake ninja-build ccache git libtorch-dev libopenblas0-pthread libopencv-dev libyaml-cpp-dev
  libcli11-dev libspdlog-dev nlohmann-json3-dev libgtest-dev)
