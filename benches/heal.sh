#!/usr/bin/env bash
# The loop in one lab: a hand edit until it is put back and verified, and what the loop costs at idle with the reference
# cluster's head. Prints Markdown tables: n, min / median / max in ms from the end of the edit until the file is again as
# accepted, and until the loop has verified it and says so; and the machine's steal.
# Usage (root): benches/heal.sh [HAOSCAR] [EDITS] [IDLE_SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/steal.sh
haoscar=${1:-target/release/haoscar}
edits=${2:-20}
idle=${3:-330} # the loop looks every 300 s: one look falls in
hosts=head-1,head-2,arbiter,compute1
export HAOSCAR_LAB=bench-heal
trap '"$haoscar" lab down bench-heal >/dev/null 2>&1 || true' EXIT

steal_begins
"$haoscar" lab up specs/ha-oscar-2004.yaml --name bench-heal --hosts $hosts -q
"$haoscar" apply specs/ha-oscar-2004.yaml --on $hosts --adopt -y -q

# Five edits of one file within five minutes are a fight, which the loop leaves: every file is edited three times at most.
# shellcheck disable=SC2016 # runs in the lab host
"$haoscar" lab exec head-1 -- bash -c '
files="/etc/hosts /etc/chrony/chrony.conf /etc/dnsmasq.d/haoscar-names.conf /etc/haoscar/watch.json /etc/haoscar/names/hosts /usr/lib/ocf/resource.d/haoscar/unit /usr/lib/ocf/resource.d/haoscar/address /etc/systemd/system/haoscar-recover.service"
until grep -q in_step /run/haoscar/cycle.json 2>/dev/null; do sleep 0.2; done
now() { echo $(($(date +%s%N) / 1000000)); }
told() { tail -n 1 /var/lib/haoscar/events.jsonl 2>/dev/null | grep -o "\"number\":[0-9]*" | grep -o "[0-9]*" || echo 0; }
row() { sort -n | awk -v name="$1" "{ v[NR] = \$1 } END { printf \"| %s | %d | %d | %d | %d |\n\", name, NR, v[1], v[int((NR + 1) / 2)], v[NR] }"; }
: > /run/back; : > /run/verified; done_=0
while [ $done_ -lt '"$edits"' ]; do
    for file in $files; do
        [ -e "$file" ] && [ $done_ -lt '"$edits"' ] || continue
        sum=$(sha256sum < "$file"); number=$(told)
        echo "# by hand" >> "$file"; begin=$(now); limit=$((begin + 20000))
        until [ "$(sha256sum < "$file")" = "$sum" ]; do [ "$(now)" -lt $limit ] || { echo "$file was not put back: $(cat /run/haoscar/cycle.json)" >&2; exit 1; }; sleep 0.005; done
        echo $(($(now) - begin)) >> /run/back
        until [ "$(told)" -gt "$number" ]; do sleep 0.005; done
        echo $(($(now) - begin)) >> /run/verified
        done_=$((done_ + 1)); sleep "1.$((RANDOM % 10))"
    done
done
echo "| a hand edit until | n | min, ms | median, ms | max, ms |"; echo "|---|---|---|---|---|"
row "the file is as accepted" < /run/back; row "the loop has verified it" < /run/verified
unit=haoscar.service
ns() { systemctl show -p CPUUsageNSec --value $unit; }
p=$(systemctl show -p MainPID --value $unit); sleep 10
begin=$(ns); sleep '"$idle"'; end=$(ns)
echo; echo "idle, '"$idle"' s: $(awk -v d=$((end - begin)) "BEGIN { printf \"%.3f\", d / '"$idle"'e9 * 100 }") % of a core with all children, $(awk "/VmRSS/{ print \$2 }" /proc/$p/status) kB resident, peak $(awk "/VmHWM/{ print \$2 }" /proc/$p/status) kB"'
echo "steal $(steal_percent) %"
