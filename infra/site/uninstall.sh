#!/bin/sh
# Removes Leeward from this machine: /opt/leeward/current/uninstall.sh [--stop] [--purge], as root.
#
# What must hold: while guards or what they have started run here, nothing is removed unless --stop says that all of it shall
# end first; what is kept of sites, the keys among it, and the files of guards stay unless --purge says otherwise. Nothing
# else of Leeward is left. Safe to repeat after any end.
set -eu

fail() {
  echo "uninstall.sh: $*" >&2
  exit 1
}

# Processes of guards, of what stops from outside them and of the commands that they have started, the units and containers
# that they have started, and stops that are armed in systemd: one a line.
running() {
  processes
  started_units
  started_containers
  armed
}

processes() {
  find /sys/fs/cgroup -path '*/leeward-guards.slice/*' -name cgroup.procs -exec cat {} +
}

armed() {
  systemctl list-units --plain --no-legend --type=timer --state=active 'leeward-stop-*' | cut -d ' ' -f 1
}

# Units that guards have started and that run.
started_units() {
  cat /var/lib/leeward/sites/*/*/guards/*/*/running.json 2>/dev/null | sed 's/[{},]/\n/g' |
    sed -n 's/^"unit":"\(.*\)"$/\1/p' |
    while read -r unit; do if systemctl is-active --quiet -- "$unit"; then echo "$unit"; fi; done
}

# The same of containers: the engine and the name.
started_containers() {
  cat /var/lib/leeward/sites/*/*/guards/*/*/running.json 2>/dev/null |
    grep -o '"container":{"tool":"[^"]*","name":"[^"]*"' | cut -d '"' -f 6,10 --output-delimiter=' ' |
    while read -r tool name; do
      state=$("$tool" container inspect --format '{{.State.Running}}' "$name" </dev/null 2>/dev/null || true)
      if [ "$state" = true ]; then echo "$tool $name"; fi
    done
}

# Has the guards take all that they run offline, in its order: from then on nobody starts it again, the next guard neither.
# What has no guard that answers, or is not in leeward.yaml, is ended below.
take_offline() {
  for file in /var/lib/leeward/sites/*/*/guards/*/*/running.json; do
    [ -e "$file" ] || continue
    site=${file#/var/lib/leeward/sites/}
    folder=${file%/running.json}
    # The name comes first in each handle.
    grep -o '{"name":"[^"]*"' "$file" | cut -d '"' -f 4 | while read -r name; do
      timeout 300 /opt/leeward/current/bin/leeward app offline "${folder##*/}/$name" --site "${site%%/guards/*}" \
        </dev/null || echo "not taken offline by its guard: ${folder##*/}/$name" >&2
    done
  done
}

# Ends all of it: in order; what is left by asking, for as long as a service usually may take; then by the stops that are
# armed, before their time.
stop_all() {
  take_offline
  systemctl stop 'leeward-guard@*.service'
  started_units | while read -r unit; do systemctl stop -- "$unit" || true; done
  started_containers | while read -r tool name; do "$tool" stop "$name" </dev/null || true; done
  systemctl kill --signal=SIGTERM leeward-guards.slice || true
  tries=0
  while [ -n "$(processes)" ] && [ "$tries" -lt 90 ]; do
    tries=$((tries + 1))
    sleep 1
  done
  for timer in $(armed); do
    systemctl start "${timer%.timer}.service" || true
    systemctl stop "$timer"
  done
  systemctl kill --signal=SIGKILL leeward-guards.slice || true
  sleep 1
  [ -z "$(running)" ] || fail 'what the guards have started does not end'
}

main() {
  stop='' purge=''
  for option; do
    case $option in
      --stop) stop=1 ;;
      --purge) purge=1 ;;
      *) fail 'usage: uninstall.sh [--stop] [--purge]' ;;
    esac
  done
  [ "$(id -u)" = 0 ] || fail 'must be run as root'
  if [ -n "$(running)" ]; then
    [ -n "$stop" ] || fail 'guards or what they have started run here: end them first, or give --stop'
    stop_all
  fi

  units=/etc/systemd/system
  for guard in "$units"/*.wants/leeward-guard@*.service; do
    if [ -L "$guard" ]; then systemctl disable --quiet --now "${guard##*/}"; fi
  done
  if [ -e "$units/leeward-agent.service" ]; then systemctl disable --quiet --now leeward-agent.service; fi
  rm -f "$units/leeward-agent.service" "$units/leeward-guard@.service"
  systemctl daemon-reload
  systemctl reset-failed 'leeward-*' || true
  rm -rf /opt/leeward
  rm -f /usr/local/bin/leeward
  if [ -n "$purge" ]; then rm -rf /var/lib/leeward /etc/leeward; fi
  for folder in /var/lib/leeward /etc/leeward; do
    if [ -d "$folder" ]; then rmdir "$folder" 2>/dev/null || echo "left: $folder" >&2; fi
  done
  echo 'leeward is removed' >&2
}

main "$@"
