#!/usr/bin/env bash
# The watcher in one lab: killed services with it and without it, planned stops, and what it costs at idle.
# Prints Markdown tables: n, min / median / max in ms from `kill -9` of the main process until the unit has a new one,
# and of the longest silence of the public address (a ping each 10 ms) when the active head's public cable is pulled; and
# the machine's steal. Usage (root): benches/watch.sh [HAOSCAR] [KILLS] [PLANNED]
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/steal.sh
haoscar=${1:-target/release/haoscar}
kills=${2:-7}
planned=${3:-100}
hosts=head-1,head-2,arbiter,compute1
export HAOSCAR_LAB=bench-watch
trap '"$haoscar" lab down bench-watch >/dev/null 2>&1 || true' EXIT

steal_begins
"$haoscar" lab up specs/ha-oscar-2004.yaml --name bench-watch --hosts $hosts -q
"$haoscar" apply specs/ha-oscar-2004.yaml --on $hosts --adopt -y -q
on() { "$haoscar" lab exec "$1" -- bash -c "$2"; }

# shellcheck disable=SC2016 # runs in the lab host
functions='
pid() { systemctl show -p MainPID --value "$1"; }
kill_one() { # UNIT: ms until it has a new main process
    local old new begin; old=$(pid "$1"); begin=$(date +%s%N); kill -9 "$old"
    until new=$(pid "$1"); [ "$new" != 0 ] && [ "$new" != "$old" ]; do sleep 0.005; done
    echo $((($(date +%s%N) - begin) / 1000000))
}
row() { sort -n | awk -v name="$1" "{ v[NR] = \$1 } END { printf \"| %s | %d | %.0f | %.0f | %.0f |\n\", name, NR, v[1], v[int((NR + 1) / 2)], v[NR] }"; }
rest() { crm_resource --cleanup >/dev/null 2>&1; sleep "1.$((RANDOM % 10))"; crm_resource --wait; }
kills() { # UNIT NAME
    : > /run/kills
    for _ in $(seq '"$kills"'); do rest; kill_one "$1" >> /run/kills; done
    row "$2" < /run/kills
}
told() { journalctl -u haoscar-watch -o cat | grep -c "the engine knows" || true; }
'
echo "| killed | n | min | median | max |"; echo "|---|---|---|---|---|"
for unit in kea-dhcp4-server:dhcp dnsmasq:names; do
    on head-1 "$functions kills ${unit%:*} '${unit#*:}, with the watcher'"
done
link_pulled() { # ms
    local from=head-1 to
    [ "$(on arbiter "crm_resource --locate --resource control-address-public" | sed 's/.*: *//; s/ .*//')" = head-1 ] || from=head-2
    on arbiter 'ping -D -n -i 0.01 -w 5 192.0.2.10 > /run/ping 2>&1 || true' &
    to=$!
    sleep 1
    "$haoscar" lab fault link $from --network public -q
    wait $to
    "$haoscar" lab fault link $from --network public --heal -q
    # shellcheck disable=SC2016 # awk's own
    on arbiter 'awk -F "[][]" "/bytes from/ { if (last && \$2 - last > gap) gap = \$2 - last; last = \$2 } END { printf \"%.0f\n\", gap * 1000 }" /run/ping'
    sleep 12
}
for _ in $(seq "$kills"); do link_pulled; done | sort -n |
    awk '{ v[NR] = $1 } END { printf "| public cable, with the watcher | %d | %.0f | %.0f | %.0f |\n", NR, v[1], v[int((NR + 1) / 2)], v[NR] }'
on head-1 "systemctl stop haoscar haoscar-watch" # the loop would start it again
for unit in kea-dhcp4-server:dhcp dnsmasq:names; do
    on head-1 "$functions kills ${unit%:*} '${unit#*:}, without it'"
done
on head-1 "systemctl start haoscar-watch haoscar"

# shellcheck disable=SC2016
on head-1 "$functions"'
rest; before=$(told); done_=0
one() { "$@" >/dev/null 2>&1 && done_=$((done_ + 1)) || echo "not done: $*"; }
move() { crm_resource --move --resource control-address-inside --node "$1" && crm_resource --wait && crm_resource --clear --resource control-address-inside && crm_resource --wait; }
clone() { systemctl reset-failed dnsmasq chrony; systemctl restart "$1"; }
stop_start() { crm_resource --resource "$1" --meta -p target-role -v Stopped && crm_resource --wait && crm_resource --resource "$1" --meta -d target-role && crm_resource --wait; }
while [ $done_ -lt '"$planned"' ]; do
    for s in dhcp home scheduler; do one crm_resource --restart --resource control-$s --timeout 60; done
    one stop_start control-dhcp
    one clone dnsmasq; one clone chrony; one systemctl restart kea-dhcp4-server
    one move head-2; one move head-1
done
sleep 2
echo; echo "$done_ planned restarts, stops and moves: $(($(told) - before)) reports, fail counts: $(crm_mon -1f | grep -c fail-count= || true)"'
on head-2 "$functions"'echo "reports of head-2: $(told)"'

# shellcheck disable=SC2016
on head-1 '
unit=haoscar-watch.service
ns() { systemctl show -p CPUUsageNSec --value $unit; }
p=$(systemctl show -p MainPID --value $unit); sleep 15
begin=$(ns); sleep 60; end=$(ns)
echo "idle, 60 s: $(awk -v d=$((end - begin)) "BEGIN { printf \"%.3f\", d / 60e9 * 100 }") % of a core with all children, $(awk "/VmRSS/{ print \$2 }" /proc/$p/status) kB resident, peak $(awk "/VmHWM/{ print \$2 }" /proc/$p/status) kB"'
echo "steal $(steal_percent) %"
