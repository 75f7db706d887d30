# Nodes that run what haoscar has captured, and jobs: compute1 in memory, compute2 on its disk, both of one folder of head-1. Sourced by build.sh.

# The lab's hosts have a hybrid cgroup tree, and one slurm.conf is for all: the guests have one too. The spec of build.yaml with such images, and files of the nodes' own, one with a secret.
nodes_spec() { # FROM TO-FOLDER
    mkdir -p "$2/files/nodes/etc/systemd/system" "$2/files/nodes/usr/local/sbin" "$2/files/disked/etc"
    echo 'of the image disked' >"$2/files/disked/etc/role.hbs"
    sed '/^nodes:/,$d; s/services: \[dhcp, boot\]/services: [dhcp, boot, scheduler]/' "$1" >"$2/cluster.yaml"
    cat >>"$2/cluster.yaml" <<'SPEC'
  scheduler: { backend: slurm, partitions: { batch: { nodes: "compute[1-2]", default: true } } }
nodes:
  compute1: { image: compute, nics: { eno1: { network: inside, address: 10.20.2.1, macs: ["52:54:00:20:02:01"] } } }
  compute2: { image: disked, nics: { eno1: { network: inside, address: 10.20.2.2, macs: ["52:54:00:20:02:02"] } } }
  compute3: { image: plain, nics: { eno1: { network: inside, address: 10.20.2.3, macs: ["52:54:00:20:02:03"] } } }
images:
  plain: { capture: { from: head-1, root: /srv/node } }
  compute: { capture: { from: head-1, root: /srv/node }, secrets: true, arguments: "console=ttyS0 systemd.unified_cgroup_hierarchy=0" }
  disked:
    capture: { from: head-1, root: /srv/node }
    disk: { serial: HEAD2DISK, wipe: true, layout: [{ at: swap, gib: 1 }, { at: /scratch, gib: 1 }, { at: / }] }
    secrets: true
    arguments: "console=ttyS0 systemd.unified_cgroup_hierarchy=0"
    servers: ["http://10.20.255.254:8081/pieces", "http://10.20.255.254:8082/pieces"]
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
told "image $(cat /usr/share/version), role $(cat /etc/role 2>/dev/null || echo none)"
for _ in $(seq 120); do [ -e /run/job-done ] && break; sleep 1; done
told "job $(cat /run/job-done 2>&1)"
told "failed units: $(systemctl list-units --failed --plain --no-legend | cut -d' ' -f1 | tr '\n' ' ')"
if mountpoint -q /scratch; then echo kept >/scratch/kept; fi
told "memory $(awk '/MemTotal|MemAvailable/ { printf "%d MiB ", $2 / 1024 }' /proc/meminfo)"
told ends
poweroff
FILE
}
# A system for nodes, as an administrator makes one, in a folder of head-1.
nodes_system() {
    local kept=${HAOSCAR_CACHE:-/var/cache/haoscar}/vm/node-slurm-2.tar
    if [ ! -e "$kept" ]; then
        mkdir -p "$(dirname "$kept")"
        mmdebstrap --quiet --variant=minbase --include=systemd-sysv,udev,kmod,dbus,iproute2,linux-image-cloud-amd64,chrony,openssh-server,mount,procps,munge,slurmd,slurm-client \
            bookworm "$kept.new.tar"
        mv "$kept.new.tar" "$kept"
    fi
    "$haoscar" lab exec head-1 -- sh -c 'mkdir -p /srv/node && tar -x -C /srv/node --numeric-owner --exclude=./dev/\* && echo one >/srv/node/usr/share/version' <"$kept"
    on head-1 'umask 077; mkdir -p /etc/haoscar/secrets; printf told-to-nobody >/etc/haoscar/secrets/told'
}
# A node is switched on, tells what it is, and goes off.
node_runs() { # NAME MAC HOW NODE: `again` keeps the disk; else it is blank, and HOW the firmware
    begin=$(date +%s%N)
    diskindex=3 console=$out/build-$1.txt
    if [ "$3" = again ]; then : >"$console"; power "$2"; else machine "$1" 8 "$2" "$3"; fi
    for _ in $(seq 240); do grep -q '^haoscar: writing' "$console" && break; grep -q "has it" "$console" && break; sleep 0.5; done
    sleep 3
    { "$haoscar" status --spec "$spec" 2>/dev/null || true; } | grep "^$4 is starting: " || say "it was too fast for status"
    for _ in $(seq 400); do grep -q '^NODE image' "$console" && break; kill -0 "$guest" 2>/dev/null || break; sleep 0.5; done
    on head-1 "timeout 100 srun -Q -w $4 -N 1 sh -c 'hostname; hostname >/run/job-done'" >"$out/job.txt" 2>&1 || true
    [ "$(cat "$out/job.txt")" = "$4" ] || { cat "$out/job.txt"; on head-1 'sinfo -N -l; tail -20 /var/log/slurm/slurmctld.log'; grep -ai "slurmd\|munge" "$console" | tail -5; fail "$4 runs no job"; }
    for _ in $(seq 600); do grep -q '^NODE ends' "$console" && break; kill -0 "$guest" 2>/dev/null || break; sleep 0.5; done
    grep -q '^NODE ends' "$console" || { tail -20 "$console"; on head-1 'journalctl --no-pager -o cat -u haoscar-images | tail -20'; fail "$1 does not run"; }
    for _ in $(seq 120); do kill -0 "$guest" 2>/dev/null || break; sleep 0.5; done
    off
    say "$1 ran, and told what it is"
    sed -n 's/^NODE /    /p' "$console" | tr -d '\r'
}
node_told() { grep -q "^NODE $1" "$console" || fail "it did not tell: $1"; }
nodes_run() {
    for image in compute disked; do
        "$haoscar" image capture "$image" --spec "$spec" >"$out/capture.txt" 2>&1
        tail -1 "$out/capture.txt"
        ! grep warning "$out/capture.txt" || fail "$image lacks something"
    done
    # one of two web servers has a copy of the pieces, and the other one is gone
    mkdir "$work/www"
    on head-1 "cd $store && tar -c pieces" | tar -x -C "$work/www"
    ip netns exec "$net" busybox httpd -f -vv -p 10.20.255.254:8081 -h "$work/www" 2>"$out/server.txt" &
    client=$! # ends with this
    node_runs memory-uefi 52:54:00:20:02:01 http compute1
    node_told 'is compute1 of grown, [0-9a-f]*, root on /dev/zram0'
    node_runs memory 52:54:00:20:02:01 bios compute1
    node_told 'is compute1 of grown, [0-9a-f]*, root on /dev/zram0'
    node_told 'secret _chrony 640 told-to-nobody'
    node_told 'address 10.20.2.1'
    node_told 'image one, role none'
    node_told 'time ^[*+] 10.20.0.10'
    node_told 'failed units: *.$'
    on head-1 'journalctl --no-pager -o cat -u haoscar-images' | grep -q '^compute1: starting' || fail "its head was not told"
    node_runs disk 52:54:00:20:02:02 bios compute2
    node_told 'is compute2 of grown, [0-9a-f]*, root on /dev/vda5'
    grep -q 'writing goes on without http://10.20.255.254:8082/pieces' "$console" || say "it has asked the server first that is there"
    asked=$(grep -c 'url:/pieces/' "$out/server.txt" || true)
    [ "$asked" -gt 300 ] || fail "the web server was asked for $asked pieces"
    say "the web server gave $asked pieces"
    node_told 'secret _chrony 640 told-to-nobody'
    node_told 'scratch cat: .*, swap 1'
    node_told 'failed units: *.$'
    node_runs disk-again 52:54:00:20:02:02 again compute2
    on head-1 'journalctl --no-pager -o cat -u haoscar-images' | grep -q '^compute2: disk .* has it' || fail "it was written again"
    node_told 'scratch kept, swap 1'
    on head-1 'echo two >/srv/node/usr/share/version'
    "$haoscar" image capture disked --spec "$spec" 2>&1 | tail -1
    node_runs disk-new 52:54:00:20:02:02 again compute2
    node_told 'image two, role of the image disked'
    grep -q 'writing goes on without http://10.20.255.254:8081/pieces: .*404' "$console" || fail "the web server does not have the new version, and was not given up"
    node_told 'scratch kept, swap 1'
    # a machine that is no node gets nothing of it, nor a node what is another one's
    for place in ticket overlay file/manifest.json; do
        code=$(ip netns exec "$net" curl -s -o /dev/null -w '%{http_code}' "http://10.20.0.20:4081/build/52:54:00:99:99:99/$place")
        [ "$code" = 404 ] || fail "a machine that is no node was told its $place: $code"
    done
    ip netns exec "$net" curl -s http://10.20.0.20:4081/build/52:54:00:20:02:03/overlay >"$out/overlay.json"
    grep -q /etc/chrony "$out/overlay.json" || fail "compute3 is given nothing"
    grep -q "/etc/told\|munge.key" "$out/overlay.json" && fail "a secret was given where the spec does not say so"
    say "a machine that is no node was told nothing, and no secret where the spec does not say so"
}
