#!/usr/bin/env bash
# haoscar's OCF agents beside the stock ones, in one run in one lab host: a unit as a resource of the running engine,
# and the address agents by hand. Prints a Markdown table: n, min / median / max in ms, and the machine's steal.
# Usage (root): benches/agents.sh [HAOSCAR] [N]
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/steal.sh
haoscar=${1:-target/release/haoscar}
count=${2:-10}
export HAOSCAR_LAB=bench-agents
trap '"$haoscar" lab down bench-agents >/dev/null 2>&1 || true' EXIT

steal_begins
"$haoscar" lab up specs/minimal.yaml --name bench-agents -q
"$haoscar" apply specs/minimal.yaml --adopt -y -q

# shellcheck disable=SC2016 # runs in the lab host
"$haoscar" lab exec head-1 -- bash -c '
count='"$count"'
printf "[Service]\nExecStart=/bin/sleep infinity\n" > /run/systemd/system/bench.service
systemctl daemon-reload
now() { date +%s%N; }
row() { sort -n | awk -v name="$1" "{ v[NR] = \$1 } END { printf \"| %s | %d | %.0f | %.0f | %.0f |\n\", name, NR, v[1], v[int((NR + 1) / 2)], v[NR] }"; }
done_() { # the engine has a good result (a pending one has rc-code 193)
    cibadmin -Q --local --xpath "//lrm_resource[@id=\"bench\"]/lrm_rsc_op[@operation=\"$1\" and @rc-code=\"0\"]" >/dev/null 2>&1
}
to() { # OPERATION ROLE: ms from the order until the engine has the result
    begin=$(now); crm_resource --resource bench --meta -p target-role -v "$2" >/dev/null
    until done_ "$1"; do :; done
    echo $((($(now) - begin) / 1000000))
}
resource() { # CLASS...: makes the resource, stopped
    printf "%s" "<primitive id=\"bench\" $1><meta_attributes id=\"bench-m\"><nvpair id=\"bench-m-t\" name=\"target-role\" value=\"Stopped\"/></meta_attributes>$2<operations><op id=\"bench-start\" name=\"start\" interval=\"0\" timeout=\"20s\"/><op id=\"bench-stop\" name=\"stop\" interval=\"0\" timeout=\"20s\"/></operations></primitive>" > /run/bench.xml
    cibadmin -C -o resources --xml-file /run/bench.xml; sleep 1
}
unit="<instance_attributes id=\"bench-i\"><nvpair id=\"bench-i-u\" name=\"unit\" value=\"bench.service\"/></instance_attributes>"
for kind in ocf:haoscar:unit systemd:; do
    if [ $kind = systemd: ]; then resource "class=\"systemd\" type=\"bench\"" ""
    else resource "class=\"ocf\" provider=\"haoscar\" type=\"unit\"" "$unit"; fi
    : > /run/start; : > /run/stop
    for _ in $(seq $count); do to start Started >> /run/start; to stop Stopped >> /run/stop; done
    row "$kind start, order to report" < /run/start; row "$kind stop, order to report" < /run/stop
    cibadmin -D -o resources --xml-file /run/bench.xml; sleep 1
done
export OCF_ROOT=/usr/lib/ocf OCF_RESKEY_CRM_meta_interval=0 OCF_RESOURCE_INSTANCE=bench HA_RSCTMP=/run/resource-agents
nic=$(ip -o -4 address show | awk "\$2 != \"lo\" { print \$2; exit }"); own=$(ip -o -4 address show dev "$nic" | awk "{ print \$4; exit }")
export OCF_RESKEY_ip=${own%.*}.77 OCF_RESKEY_nic=$nic OCF_RESKEY_cidr_netmask=${own#*/} OCF_RESKEY_prefix=${own#*/} OCF_RESKEY_network=$(ip -o -4 route show dev "$nic" scope link | awk "{ print \$1; exit }")
for agent in haoscar/address heartbeat/IPaddr2; do
    for action in start monitor stop; do : > /run/$action; done
    for _ in $(seq $count); do for action in start monitor stop; do
        begin=$(now); /usr/lib/ocf/resource.d/$agent $action >/dev/null 2>&1 || echo "$agent $action failed: $?" >&2
        echo $((($(now) - begin) / 1000000)) >> /run/$action
    done; done
    for action in start monitor stop; do row "ocf:${agent/\//:} $action, by hand" < /run/$action; done
done'
echo "steal $(steal_percent) %"
