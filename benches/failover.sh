#!/usr/bin/env bash
# haoscar's pacemaker beside a pair built by hand, in one run, on the same machines, with the same daemon and client: rounds of
# faults, each side in its turn, each from a cluster that is whole. Prints Markdown: n, min / median / max in seconds of what a
# DNS client at the group's address saw, and the machine's steal (share of its time) over the drills of a row.
# Every figure is plus your fence device's time (the lab's takes some 0.03 s).
# Usage (root): benches/failover.sh [HAOSCAR] [ROUNDS] [FAULTS, comma separated]; HAND=CLASS runs the daemon of the other side as
# another class than systemd:dnsmasq. Every drill's report goes to target/failover/.
set -euo pipefail
cd "$(dirname "$0")/.."
haoscar=$(realpath "${1:-target/release/haoscar}")
rounds=${2:-10}
faults=${3:-power,links,killed,public,switchover,corosync}
spec=benches/failover/cluster.yaml
out=${OUT:-target/failover}
mkdir -p "$out"
rows=$(mktemp)
ends() { for side in own hand; do "$haoscar" lab down "race-$side-$$" -q >/dev/null 2>&1 || true; done; rm -f "$rows"; }
trap ends EXIT
trap 'exit 130' INT TERM

for side in own hand; do "$haoscar" lab up "$spec" --name "race-$side-$$" -q; done
HAOSCAR_LAB=race-own-$$ "$haoscar" apply "$spec" --adopt -y -q >/dev/null
benches/failover/hand.sh "$haoscar" "race-hand-$$" "$spec" "${HAND:-systemd:dnsmasq}" >/dev/null

# the engine has forgotten the last fault: failures, and the ten seconds for which a link that is back does not count
rested() { "$haoscar" lab exec --name "$1" arbiter -- sh -c 'crm_resource --cleanup >/dev/null 2>&1; crm_resource --wait --timeout 60' || true; sleep 1; }
drill() { # SIDE FAULT
    local lab=race-$1-$$ watch=5s
    [ "$1" = own ] || watch=15s # the defaults see a dead member after 6.6 s
    rested "$lab"
    if "$haoscar" lab drill --name "$lab" -s "$spec" --fault "$2" --watch $watch --limit 120s --wait-return -q \
        --out "$out/$1-$2-$3" >"$out/$1-$2-$3.txt" 2>&1; then
        awk -v side="$1" -v fault="$2" '/^names / { outage = $2 } /steal:/ { steal = $(NF - 1) } END { print side, fault, outage, steal }' \
            "$out/$1-$2-$3.txt" >>"$rows"
    else
        echo "$1 $2 round $3 failed: $(tail -1 "$out/$1-$2-$3.txt")"
    fi
}
for fault in ${faults//,/ }; do
    for round in $(seq "$rounds"); do
        for side in own hand; do drill $side "$fault" "$round"; done
    done
    echo "$fault done, $(date +%T)" >&2
done

echo "| fault | side | n | min | median | max | steal, % (mean) |"
echo "|---|---|---|---|---|---|---|"
for fault in ${faults//,/ }; do
    for side in own hand; do
        grep "^$side $fault " "$rows" | sort -n -k3 | awk -v fault="$fault" -v side=$side '
            { v[NR] = $3; steal += $4 }
            END { if (NR) printf "| %s | %s | %d | %.2f | %.2f | %.2f | %.1f |\n", fault, side == "own" ? "haoscar" : "by hand",
                  NR, v[1], v[int((NR + 1) / 2)], v[NR], steal / NR }'
    done
done
