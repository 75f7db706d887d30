#!/usr/bin/env bash
# False failovers: the reference pair and its arbiter in a lab, nothing broken, every core loaded with busy loops for the whole
# time. Counts what a healthy cluster must not have, and prints one Markdown row; ends 1 when any member was fenced.
# Usage (root): benches/false.sh [HAOSCAR] [FOR] [DETECT]     e.g. benches/false.sh target/release/haoscar 30m 1100ms
#   token losses  "Token has not been received" of corosync, all members: a warning at three quarters of the token, no harm yet
#   rounds        "A processor failed": the token was lost, and a new membership was looked for
#   unscheduled   "was not scheduled" of corosync: it did not run for more than 0.8 of its token
#   left          members that left a membership, as the members saw it
#   stall         the longest time that a loop which sleeps 10 ms was not run, of two such loops: the machine's own delay
set -euo pipefail
cd "$(dirname "$0")/.."
. benches/steal.sh
haoscar=$(realpath "${1:-target/release/haoscar}")
time=${2:-30m}
detect=${3:-1100ms}
case $time in
*m) seconds=$((${time%m} * 60)) ;;
*s) seconds=${time%s} ;;
*) echo "FOR is a number of minutes or seconds, such as 30m, and not $time" >&2; exit 64 ;;
esac
work=$(mktemp -d)
lab=false-$$
loads=()
ends() {
    [ ${#loads[@]} = 0 ] || kill "${loads[@]}" 2>/dev/null || true
    "$haoscar" lab down $lab -q >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap ends EXIT
trap 'exit 130' INT TERM
members="head-1 head-2 arbiter"

# a detect that haoscar refuses or notes is what is measured here
sed "s/detect: 1100ms/detect: $detect/" benches/failover/cluster.yaml >"$work/cluster.yaml"
grep -q "detect: $detect" "$work/cluster.yaml"
"$haoscar" lab up "$work/cluster.yaml" --name $lab -q
HAOSCAR_LAB=$lab "$haoscar" apply "$work/cluster.yaml" --adopt -y -q >/dev/null
on() { "$haoscar" lab exec --name $lab "$1" -- bash -c "$2"; }
carrier() { # the head that holds the group's address
    for head in head-1 head-2; do if on $head 'ip -o address show to 192.0.2.10 | grep -q .'; then echo $head; return; fi; done
}
told() { # HOST TEXT: lines of its journal since the load began that hold the text
    on "$1" "journalctl --no-pager -o cat -u corosync -u pacemaker --since=@$begin | grep -c '$2' || true"
}
total() { local sum=0 host; for host in $members; do sum=$((sum + $(told "$host" "$1"))); done; echo $sum; }
lives() { for host in $members; do on "$host" 'stat -c %Y /proc/1; systemctl show -p MainPID --value corosync'; done; }

before_lives=$(lives)
before_head=$(carrier)
steal_begins
begin=$(date +%s)
for _ in $(seq "$(nproc)"); do
    sh -c 'while :; do :; done' &
    loads+=($!)
done
# the machine's own delay, beside the cluster
for n in 1 2; do
    timeout "$seconds" perl -MTime::HiRes=time,sleep -e '
        my $worst = 0; my $last = time; $| = 1;
        $SIG{TERM} = sub { printf "%.0f\n", $worst * 1000; exit };
        while (1) { sleep 0.01; my $now = time; my $late = $now - $last - 0.01; $worst = $late if $late > $worst; $last = $now }' \
        >"$work/stall-$n" &
done
# a group that moved and came back is a move too
moves=0 head=$before_head ended=$((begin + seconds))
while [ "$(date +%s)" -lt $ended ]; do
    sleep 2
    now=$(carrier)
    [ -z "$now" ] || [ "$now" = "$head" ] || { moves=$((moves + 1)); head=$now; }
done
kill "${loads[@]}" 2>/dev/null || true
loads=()
wait || true
steal=$(steal_percent)

fenced=0 # every member that is left tells of it
for host in $members; do
    count=$(told "$host" "Peer .* was terminated")
    [ "$count" -le $fenced ] || fenced=$count
done
tokens=$(total "Token has not been received")
rounds=$(total "A processor failed, forming new configuration")
unscheduled=$(total "was not scheduled")
left=$(total "A new membership .* left: ")
stall=$(sort -n "$work"/stall-* | tail -1)
rebooted=0
[ "$(lives)" = "$before_lives" ] || rebooted=1
echo "| detect | loaded for | fencings | left | group moves | rounds | token losses | unscheduled | longest stall, ms | steal, % |"
echo "|---|---|---|---|---|---|---|---|---|---|"
echo "| $detect | $time | $fenced | $left | $moves | $rounds | $tokens | $unscheduled | ${stall:-?} | $steal |"
if [ "$fenced" != 0 ] || [ $rebooted = 1 ]; then
    echo "a healthy member was fenced, or its corosync is not the one that began" >&2
    exit 1
fi
