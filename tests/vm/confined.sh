# Sourced by build.sh (case `good`): the guest enforces AppArmor's profiles, as a machine does that Debian's installer made. It gets a DHCP
# server, whose leases lie on a disk of its own, and another server of time.

confined() { # what serves is confined, and so are the programs that look at new files before they count
    sed 's!^  state: { kind: mounted.*!&\n  leases: { kind: exclusive, path: /srv/leases, device: /dev/disk/by-id/virtio-LEASES }!
        s!^services:!  guests:\n    heads: [head-2]\n    addresses: { inside: 10.20.0.40 }\n    storage: leases\n    services: [guest-dhcp]\n\n&\n  guest-dhcp: { kind: dhcp, backend: kea }!
        s!^  time: {}!  time: { servers: [192.0.2.1] }!' "$spec" | "$haoscar" lab exec head-1 -- sh -c 'cat >/root/confined.yaml'
    on head-1 'haoscar apply --spec /root/confined.yaml --yes' >"$out/confined-apply.txt" 2>&1 || { cat "$out/confined-apply.txt"; denied; fail "apply"; }
    on head-1 'haoscar plan --spec /root/confined.yaml --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after it is not empty"; }
    inside_head 'cat /proc/$(pidof kea-dhcp4)/attr/current' | grep -q '^kea-dhcp4 (enforce)' || { serves_not; fail "Kea is not confined, or does not run"; }
    inside_head 'cat /proc/$(pidof -s chronyd)/attr/current' | grep -q 'chronyd (enforce)' || { serves_not; fail "chronyd is not confined, or does not run"; }
    inside_head 'test -s /srv/leases/guest-dhcp/kea-leases4.csv' || fail "its leases are not on its disk"
    ! denied || fail "AppArmor has denied something"
    say "under AppArmor, new files were looked at, Kea serves from its disk, and nothing was denied"
}
serves_not() { # what the engine and the guest say of it
    on arbiter 'crm_mon -1 -r'
    inside_head 'cat /sys/module/apparmor/parameters/enabled; systemctl status --no-pager apparmor kea-dhcp4-server chrony; journalctl --no-pager -b | grep -E "apparmor|kea" | tail -40'
}
denied() { inside_head 'journalctl --no-pager -b -k | grep "apparmor=\"DENIED\""'; }
