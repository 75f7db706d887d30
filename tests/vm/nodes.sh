# Nodes that run what haoscar has captured: compute1 in memory, compute2 on its disk, both of one folder of head-1. Sourced by build.sh.

# The spec of build.yaml with such images, and files of the nodes' own, one with a secret.
nodes_spec() { # FROM TO-FOLDER
    mkdir -p "$2/files/nodes/etc/systemd/system" "$2/files/nodes/usr/local/sbin"
    sed '/^nodes:/,$d' "$1" >"$2/cluster.yaml"
    cat >>"$2/cluster.yaml" <<'SPEC'
nodes:
  compute1: { image: compute, nics: { eno1: { network: inside, address: 10.20.2.1, macs: ["52:54:00:20:02:01"] } } }
  compute2: { image: disked, nics: { eno1: { network: inside, address: 10.20.2.2, macs: ["52:54:00:20:02:02"] } } }
images:
  compute: { capture: { from: head-1, root: /srv/node }, secrets: true, arguments: "console=ttyS0" }
  disked:
    capture: { from: head-1, root: /srv/node }
    disk: { serial: HEAD2DISK, wipe: true, layout: [{ at: swap, gib: 1 }, { at: /scratch, gib: 1 }, { at: / }] }
    arguments: "console=ttyS0"
SPEC
    sed -n '/^  head: {/p' "$1" >>"$2/cluster.yaml"
    cat >"$2/files/nodes/etc/told.hbs" <<'FILE'
---
mode: "0640"
owner: _chrony:_chrony
---
{{stored_secret "told"}}
FILE
    cat >"$2/files/nodes/etc/systemd/system/told.service.hbs" <<'FILE'
---
enable: true
---
[Unit]
After=chrony.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/told
[Install]
WantedBy=multi-user.target
FILE
    cat >"$2/files/nodes/usr/local/sbin/told.hbs" <<'FILE'
---
mode: "0755"
---
#!/bin/sh
# what this node is, for whoever watches its console
told() { printf '\nNODE %s\n' "$*" >/dev/ttyS0; } # a getty hangs up who holds it
told "is $(hostname) of {{cluster.name}}, $(cat /etc/machine-id), root on $(findmnt -n -o SOURCE /)"
told "secret $(stat -c '%U %a' /etc/told 2>&1) $(cat /etc/told 2>&1)"
for _ in $(seq 30); do ip -4 -brief address | grep -q '10\.20\.2\.' && break; sleep 1; done
told "address $(ip -4 -brief address | grep -o '10\.20\.2\.[0-9]*')"
for _ in $(seq 60); do chronyc -n sources | grep -q '^^[*+]' && break; sleep 1; done
told "time $(chronyc -n sources | grep -o '^^[*+] [0-9.]*')"
told "scratch $(cat /scratch/kept 2>&1), swap $(swapon --noheadings | wc -l)"
told "image $(cat /usr/share/version)"
told "failed units: $(systemctl list-units --failed --plain --no-legend | cut -d' ' -f1 | tr '\n' ' ')"
if mountpoint -q /scratch; then echo kept >/scratch/kept; fi
told "memory $(awk '/MemTotal|MemAvailable/ { printf "%d MiB ", $2 / 1024 }' /proc/meminfo)"
told ends
poweroff
FILE
}
# A system for nodes, as an administrator makes one, in a folder of head-1.
nodes_system() {
    local kept=${HAOSCAR_CACHE:-/var/cache/haoscar}/vm/node.tar
    if [ ! -e "$kept" ]; then
        mkdir -p "$(dirname "$kept")"
        mmdebstrap --quiet --variant=minbase --include=systemd-sysv,udev,kmod,dbus,iproute2,linux-image-cloud-amd64,chrony,openssh-server,mount,procps \
            bookworm "$kept.new.tar"
        mv "$kept.new.tar" "$kept"
    fi
    "$haoscar" lab exec head-1 -- sh -c 'mkdir -p /srv/node && tar -x -C /srv/node --numeric-owner --exclude=./dev/\* && echo one >/srv/node/usr/share/version' <"$kept"
    on head-1 'umask 077; mkdir -p /etc/haoscar/secrets; printf told-to-nobody >/etc/haoscar/secrets/told'
}
# A node is switched on, tells what it is, and goes off.
node_runs() { # NAME MAC [NEW: with a blank disk]
    begin=$(date +%s%N)
    diskindex=3 console=$out/build-$1.txt disk=${NODE_DISK:-}
    if [ "${3:-}" = new ]; then diskindex=3 machine "$1" 8 "$2"; else : >"$console"; power "$2"; fi
    for _ in $(seq 600); do grep -q '^NODE ends' "$console" && break; kill -0 "$guest" 2>/dev/null || break; sleep 0.5; done
    grep -q '^NODE ends' "$console" || { tail -20 "$console"; on head-1 'journalctl --no-pager -o cat -u haoscar-images | tail -20'; fail "$1 does not run"; }
    for _ in $(seq 120); do kill -0 "$guest" 2>/dev/null || break; sleep 0.5; done
    off
    say "$1 ran, and told what it is"
    sed -n 's/^NODE /    /p' "$console" | tr -d '\r'
}
node_told() { grep -q "^NODE $1" "$console" || fail "it did not tell: $1"; }
nodes_run() {
    for image in compute disked; do "$haoscar" image capture "$image" --spec "$spec" 2>&1 | tail -1; done
    node_runs memory 52:54:00:20:02:01 new
    node_told 'is compute1 of grown, [0-9a-f]*, root on /dev/zram0'
    node_told 'secret _chrony 640 told-to-nobody'
    node_told 'address 10.20.2.1'
    node_told 'time ^[*+] 10.20.0.10'
    node_told 'failed units: *.$'
    on head-1 'journalctl --no-pager -o cat -u haoscar-images' | grep -q '^compute1: starting' || fail "its head was not told"
    node_runs disk 52:54:00:20:02:02 new
    node_told 'is compute2 of grown, [0-9a-f]*, root on /dev/vda5'
    node_told 'secret stat: cannot'
    node_told 'scratch cat: .*, swap 1'
    node_told 'failed units: *.$'
    node_runs disk-again 52:54:00:20:02:02
    on head-1 'journalctl --no-pager -o cat -u haoscar-images' | grep -q '^compute2: disk .* has it' || fail "it was written again"
    node_told 'scratch kept, swap 1'
    on head-1 'echo two >/srv/node/usr/share/version'
    "$haoscar" image capture disked --spec "$spec" 2>&1 | tail -1
    node_runs disk-new 52:54:00:20:02:02
    node_told 'image two'
    node_told 'scratch kept, swap 1'
    # a machine that is no node gets nothing of it, nor a node what is another one's
    for place in ticket overlay file/manifest.json; do
        code=$(ip netns exec "$net" curl -s -o /dev/null -w '%{http_code}' "http://10.20.0.20:4081/build/52:54:00:99:99:99/$place")
        [ "$code" = 404 ] || fail "a machine that is no node was told its $place: $code"
    done
    ip netns exec "$net" curl -s http://10.20.0.20:4081/build/52:54:00:20:02:02/overlay | grep -q /etc/told && fail "a secret was given where the spec does not say so"
    say "a machine that is no node was told nothing, and no secret where the spec does not say so"
}
