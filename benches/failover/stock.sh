#!/usr/bin/env bash
# A pair under heartbeat as it was built by hand: the times of its own documentation (2/30), IPaddr2 and dnsmasq as resources,
# ipfail with a ping node, fencing by a stonith plugin. Nothing of haoscar is in it but the lab's fence device. Runs in a lab that
# is up, whose machines have nothing configured. Usage: stock.sh HAOSCAR LAB SPEC
set -euo pipefail
haoscar=$1 lab=$2 spec=$3
on() { "$haoscar" lab exec --name "$lab" "$1" -- bash -c "$2"; }

# the daemon's own configuration is the same on all sides
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
"$haoscar" render "$spec" -o "$tree" -q >/dev/null 2>&1

plugin='#!/bin/sh
# what a site writes for its own power switch; its own rule for a split is as crude as it was then: who hears nobody waits
ask() { printf "action=%s\nport=%s\n" "$1" "$2" | /usr/sbin/fence_haoscar; }
case $1 in
gethosts) echo head-1; echo head-2 ;;
on) ask on "$2" ;;
off) ask off "$2" ;;
reset) ping -q -c 1 -W 1 -w 1 192.0.2.1 >/dev/null 2>&1 || sleep 6; ask reboot "$2" ;;
status) ask list "$(uname -n)" ;;
getconfignames) echo hostlist ;;
getinfo-devid | getinfo-devname | getinfo-devdescr | getinfo-devurl) echo "a power switch" ;;
getinfo-xml) echo "<parameters><parameter name=\"hostlist\" unique=\"0\" required=\"1\"><content type=\"string\"/></parameter></parameters>" ;;
*) exit 1 ;;
esac'
resource='#!/bin/sh
case $1 in
start) systemctl start dnsmasq ;;
stop) systemctl stop dnsmasq ;;
status) if systemctl -q is-active dnsmasq; then echo running; else echo stopped; fi ;;
esac'
for head in head-1 head-2; do
    if [ $head = head-1 ]; then peer=2; else peer=1; fi
    tar -C "$tree/$head" -c etc/dnsmasq.d etc/haoscar/names |
        "$haoscar" lab exec --name "$lab" "$head" -- tar -C / -x
    on $head "install -m 755 /dev/stdin /usr/lib/stonith/plugins/external/byhand <<'END'
$plugin
END
install -m 755 /dev/stdin /etc/ha.d/resource.d/dns <<'END'
$resource
END
install -m 600 /dev/stdin /etc/ha.d/authkeys <<'END'
auth 1
1 sha1 by-hand
END
cat > /etc/ha.d/haresources <<'END'
head-1 IPaddr2::192.0.2.10/24/eno1 dns
END
cat > /etc/ha.d/ha.cf <<'END'
logfacility daemon
keepalive 2
warntime 10
deadtime 30
initdead 60
deadping 30
udpport 694
ucast eno2 10.20.0.$peer
ucast eno1 192.0.2.1$peer
auto_failback off
node head-1
node head-2
ping 192.0.2.1
stonith_host * external/byhand head-1,head-2
respawn hacluster /usr/libexec/heartbeat/ipfail
END
systemctl disable -q --now dnsmasq corosync pacemaker 2>/dev/null || true
systemctl enable -q heartbeat; systemctl start heartbeat"
done
on head-1 'for _ in $(seq 600); do ip -o address show to 192.0.2.10 | grep -q . && systemctl -q is-active dnsmasq && break; sleep 0.2; done
ip -o address show to 192.0.2.10 | grep .; cl_status rscstatus'
