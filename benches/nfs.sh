#!/usr/bin/env bash
# The kernel's own NFS client, with an open and locked file, through power cuts of the active head: a QEMU guest on the lab's
# switch mounts the export by NFSv4.1 from the group's address, appends a line each 100 ms with fsync, and makes new files beside
# it. Prints Markdown: the longest stall of both after each cut, and whether any acknowledged line is missing at the end.
# Needs QEMU (`packaging/setup.sh vm`) and rustc; the guest's kernel is Debian's, fetched once into the cache.
# Usage (root): benches/nfs.sh [HAOSCAR] [ROUNDS] [GRACE]   e.g. benches/nfs.sh target/release/haoscar 3 10s
# The guest is emulated (no KVM): its own operations are some 20 ms slower than a node's.
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/steal.sh
. benches/guest.sh
. benches/nfs/client.sh
haoscar=$(realpath "${1:-target/release/haoscar}")
rounds=${2:-3}
grace=${3:-10s}
out=${OUT:-target/nfs}
mkdir -p "$out"
out=$(realpath "$out")
lab=nfs-$$
work=$(mktemp -d)
client=
ends() {
    [ -z "$client" ] || kill "$client" 2>/dev/null || true
    "$haoscar" lab down $lab -q >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap ends EXIT
trap 'exit 130' INT TERM
fail() { echo "$*" >&2; exit 1; }

on() { "$haoscar" lab exec --name $lab "$1" -- bash -c "$2"; }
carrier() { for head in head-1 head-2; do if on $head 'ip -o address show to 10.20.0.10 | grep -q .'; then echo $head; return; fi; done; }

{ sed "s/SERVICE/home/" benches/services/base.yaml; sed "s/kind: nfs/&\n    grace: $grace/" benches/services/home.yaml; } >"$work/cluster.yaml"
"$haoscar" lab up "$work/cluster.yaml" --name $lab --hosts head-1,head-2,arbiter -q
HAOSCAR_LAB=$lab "$haoscar" apply "$work/cluster.yaml" --on head-1,head-2,arbiter --adopt -y -q >/dev/null

switch=haoscar-$lab
bridge=$(ip -n "$switch" -o address show to 10.20.255.254 | awk '{ print $2; exit }')
ip -n "$switch" tuntap add guest0 mode tap
ip -n "$switch" link set guest0 master "$bridge" up
client_boots console.txt "$switch" guest0 10.20.0.10:/srv/state/home $((rounds * 45 + 10))
until_told 240 READY
sleep 5
steal_begins
echo "| cut | active head | writes of the open file stall, s | a new open stalls, s |"
echo "|---|---|---|---|"
for round in $(seq "$rounds"); do
    head=$(carrier)
    line=$(lines_told)
    "$haoscar" lab fault power --name $lab "$head" -q
    sleep 40 # the dead head is back by then
    echo "| $round | $head | $(longest append $line) | $(longest open $line) |"
done
steal=$(steal_percent)
until_told 90 ENDED
head=$(carrier)
on "$head" 'cat /srv/state/home/held' >"$out/held.txt"
read -r _ acknowledged lost errors < <(ended_with "$out/held.txt")
awk -v steal="$steal" -v grace="$grace" -v a="$acknowledged" -v e="$errors" -v l="$lost" \
    'BEGIN { printf "grace %s; %d lines acknowledged, %d of them lost, %d errors; steal %s %%\n", grace, a, l, e, steal }'
wait "$client" || true
client=
[ "$lost" = 0 ] && [ "$errors" = 0 ]
