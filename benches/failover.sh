#!/usr/bin/env bash
# Engines beside each other, in one run, on the same machines, with the same daemon and client: rounds of faults, each side in
# its turn, each from a cluster that is whole. Prints Markdown: n, min / median / max in seconds of what a DNS client at the
# group's address saw, and the machine's steal (mean share of its time) over the drills of a row.
# Every figure is plus your fence device's time (the lab's takes some 0.03 s).
# Usage (root): benches/failover.sh [HAOSCAR] [ROUNDS] [FAULTS] [SIDES], lists comma separated. HAND=CLASS runs the daemon of
# side hand as another class than systemd:dnsmasq. Every drill's report goes to target/failover/ (OUT).
#   own        haoscar's pacemaker with a member as witness        hand       pacemaker as Debian and pcs have it (hand.sh)
#   two-node   the same without a witness, with a fence_delay      heartbeat  haoscar's heartbeat
#   qnetd      the same with a qnetd server                        stock      heartbeat with its stock times 2/30 (stock.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
haoscar=$(realpath "${1:-target/release/haoscar}")
rounds=${2:-10}
faults=${3:-power,links,killed,public,switchover,corosync}
sides=${4:-own,hand}
out=${OUT:-target/failover}
mkdir -p "$out"
rows=$(mktemp)

spec_of() {
    case $1 in
    own | hand) echo benches/failover/cluster.yaml ;;
    two-node | qnetd) echo "benches/failover/$1.yaml" ;;
    heartbeat | stock) echo benches/failover/heartbeat.yaml ;;
    *) echo "there is no side $1: own, two-node, qnetd, hand, heartbeat or stock" >&2; return 1 ;;
    esac
}
for side in ${sides//,/ }; do spec_of "$side" >/dev/null; done
ends() { for side in ${sides//,/ }; do "$haoscar" lab down "race-$side-$$" -q >/dev/null 2>&1 || true; done; rm -f "$rows"; }
trap ends EXIT
trap 'exit 130' INT TERM

up() { # SIDE
    local lab=race-$1-$$ spec
    spec=$(spec_of "$1")
    "$haoscar" lab up "$spec" --name "$lab" -q
    case $1 in
    hand) benches/failover/hand.sh "$haoscar" "$lab" "$spec" "${HAND:-systemd:dnsmasq}" >/dev/null ;;
    stock) benches/failover/stock.sh "$haoscar" "$lab" "$spec" >/dev/null ;;
    *) HAOSCAR_LAB=$lab "$haoscar" apply "$spec" --adopt -y -q >/dev/null ;;
    esac
}
for side in ${sides//,/ }; do up "$side"; done

# what a side's engine does not have, or is known never to do
makes() { # SIDE FAULT
    case $1-$2 in
    heartbeat-corosync | stock-corosync) return 1 ;; # there is none
    stock-killed) return 1 ;; # heartbeat does not look at what it carries: the service stays dead
    esac
}
# the engine has forgotten the last fault: failures, and the ten seconds for which a link that is back does not count
rested() { # SIDE
    case $1 in
    heartbeat | stock) ;;
    *) "$haoscar" lab exec --name "race-$1-$$" head-1 -- sh -c 'crm_resource --cleanup >/dev/null 2>&1; crm_resource --wait --timeout 60' || true ;;
    esac
    sleep 1
}
# TURN=FILE: every drill is made under that lock (flock), so that other work on this machine can take turns with it
round() { if [ -n "${TURN:-}" ]; then (flock 9; drill "$@" 9>&-) 9>>"$TURN"; else drill "$@"; fi; }
drill() { # SIDE FAULT ROUND
    local lab=race-$1-$$ watch=5s head=$1 report="$out/$1-$2-$3"
    case $1 in hand | stock) watch=15s ;; esac # the defaults see a dead member after 6.6 s and later
    rested "$1"
    if ! "$haoscar" lab drill --name "$lab" -s "$(spec_of "$1")" --fault "$2" --watch $watch --limit 120s --wait-return -q \
        --out "$report" >"$report.txt" 2>&1; then
        echo "$1 $2 round $3 failed: $(tail -1 "$report.txt")"
        return
    fi
    # without a third vote the two heads differ: fencing of the preferred one waits
    case $1-$2 in
    two-node-power | two-node-links | heartbeat-power | heartbeat-links)
        head="$1,$(grep -o 'fault of [^,]*' "$report.txt" | sed 's/fault of//')" ;;
    esac
    awk -v side="$head" -v fault="$2" -v OFS='\t' \
        '/^names / { outage = $2 } /steal:/ { steal = $(NF - 1) } END { print side, fault, outage, steal }' "$report.txt" >>"$rows"
}
for fault in ${faults//,/ }; do
    for round in $(seq "$rounds"); do
        for side in ${sides//,/ }; do if makes "$side" "$fault"; then round "$side" "$fault" "$round"; fi; done
    done
    echo "$fault done, $(date +%T)" >&2
done

echo "| fault | side | n | min | median | max | steal, % (mean) |"
echo "|---|---|---|---|---|---|---|"
for fault in ${faults//,/ }; do
    awk -F'\t' -v fault="$fault" '$2 == fault { print $1 }' "$rows" | sort -u | while read -r side; do
        awk -F'\t' -v fault="$fault" -v side="$side" '$1 == side && $2 == fault' "$rows" | sort -t"$(printf '\t')" -n -k3 |
            awk -F'\t' '{ v[NR] = $3; steal += $4 } END { printf "| %s | %s | %d | %.2f | %.2f | %.2f | %.1f |\n", $2, $1,
                NR, v[1], v[int((NR + 1) / 2)], v[NR], steal / NR }'
    done
done
