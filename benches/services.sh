#!/usr/bin/env bash
# What each service costs on top of the engine: rounds of faults on haoscar's pacemaker with one service in its group at a time,
# seen by a client that speaks the service's own protocol at the group's address. Prints Markdown: n, min / median / max in
# seconds, and the machine's steal; then what the journals say of the last power cut, which is where the time went.
# The phases follow each other: detect and fence by the engine's journal, address until it answers, service until it does.
# Every figure is plus your fence device's time (the lab's takes some 0.03 s).
# Usage (root): benches/services.sh [HAOSCAR] [ROUNDS] [FAULTS] [SERVICES], lists comma separated. Reports go to
# target/services/ (OUT).
set -euo pipefail
cd "$(dirname "$0")/.."
haoscar=$(realpath "${1:-target/release/haoscar}")
rounds=${2:-10}
faults=${3:-power,killed,switchover}
services=${4:-dhcp,home,scheduler,portal}
out=${OUT:-target/services}
mkdir -p "$out"
lab=floor-$$
work=$(mktemp -d)
ends() { "$haoscar" lab down $lab -q >/dev/null 2>&1 || true; rm -rf "$work"; }
trap ends EXIT
trap 'exit 130' INT TERM

unit_of() {
    case $1 in
    dhcp) echo kea-dhcp4-server.service ;;
    home) echo nfs-ganesha.service ;;
    scheduler) echo slurmctld.service ;;
    portal) echo nginx.service ;;
    *) echo "there is no service $1 to measure: dhcp, home, scheduler or portal" >&2; return 1 ;;
    esac
}
for service in ${services//,/ }; do unit_of "$service" >/dev/null; done
on() { "$haoscar" lab exec --name $lab "$1" -- bash -c "$2"; }
# TURN=FILE: every drill is made under that lock (flock), so that other work on this machine can take turns with it
round() { if [ -n "${TURN:-}" ]; then (flock 9; drill "$@" 9>&-) 9>>"$TURN"; else drill "$@"; fi; }
drill() { # SERVICE FAULT ROUND
    local report="$out/$1-$2-$3"
    on arbiter 'crm_resource --cleanup >/dev/null 2>&1; crm_resource --wait --timeout 60' || true
    sleep 1
    if ! "$haoscar" lab drill --name $lab -s "$work/$1.yaml" --fault "$2" --unit "$(unit_of "$1")" --watch 5s --limit 120s \
        --wait-return -q --out "$report" >"$report.txt" 2>&1; then
        echo "$1 $2 round $3 failed: $(tail -1 "$report.txt")"
        return
    fi
    awk -v service="$1" -v fault="$2" '$1 == service { outage = $2 } /steal:/ { steal = $(NF - 1) }
        /^phases:/ { gsub(/[,s]/, ""); detect = $3; fence = $5; address = $7; start = $9 }
        END { print service, fault, outage, steal, detect, fence, address, start }' "$report.txt" >>"$work/rows"
}
# what its journal says from the last power cut on: systemd's and the daemon's own lines of the start on the head that took over
began() { # SERVICE
    on "$(carrier)" "journalctl --no-pager -o short-monotonic -u '$(unit_of "$1")' -u pacemaker |
        grep -E 'Start|start|Requesting|GRACE|Fenc' | tail -15" >"$out/$1-start.txt" || true
    if [ "$1" = home ]; then on "$(carrier)" 'grep -h GRACE /var/log/ganesha/*.log | tail -6' >>"$out/$1-start.txt" || true; fi
}
carrier() { for head in head-1 head-2; do if on $head 'ip -o address show to 10.20.0.10 | grep -q .'; then echo $head; return; fi; done; }

: >"$work/rows"
for service in ${services//,/ }; do
    spec=$work/$service.yaml
    hosts=head-1,head-2,arbiter group=$service
    case $service in
    dhcp) hosts=$hosts,compute1 ;;
    scheduler) hosts=$hosts,compute1 group="dhcp, scheduler" ;; # asked in a node, which needs an address
    esac
    { sed "s/SERVICE/$group/" benches/services/base.yaml; cat "benches/services/$service.yaml"; } >"$spec"
    "$haoscar" lab up "$spec" --name $lab --hosts $hosts -q
    HAOSCAR_LAB=$lab "$haoscar" apply "$spec" --on $hosts --adopt -y -q >/dev/null
    for fault in ${faults//,/ }; do
        for round in $(seq "$rounds"); do round "$service" "$fault" "$round"; done
        if [ "$fault" = power ]; then began "$service"; fi
    done
    "$haoscar" lab down $lab -q
    echo "$service done, $(date +%T)" >&2
done

echo "| service | fault | n | min | median | max | of it, medians: detect | fence | address | service | steal, % (mean) |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for service in ${services//,/ }; do
    for fault in ${faults//,/ }; do
        awk -v service="$service" -v fault="$fault" '$1 == service && $2 == fault' "$work/rows" | awk '
            { for (c = 3; c <= 8; c++) if ($c ~ /^[0-9.]+$/) v[c, ++n[c]] = $c + 0 }
            function sorted(c,   i, j, t) { for (i = 2; i <= n[c]; i++) for (j = i; j > 1 && v[c, j] < v[c, j - 1]; j--) {
                t = v[c, j]; v[c, j] = v[c, j - 1]; v[c, j - 1] = t } }
            function median(c) { sorted(c); return n[c] ? sprintf("%.2f", v[c, int((n[c] + 1) / 2)]) : "-" }
            END { if (!NR) exit; for (i = 1; i <= n[4]; i++) steal += v[4, i]; middle = median(3)
                printf "| %s | %s | %d | %.2f | %s | %.2f | %s | %s | %s | %s | %.1f |\n", $1, $2, NR, v[3, 1], middle, v[3, n[3]],
                    median(5), median(6), median(7), median(8), steal / n[4] }'
    done
done
echo "What the journals say of each start: $out/SERVICE-start.txt"
