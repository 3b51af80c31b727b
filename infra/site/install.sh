#!/bin/sh
# Installs Leeward on this machine, or puts this version in the place of another: install.sh, as root, out of the bundle.
#
# What must hold: until this version lies here whole and has run, the other one stays as it is; the switch is one rename;
# what guards have started goes on through it (docs/operation.md, "Installing at a site"). Safe to repeat after any end. The
# version before stays: its own install.sh goes back to it.
set -eu
umask 022

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

main() {
  from=$(cd "$(dirname "$0")" && pwd -P)
  version=$(cat "$from/VERSION")
  [ "$(id -u)" = 0 ] || fail 'must be run as root'
  [ -d /run/systemd/system ] || fail 'systemd does not run here'
  "$from/bin/node" "$from/lib/leeward.mjs" --help >/dev/null || fail 'this version does not run on this machine'
  command=/usr/local/bin/leeward
  if [ -e "$command" ] && [ "$(readlink "$command")" != /opt/leeward/current/bin/leeward ]; then
    fail "$command is there and belongs to something else"
  fi

  place "$from" "/opt/leeward/$version"
  previous=$(readlink /opt/leeward/current || true)
  ln -sfn "$version" /opt/leeward/current.new
  mv -T /opt/leeward/current.new /opt/leeward/current
  mkdir -p /usr/local/bin
  ln -sfn /opt/leeward/current/bin/leeward "$command"
  install -d -m 0750 /etc/leeward
  install -d -m 0700 /var/lib/leeward
  install -m 0644 /opt/leeward/current/systemd/*.service /etc/systemd/system/
  systemctl daemon-reload

  # Guards first: an agent may take its time to finish what it sends.
  systemctl try-restart 'leeward-guard@*.service'
  systemctl try-restart leeward-agent.service
  remove_others "$version" "$previous"
  echo "leeward $version is installed${previous:+, in the place of $previous}" >&2
}

# Copies the bundle to where it stays, which has the name only when it is whole.
place() {
  [ "$1" != "$2" ] || return 0
  rm -rf "$2.new" "$2.old"
  mkdir -p "$2.new"
  cp -R "$1/." "$2.new"
  chown -R 0:0 "$2.new"
  chmod -R u+w,go-w,a+rX "$2.new"
  sync "$2.new"/*/*
  if [ -e "$2" ]; then mv -T "$2" "$2.old"; fi
  mv -T "$2.new" "$2"
  rm -rf "$2.old"
}

# All versions but these two, which may be the same.
remove_others() {
  for other in /opt/leeward/*; do
    case ${other##*/} in current | "$1" | "$2") ;; *) rm -rf "$other" ;; esac
  done
}

main
