#!/bin/sh
# Gets Debian's cloud kernel for the local machines: get-kernel.sh FOLDER
#
# Downloads the package that linux-image-cloud-amd64 stands for by apt and unpacks it into FOLDER, where nothing is
# installed and no root is needed. FOLDER is then one of the kernel folders that stack-image.ts searches. Run
# `apt-get update` before, if the package lists are old. Does nothing when FOLDER has a kernel already.
set -eu
folder=${1:?usage: get-kernel.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
for kernel in "$folder"/boot/vmlinuz-*-cloud-amd64; do
  [ -e "$kernel" ] && exit 0
done
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
[ -n "$package" ] || { echo 'get-kernel.sh: apt knows no linux-image-cloud-amd64; run apt-get update first' >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The user that apt downloads as must be able to write here, else it warns.
chmod 777 "$work"
(cd "$work" && apt-get -q download "$package" >&2)
dpkg -x "$work"/*.deb "$work/unpacked"
# Moved last, so that a folder with a kernel in it is a whole one.
for part in lib boot; do
  rm -rf "${folder:?}/$part"
  mv "$work/unpacked/$part" "$folder/$part"
done
