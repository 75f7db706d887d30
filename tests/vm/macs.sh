# Sourced by build.sh (case `macs`): a machine that nobody knows says who it is and which port it hears (lldpd on head-1 stands for the
# switch), is given a name in the order of ports, and starts again by itself.

macs_run() {
    local stranger=52:54:00:99:99:99 site=$work/site
    # a bridge keeps LLDP to itself, as the standard says, unless it is told otherwise
    ip netns exec "$net" sh -c 'echo 0x4000 >/sys/class/net/wire0/bridge/group_fwd_mask'
    on head-1 'mkdir -p /etc/lldpd.d && echo "configure lldp tx-interval 5" >/etc/lldpd.d/fast.conf && echo "DAEMON_ARGS=\"-I eno2\"" >/etc/default/lldpd &&
        systemctl unmask --quiet lldpd && systemctl restart lldpd'
    "$haoscar" macs --ask --within 15m --console ttyS0 --spec "$spec"
    machine macs 1 "$stranger"
    for _ in $(seq 240); do "$haoscar" macs --spec "$spec" >"$out/macs.txt" && grep -q "^$stranger .*  head-1.grown.example eno2  QEMU" "$out/macs.txt" && break; sleep 1; done
    grep -q "^$stranger .*  head-1.grown.example eno2  QEMU" "$out/macs.txt" || { cat "$out/macs.txt"; tail -20 "$console"; on head-1 'lldpcli show interfaces; journalctl -u lldpd | tail -20'; fail "the machine is not seen with its port"; }
    say "a machine that nobody knows: $(grep "^$stranger" "$out/macs.txt")"
    "$haoscar" macs --format json --spec "$spec" | grep "$stranger" | grep -q '"disks":\["/dev/vda (HEAD2DISK, 1.0 GiB)"\]' || { "$haoscar" macs --format json --spec "$spec"; fail "its disk is not told"; }
    mkdir "$site"
    sed 's!^images:!  spare[1-1]:\n    image: compute\n    nics: { eno1: { network: inside, address: 10.20.3.1+ } }\n\n&!' "$spec" >"$site/cluster.yaml"
    "$haoscar" macs --assign 'spare[1-1]' --by port --no-commit --spec "$site" || fail "assign"
    grep -q "^spare1,$stranger" "$site/macs.csv" || { cat "$site/macs.csv"; fail "it was given no name"; }
    sed -i 's!address: 10.20.3.1+!&, macs: macs.csv!' "$site/cluster.yaml" # every name has a row by now
    "$haoscar" apply --spec "$site" --yes >"$out/macs-apply.txt" 2>&1 || { cat "$out/macs-apply.txt"; fail "apply"; }
    for _ in $(seq 60); do grep -q "it has a name; it starts again" "$console" && break; sleep 1; done
    grep -q "it has a name; it starts again" "$console" || { tail -5 "$console"; fail "it goes on waiting"; }
    "$haoscar" macs --end --spec "$site"
    off
    say "it was given a name by its port, and started again by itself"
}
