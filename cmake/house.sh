# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What ./run and ./test share: errors in three parts, installing what is missing, stages with their time.

# fail WHAT BECAUSE TRY: the one way these scripts report an error.
fail() {
  printf 'error: %s\nbecause: %s\ntry: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# packages_of GROUP…: the names listed in packages.txt under [GROUP].
packages_of() {
  local group
  for group in "$@"; do
    awk -v want="[$group]" '/^\[/ { on = ($1 == want) } on && /^[a-z0-9]/ { print $1 }' packages.txt
  done | sort -u
}

# missing_packages NAME…: those of the names that dpkg does not know as installed.
missing_packages() {
  dpkg-query --show --showformat='${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk '$2 == "installed" { sub(/:.*/, "", $1); print $1 }' | sort -u |
    comm -13 - <(printf '%s\n' "$@" | sort -u)
}

# install_missing GROUP…: makes sure that the packages are there. No apt call when they are.
install_missing() {
  local -a wanted missing as_root=()
  mapfile -t wanted < <(packages_of "$@")
  if ! command -v dpkg-query >/dev/null; then
    echo "note: no dpkg here, so nothing is installed; packages.txt names what is needed" >&2
    return
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  ((${#missing[@]})) || return 0
  local by_hand="apt-get install --no-install-recommends --no-remove ${missing[*]}"
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      fail "packages are missing: ${missing[*]}" "it takes root to install them, and there is no sudo" \
        "as root: $by_hand"
    [[ -t 0 ]] || sudo -n true 2>/dev/null ||
      fail "packages are missing: ${missing[*]}" "sudo wants a password, and there is no terminal" \
        "sudo $by_hand"
    as_root=(sudo)
  fi
  echo "installing ${missing[*]}"
  local -a apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  "${apt[@]}" update </dev/null ||
    echo "note: apt-get update reported errors; going on with the lists there are" >&2
  "${apt[@]}" install -y --no-install-recommends --no-remove "${missing[@]}" </dev/null >/dev/null ||
    fail "packages could not be installed: ${missing[*]}" "apt-get said why above" "$by_hand"
}

# stage NAME COMMAND…: runs the command between two lines that name it and tell its time; returns its status.
stage() {
  local name=$1 begin=$SECONDS status=0
  shift
  printf '\n==> %s\n' "$name"
  "$@" || status=$?
  printf '<== %s: %d s%s\n' "$name" $((SECONDS - begin)) "$( ((status)) && echo ", FAILED")"
  return "$status"
}

# configure PRESET: once, and when the presets change; the build itself notices other changed CMake files.
configure() {
  [[ build/$1/build.ninja -nt CMakePresets.json ]] || cmake --preset "$1"
}
