#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The proof on a bare machine: a minimal Debian 12 (no compiler, no cmake, no git), a clean clone of what is
# committed, then the two README commands. Not part of ./test: it takes root, debootstrap and half an hour.
#
#   tests/bare/prove.sh                      bare root in a temporary folder, then ./test and ./run
#   tests/bare/prove.sh -d DIR -- ./run      keep the bare root in DIR for the next time, run this alone
#
# shellcheck disable=SC2016  # apt and the inner bash expand these
#
# The archive, and the settings apt needs to reach it, are taken from this machine at run time.
# Method: the pristine root is made once and kept as a tar file in DIR; each proof unpacks a fresh one, so
# nothing that an earlier proof installed can hide a package that packages.txt forgot.
set -euo pipefail
checkout=$(dirname "$(readlink -f "$0")")/../..
dir=""
while (($#)); do
  case $1 in
    -d) dir=$2; shift 2 ;;
    --) shift; break ;;
    *)
      printf 'error: unknown argument %s\nbecause: only -d DIR and -- COMMAND are known\n' "$1" >&2
      printf 'try: tests/bare/prove.sh\n' >&2
      exit 2 ;;
  esac
done
command=("$@")
((${#command[@]})) || command=(bash -c './test && ./run')
[[ $dir ]] || { dir=$(mktemp -d); trap 'rm -rf --one-file-system "$dir"' EXIT; }
mkdir -p "$dir"

sources() {
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT) # $(ORIGIN)' 'Created-By: Packages' |
    sed -n '/bookworm/s/ # Debian$//p' | sort -u
}
if [[ ! -f $dir/pristine.tar ]]; then
  echo "==> a bare Debian 12"
  archive=$(sources | awk '$3 == "bookworm" { print $2; exit }')
  debootstrap --variant=minbase bookworm "$dir/pristine" "$archive"
  sources >"$dir/pristine/etc/apt/sources.list"
  apt-config dump | grep -iE '^Acquire::(https?::Proxy|Check-)' >"$dir/pristine/etc/apt/apt.conf.d/90from-host" || true
  tar -C "$dir/pristine" --one-file-system -cf "$dir/pristine.tar" .
  rm -rf --one-file-system "$dir/pristine"
fi

echo "==> a clean clone, at a path with a space"
root=$dir/root
place="opt/my harness"
rm -rf --one-file-system "$root"
mkdir "$root"
tar -C "$root" -xf "$dir/pristine.tar"
cp /etc/resolv.conf "$root/etc/resolv.conf"
git clone --quiet --no-hardlinks "$checkout" "$root/$place"

echo "==> ${command[*]}"
begin=$SECONDS status=0
# A mount namespace of its own: whatever happens, no mount is left behind.
unshare --mount --pid --fork --kill-child bash -c '
  root=$1 place=$2; shift 2
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb CI=true \
    bash -c "cd \"/$place\" && exec \"\$@\"" bare "$@"' \
  mount "$root" "$place" "${command[@]}" </dev/null || status=$?
echo "<== exit $status after $((SECONDS - begin)) s"
exit "$status"
