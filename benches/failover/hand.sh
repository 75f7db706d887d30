#!/usr/bin/env bash
# A pair as it is built by hand: Debian's own corosync.conf with the addresses filled in, and the usual group (IPaddr2 and
# the daemon) with ethmonitor, fencing on, operations and timings as the agents advise. Nothing of haoscar is in it but the lab's
# fence device. Runs in a lab that is up, whose machines have nothing configured. Usage: hand.sh HAOSCAR LAB SPEC CLASS
# CLASS: how the daemon is run: `systemd:dnsmasq` (pcs's and crmsh's usual) or `ocf:heartbeat:anything`.
set -euo pipefail
haoscar=$1 lab=$2 spec=$3 class=${4:-systemd:dnsmasq}
on() { "$haoscar" lab exec --name "$lab" "$1" -- bash -c "$2"; }

# the daemon's own configuration is the same on both sides
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
"$haoscar" render "$spec" -o "$tree" -q >/dev/null 2>&1
for head in head-1 head-2; do
    tar -C "$tree/$head" -c etc/dnsmasq.d etc/haoscar/names |
        "$haoscar" lab exec --name "$lab" "$head" -- tar -C / -x
done

corosync='totem {
	version: 2
	cluster_name: debian
	crypto_cipher: none
	crypto_hash: none
}
logging {
	to_syslog: yes
}
quorum {
	provider: corosync_votequorum
}
nodelist {
	node {
		name: head-1
		nodeid: 1
		ring0_addr: 10.20.0.1
		ring1_addr: 192.0.2.11
	}
	node {
		name: head-2
		nodeid: 2
		ring0_addr: 10.20.0.2
		ring1_addr: 192.0.2.12
	}
	node {
		name: arbiter
		nodeid: 3
		ring0_addr: 10.20.0.3
		ring1_addr: 192.0.2.13
	}
}'
for host in head-1 head-2 arbiter; do
    on "$host" "cat > /etc/corosync/corosync.conf <<'END'
$corosync
END
systemctl enable -q corosync pacemaker; systemctl disable -q --now dnsmasq; systemctl start corosync pacemaker"
done
on arbiter 'until crm_mon -1 2>/dev/null | grep -q "Online: .*arbiter.*head-1.*head-2"; do sleep 0.2; done'

case $class in
systemd:*) daemon="<primitive id='dns' class='systemd' type='${class#systemd:}'><operations>
  <op id='dns-mon' name='monitor' interval='10s' timeout='20s'/><op id='dns-start' name='start' interval='0s' timeout='20s'/>
  <op id='dns-stop' name='stop' interval='0s' timeout='20s'/></operations></primitive>" ;;
*) daemon="<primitive id='dns' class='ocf' provider='heartbeat' type='anything'><instance_attributes id='dns-ia'>
  <nvpair id='dns-bin' name='binfile' value='/usr/sbin/dnsmasq'/>
  <nvpair id='dns-args' name='cmdline_options' value='--keep-in-foreground --conf-dir=/etc/dnsmasq.d'/></instance_attributes><operations>
  <op id='dns-mon' name='monitor' interval='10s' timeout='20s'/><op id='dns-start' name='start' interval='0s' timeout='20s'/>
  <op id='dns-stop' name='stop' interval='0s' timeout='20s'/></operations></primitive>" ;;
esac
fence() {
    echo "<primitive id='fence-$1' class='stonith' type='fence_haoscar'><instance_attributes id='fence-$1-ia'>
  <nvpair id='fence-$1-p' name='port' value='$1'/><nvpair id='fence-$1-c' name='pcmk_host_check' value='static-list'/>
  <nvpair id='fence-$1-l' name='pcmk_host_list' value='$1'/></instance_attributes><operations>
  <op id='fence-$1-mon' name='monitor' interval='60s' timeout='20s'/></operations></primitive>"
}
cib="<resources>$(fence head-1)$(fence head-2)$(fence arbiter)
<group id='control'>
 <primitive id='vip' class='ocf' provider='heartbeat' type='IPaddr2'><instance_attributes id='vip-ia'>
  <nvpair id='vip-ip' name='ip' value='192.0.2.10'/><nvpair id='vip-mask' name='cidr_netmask' value='24'/></instance_attributes>
  <operations><op id='vip-mon' name='monitor' interval='10s' timeout='20s'/><op id='vip-start' name='start' interval='0s' timeout='20s'/>
  <op id='vip-stop' name='stop' interval='0s' timeout='20s'/></operations></primitive>
 $daemon
</group>
<clone id='link'><primitive id='eth' class='ocf' provider='heartbeat' type='ethmonitor'><instance_attributes id='eth-ia'>
  <nvpair id='eth-if' name='interface' value='eno1'/></instance_attributes><operations>
  <op id='eth-mon' name='monitor' interval='10s' timeout='60s'/><op id='eth-start' name='start' interval='0s' timeout='60s'/>
  <op id='eth-stop' name='stop' interval='0s' timeout='20s'/></operations></primitive></clone>
</resources>"
constraints="<constraints><rsc_location id='no-arbiter' rsc='control' node='arbiter' score='-INFINITY'/>
<rsc_location id='by-link' rsc='control'><rule id='by-link-r' score='-INFINITY' boolean-op='or'>
 <expression id='by-link-n' attribute='ethmonitor-eno1' operation='not_defined'/>
 <expression id='by-link-e' attribute='ethmonitor-eno1' operation='eq' value='0'/></rule></rsc_location></constraints>"
on head-1 "cibadmin --replace --scope resources --xml-text \"$cib\"
cibadmin --replace --scope constraints --xml-text \"$constraints\"
crm_attribute --type rsc_defaults --name resource-stickiness --update 100
crm_attribute --name stonith-enabled --update true
crm_resource --wait --timeout 120"
on head-1 'crm_mon -1'
