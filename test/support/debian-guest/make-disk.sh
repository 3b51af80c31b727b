#!/bin/sh
# Makes the disk of the Debian guest: make-disk.sh KERNEL_FOLDER DISK, as root.
#
# Debian 12 with systemd, as debootstrap makes it out of Debian's packages alone; the modules of the kernel that boots it
# from outside; an address in QEMU's user network; and the door that tests give it commands through. Nobody can log in.
set -eu
kernel=$1 disk=$2
files=$(cd "$(dirname "$0")/files" && pwd)
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

debootstrap --variant=minbase --include=dbus,iproute2,kmod,systemd,systemd-sysv,udev bookworm "$root" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*

cp -a "$kernel"/lib/modules "$root/usr/lib/"
for modules in "$root"/usr/lib/modules/*; do chroot "$root" depmod "${modules##*/}"; done

echo guest >"$root/etc/hostname"
install -m 0644 "$files/user.network" "$root/etc/systemd/network/"
install -m 0644 "$files"/leeward-door* "$root/etc/systemd/system/"
install -m 0755 "$files/door" "$root/usr/local/sbin/"
# Empty, it is filled at the first boot; missing, that boot would ask for a name, a time zone and a password.
: >"$root/etc/machine-id"
chroot "$root" systemctl --quiet enable systemd-networkd.service leeward-door.socket

rm -f "$disk.new"
truncate -s 2G "$disk.new"
mkfs.ext4 -q -L root -d "$root" "$disk.new"
mv "$disk.new" "$disk"
