#!/usr/bin/env bash
# A blank machine becomes the standby: a QEMU guest with an empty disk beside a namespace head-1 and a namespace arbiter. An image
# is taken of head-1 while it serves, `haoscar build head-2` opens the entry, the guest boots from the network, is made head-2, boots from
# its own disk, joins; then head-1's power is cut and the guest takes over. Emulated (TCG). CI runs `good`, with LIMIT=360 (seconds until it is a member); there the guest enforces AppArmor (confined.sh).
# CASES: any of good replace mac disk key piece cut cuts away late node uefi http, the first seven if none is named, or `watchdog`, `two`, `nfs`, `drbd`, `macs` or `nodes` alone.
# `cuts`: its power is cut in each stage. `away`: the server of images is lost for a while. `late`: the entry's time is over. `two`: two blank machines are built at once. `nfs`: the same, and they carry files by the kernel's NFS server (files.sh). `drbd`: the same, from a disk of each that both write at once. `macs`: a machine that nobody knows is asked who it is (macs.sh). `nodes`: nodes run a captured image, in memory and on a disk (nodes.sh). `grub`: a node boots
# its image by GRUB: BIOS, UEFI, and UEFI with Secure Boot (alone, or with others of nodes). `node`: a compute node boots its image, by BIOS and by UEFI. `uefi`: as good, with OVMF as its firmware, by TFTP; `http`: the same, and all by HTTP. `replace` follows `good`: the guest
# dies, and another blank one becomes head-2 again. `watchdog`: the guest that was built gets a watchdog, its clock is set, and it is
# cut off. Each other case is a machine that must not become a head, and why.
# OS=debian-13 (or ubuntu-26.04): heads of that distribution. HOLD=1: what has failed stays as it is, to be looked at.
# Usage (root): tests/vm/build.sh [HAOSCAR] [CASE…]
set -Eeuo pipefail
trap 'echo "line $LINENO: ended with $?" >&2' ERR
cd "$(dirname "$0")/../.."
haoscar=$(realpath "${1:-target/release/haoscar}")
shift || true
cases=${*:-mac disk key piece cut good replace}
spec=$(realpath tests/vm/build.yaml)
out=${OUT:-target/vm}
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
lab=build-$$
net=haoscar-$lab
export HAOSCAR_LAB=$lab
kernel=linux-image-cloud-amd64
if [ -n "${OS:-}" ]; then
    sed "s/^domain: .*/&\nos: $OS/" "$spec" >"$work/os.yaml"
    spec=$work/os.yaml
    case $OS in ubuntu-*) kernel=linux-image-virtual ;; esac
fi
case " $cases " in *" grub "*) # no head is built by it
    sed '/^    image: head/d; /^  head: {/d; /^    disk:/d; /^    console:/d; s/^  boot: {}/  boot: { loader: grub }/' "$spec" >"$work/grub.yaml"
    spec=$work/grub.yaml
    ;;
esac
packages=$kernel,initramfs-tools,busybox,klibc-utils,zstd,grub-pc-bin,grub-efi-amd64-bin,grub2-common,sbd,fdisk,dosfstools,e2fsprogs,ipxe,udev,kmod,shim-signed,grub-efi-amd64-signed
guest= relay= build= other= client=
extra=() own=
case " $cases " in *" good "*)
    . tests/vm/confined.sh
    packages=$packages,apparmor
    truncate -s 64M "$work/leases.img"
    mke2fs -q -t ext4 -F "$work/leases.img"
    extra=(-drive "file=$work/leases.img,format=raw,if=none,id=d2,cache=unsafe,aio=threads" -device virtio-blk-pci,drive=d2,serial=LEASES)
    ;;
esac
case " $cases " in *" two "* | *" nfs "* | *" drbd "*) # one more head that is built, and one that is only declared: an odd number of votes
    sed 's/^witnesses:/  head-3:\n    image: head\n    disk: { serial: HEAD3DISK }\n    console: ttyS0\n    nics:\n      eno1: { network: public, mac: "52:54:00:20:00:04", address: 192.0.2.14 }\n      eno2: { network: inside, mac: "52:54:00:20:00:14", address: 10.20.0.4 }\n    fence: { agent: fence_apc_snmp, ip: 10.20.1.1, port: 4, community: { secret: pdu } }\n  head-4:\n    nics:\n      eno1: { network: public, mac: "52:54:00:20:00:05", address: 192.0.2.15 }\n      eno2: { network: inside, mac: "52:54:00:20:00:15", address: 10.20.0.5 }\n    fence: { agent: fence_apc_snmp, ip: 10.20.1.1, port: 5, community: { secret: pdu } }\n&/
        s/heads: \[head-1, head-2\]/heads: [head-1, head-2, head-3]/' "$spec" >"$work/two.yaml"
    spec=$work/two.yaml
    ;;
esac
case " $cases " in *" nfs "* | *" drbd "*)
    . benches/guest.sh
    . benches/nfs/client.sh
    . tests/vm/files.sh
    packages=$packages,nfs-kernel-server
    kind=exclusive
    case " $cases " in *" drbd "*) kind=drbd packages=$packages,drbd-utils ;; esac
    sed 's!^  state: { kind: mounted.*!&\n  disk: { kind: '$kind', path: /srv/files, device: /dev/disk/by-id/virtio-FILES }!
        s!^services:!  files:\n    heads: [head-2, head-3]\n    addresses: { inside: 10.20.0.30 }\n    storage: disk\n    services: [home]\n\n&\n  home: { kind: nfs, backend: kernel, exports: [{ path: /srv/files/home, to: inside, access: rw }] }!' "$spec" >"$work/files.yaml"
    case $kind in
    exclusive)
        spec=$work/files.yaml
        truncate -s 1G "$work/files.img"
        mke2fs -q -t ext4 -F "$work/files.img"
        extra=(-drive "file=$work/files.img,format=raw,if=none,id=d1,cache=unsafe,aio=threads,file.locking=off" -device virtio-blk-pci,drive=d1,serial=FILES,share-rw=on)
        ;;
    drbd) # both heads must be there when it begins
        own=yes
        truncate -s 1G "$work/own-HEAD2DISK.img" "$work/own-HEAD3DISK.img"
        ;;
    esac
    ;;
esac
case " $cases " in *" macs "*)
    . tests/vm/macs.sh
    packages=$packages,lldpd
    ;;
esac
case " $cases " in *" nodes "*)
    . tests/vm/nodes.sh
    nodes_spec "$spec" "$work/site"
    spec=$work/site
    ;;
esac
ends() {
    for process in $guest $other $relay $build $client; do kill -KILL "$process" 2>/dev/null || true; done
    "$haoscar" lab down "$lab" -q || true
    rm -rf "$work"
}
trap ends EXIT
trap 'exit 130' INT TERM
fail() {
    echo "FAILED: $*" >&2
    [ -z "${HOLD:-}" ] || { echo "held: HAOSCAR_LAB=$lab; ends when $out/hold is gone" >&2; : >"$out/hold"; while [ -e "$out/hold" ]; do sleep 1; done; }
    exit 1
}
on() { "$haoscar" lab exec "$1" -- sh -c "$2"; }
say() { printf '%7.1f s  %s\n' "$(awk -v a="$(date +%s%N)" -v b="$begin" 'BEGIN { print (a - b) / 1e9 }')" "$*"; }
begin=$(date +%s%N)

"$haoscar" lab up "$spec" --name "$lab" --hosts head-1,arbiter --packages "$packages" -q
# a real head has devices, modules and a console; a namespace has them from the machine, so the lab's root does without
on head-1 'cd /etc/systemd/system && for unit in *; do [ "$(readlink "$unit")" != /dev/null ] || rm "$unit"; done
    ln -s /dev/null run-rpc_pipefs.mount; rm -f /etc/resolv.conf; : >/etc/resolv.conf; ssh-keygen -A >/dev/null
    cat >lab-keeper.service <<UNIT
[Unit]
Description=The fence devices of the lab, for a guest
ConditionPathExists=!/run/haoscar-lab/socket
Before=pacemaker.service
[Service]
ExecStartPre=mkdir -p /run/haoscar-lab
ExecStart=socat UNIX-LISTEN:/run/haoscar-lab/socket,fork TCP:10.20.255.254:7700
[Install]
WantedBy=multi-user.target
UNIT
    mkdir -p multi-user.target.wants; ln -sf ../lab-keeper.service multi-user.target.wants/'
# where a guest is emulated, and another one beside it, udev may take longer than systemd waits for a disk
on head-1 'mkdir -p /etc/systemd/system.conf.d; printf "[Manager]\nDefaultDeviceTimeoutSec=5min\n" >/etc/systemd/system.conf.d/emulated.conf'
case " $cases " in *" good "*) on head-1 'systemctl enable --quiet apparmor' ;; esac # the lab's root has its units off
# of the image only: a namespace loads no modules
on head-1 'echo softdog >/etc/modules-load.d/watchdog.conf'
# heads reach the other members by ssh, as an administrator has set it up
on head-1 'mkdir -p -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519'
key=$(on head-1 'cat /root/.ssh/id_ed25519.pub')
on arbiter "ssh-keygen -A >/dev/null; mkdir -p -m 700 /root/.ssh /run/sshd; echo '$key' >/root/.ssh/authorized_keys; systemctl enable --quiet --now ssh"
on head-1 "echo 'arbiter,10.20.0.3 $(on arbiter 'cut -d" " -f1,2 /etc/ssh/ssh_host_ed25519_key.pub')' >/root/.ssh/known_hosts"
case " $cases " in *" nodes "*) nodes_system ;; esac
"$haoscar" apply "$spec" --adopt --yes >"$out/apply.txt" 2>&1 || { cat "$out/apply.txt"; fail "apply"; }
switch=$(ip netns exec "$net" ip -o -4 address show dev wire0 | awk '{ print $4 }' | cut -d/ -f1 | head -1)
[ "$switch" = 10.20.255.254 ] || fail "the switch is $switch on the inside"
ip netns exec "$net" socat TCP-LISTEN:7700,fork,reuseaddr "UNIX-CONNECT:/run/haoscar/lab/$lab/keeper/socket" &
relay=$!
say "head-1 and arbiter serve"
case " $cases " in *" grub "* | *" nodes "* | *" macs "*) ;; *)
    "$haoscar" image capture head --spec "$spec" 2>&1 | tail -1
    say "the image is taken"
    ;;
esac
for tap in 0 1 2 3; do
    ip netns exec "$net" ip tuntap add "tap$tap" mode tap
    ip netns exec "$net" ip link set "tap$tap" master "wire$((tap % 2))" up
done

ovmf=/usr/share/OVMF
machine() { # NAME DISK-GIB MAC [uefi|http]: a machine with an empty disk is switched on
    console=$out/build-$1.txt
    firmware=() card= machine=q35
    case ${4:-bios} in
    secure) # Microsoft's keys are in its memory, and it runs what they have signed alone
        cp $ovmf/OVMF_VARS_4M.ms.fd "$work/vars.fd"
        firmware=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$ovmf/OVMF_CODE_4M.secboot.fd" -drive "if=pflash,format=raw,unit=1,file=$work/vars.fd"
            -global driver=cfi.pflash01,property=secure,value=on)
        card=,romfile= machine=q35,smm=on
        ;;
    uefi | http) # the firmware's own memory; its own way to boot from the network, and not the card's
        cp $ovmf/OVMF_VARS_4M.fd "$work/vars.fd"
        firmware=(-drive "if=pflash,format=raw,unit=0,readonly=on,file=$ovmf/OVMF_CODE_4M.fd" -drive "if=pflash,format=raw,unit=1,file=$work/vars.fd")
        card=,romfile=
        ;;
    esac
    # what it would try before HTTP
    case ${4:-} in http) for version in 4 6; do firmware+=(-fw_cfg "name=opt/org.tianocore/IPv${version}PXESupport,string=n"); done ;; esac
    rm -f "$work/disk.img"
    truncate -s "$2G" "$work/disk.img"
    : >"$console"
    power "$3"
}
power() { # MAC of the card that boots; what is behind it is head-2's machine, where nothing else is said
    local disk=${disk:-$work/disk.img} serial=${serial:-HEAD2DISK} second=${second:-52:54:00:20:00:02} taps=${taps:-tap0 tap1}
    [ -z "$own" ] || extra=(-drive "file=$work/own-$serial.img,format=raw,if=none,id=d1,cache=unsafe,aio=threads" -device virtio-blk-pci,drive=d1,serial=FILES)
    printf '%q ' exec ip netns exec "$net" qemu-system-x86_64 -machine "${machine:-q35}" -accel tcg,thread=multi -cpu max -smp 2 -m 1536 -display none -serial "file:$console" \
        -drive "file=$disk,format=raw,if=none,id=d0,cache=unsafe,aio=threads" -device virtio-blk-pci,drive=d0,serial=$serial,bootindex=${diskindex:-1} \
        -netdev tap,id=n0,ifname=${taps% *},script=no,downscript=no -device "virtio-net-pci,netdev=n0,mac=$1,bootindex=2$card" \
        -netdev tap,id=n1,ifname=${taps#* },script=no,downscript=no -device "virtio-net-pci,netdev=n1,mac=$second,romfile=" \
        -object rng-random,id=r0,filename=/dev/urandom -device virtio-rng-pci,rng=r0 \
        -qmp "unix:$work/qmp-$serial,server=on,wait=off" "${firmware[@]}" "${extra[@]}" >"$work/start-$serial"
    sh "$work/start-$serial" &
    guest=$!
    echo $guest >"$work/pid-$serial"
}
off() { kill -KILL "$guest" 2>/dev/null || true; wait "$guest" 2>/dev/null || true; guest=; }
order() { # NAME [OPTION…]: the entry is opened, and watched
    said=$out/said-$1.txt before=$(fenced)
    "$haoscar" build head-2 "${@:2}" --yes --within "${within:-15m}" --spec "$spec" >"$said" 2>&1 &
    build=$!
    until_said 120 "ready: switch head-2 on"
}
abandoned() { # the machine goes off, and nobody waits for it any more
    off
    kill "$build"
    wait "$build" 2>/dev/null || true
    build=
}
until_said() { # SECONDS WORDS
    for _ in $(seq $(($1 * 5))); do
        grep -q "$2" "$said" && return 0
        kill -0 "$build" 2>/dev/null || break
        sleep 0.2
    done
    grep -q "$2" "$said" || { tail -20 "$said" "$console" 2>/dev/null; fail "\"$2\" was not said within $1 s"; }
}
refused() { # WORDS: the build ends with them, and the cluster is as it was
    local status=0
    until_said 240 "$1"
    wait "$build" || status=$?
    build=
    off
    [ "$status" = 1 ] || fail "haoscar build ended with $status"
    grep -q "its kernel's log: $store/builds/head-2/log on head-1" "$said" || { tail -5 "$said"; fail "no log is named"; }
    on head-1 "grep -q 'Linux version' $store/builds/head-2/log" || fail "the kernel's log is not kept"
    on arbiter 'crm_mon -1 -r' | grep -q 'head-2' && fail "head-2 is known to the engine"
    say "refused as it must be: $(grep -m1 "$1" "$said" | sed 's/^error: //')"
}
refuses() { # WORDS [OPTION…]: haoscar build refuses, with 107
    local status=0
    for _ in $(seq 60); do # the engine has not yet noticed, or has no quorum yet
        status=0
        "$haoscar" build head-2 "${@:2}" --yes --spec "$spec" >"$out/refused.txt" 2>&1 || status=$?
        [ "$status" = 107 ] && grep -q "$1" "$out/refused.txt" && { say "refused as it must be: $(grep -m1 ^error "$out/refused.txt")"; return; }
        sleep 1
    done
    cat "$out/refused.txt"
    fail "haoscar build ended with $status, and did not say: $1"
}
joins() { # the guest that was ordered is switched on blank, and becomes a member
    begin=$(date +%s%N)
    until_said 300 "head-2: writing"
    "$haoscar" status --spec "$spec" >"$out/status.txt" 2>&1 || true
    grep '^head-2 is being built: ' "$out/status.txt" || { cat "$out/status.txt"; fail "status does not say that it is built"; }
    until_said "${LIMIT:-600}" "head-2 is a member$\|error:"
    wait "$build" || { tail -30 "$said"; fail "haoscar build"; }
    build=
    say "switched on blank, and a member"
    sed -n 's/^\[ *\([0-9.]* s\)\] head-2: /    \1  /p' "$said"
    on head-1 'haoscar plan --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after it is not empty"; }
    inside_head 'findmnt -n /var/log >/dev/null && [ "$(stat -c %U%a /var/log)" = root755 ] && swapon --noheadings | grep -q /dev/ && [ -b /dev/disk/by-partlabel/spare ] && [ -z "$(wipefs -n /dev/disk/by-partlabel/spare)" ]' || fail "the disk is not divided as the spec says"
    inside_head 'for card in eno1 eno2; do ip link show dev "$card" up >/dev/null || exit; done' || { inside_head 'ip -br link; journalctl -b | grep -i rename'; fail "its cards have not the names that the spec gives them"; }
    say "a plan is empty, the disk is divided, and cards have their names"
    [ "$(fenced)" = "$before" ] || fail "head-2 was fenced: $(fenced)"
}
fenced() { on arbiter 'stonith_admin --history head-2 --quiet 2>/dev/null | grep -v "^0"' || true; }
seen() { on head-1 'crm_mon -1 --output-as=xml' 2>/dev/null | grep '<node name="head-2"' | grep -o "$1=\"[a-z]*\"" | cut -d'"' -f2; }
inside_head() { on head-1 "ssh -o BatchMode=yes head-2 '$1'"; }
whole() { # the engine has all three, and nobody was fenced
    for member in head-1 head-2 arbiter; do
        on arbiter 'crm_mon -1 --output-as=xml' | grep "<node name=\"$member\"" | grep -q 'online="true".*unclean="false"' ||
            { on arbiter 'crm_mon -1 -r'; fail "$member is not whole: $1"; }
    done
    [ "$(fenced)" = "$before" ] || fail "head-2 was fenced: $1"
}
serving() { # the MAC of the card that has the group's address, as a client sees it; nothing where nobody answers
    ip netns exec "$net" ip neigh flush to 192.0.2.10 2>/dev/null || true
    ip netns exec "$net" curl -s -m 3 -o /dev/null http://192.0.2.10/ || return 0
    ip netns exec "$net" ip neigh show 192.0.2.10 | grep -o '52:54:[0-9a-f:]*' || true
}
explain() { # what the members say, where something is not as it must be
    on arbiter 'crm_mon -1 -rAf; crm_simulate -sL | grep -E "control-(address|portal)"'
    for member in head-1 arbiter; do
        on "$member" 'journalctl --no-pager -n 4000 -u pacemaker -u corosync | grep -E "Actions:|warning|error|failed" | tail -25'
    done
    inside_head 'journalctl --no-pager -n 4000 | grep -v -E "sshd|systemd-logind" | tail -60' || true
}
until_serves() { # SECONDS MAC
    for _ in $(seq $(($1 * 5))); do [ "$(serving)" = "$2" ] && return 0; sleep 0.2; done
    explain
    ip netns exec "$net" curl -sS -m 10 -o /dev/null http://192.0.2.10/ || true
    ip netns exec "$net" ip neigh show
    fail "within $1 s the portal is not that of $2"
}
watches() { # a member that runs gets a watchdog; a clock that jumps moves nothing; who is cut off resets itself, and only then others serve
    local reset= served= since
    before=$(fenced)
    # the lab has no power switch for a guest: its watchdog is all that there is
    sed 's/^    console: ttyS0.*/&\n    watchdog: \/dev\/watchdog/; /fence: .*port: 2,/d' "$spec" | "$haoscar" lab exec head-1 -- sh -c 'cat >/root/watched.yaml'
    on head-1 'haoscar plan --spec /root/watched.yaml' >"$out/watchdog-plan.txt" || { cat "$out/watchdog-plan.txt"; fail "plan"; }
    grep 'the engine of head-2 is started anew: .*in maintenance' "$out/watchdog-plan.txt" || { cat "$out/watchdog-plan.txt"; fail "the plan does not say it"; }
    on head-1 'haoscar apply --spec /root/watched.yaml --yes' >"$out/watchdog-apply.txt" 2>&1 || { cat "$out/watchdog-apply.txt"; fail "apply"; }
    on head-1 'haoscar plan --spec /root/watched.yaml --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after it is not empty"; }
    [ "$(inside_head 'systemctl is-active sbd')" = active ] || fail "sbd does not run"
    whole "it got a watchdog"
    say "head-2 has a watchdog, and a plan is empty"
    on head-1 'haoscar switchover control --to head-2 --spec /root/watched.yaml --yes' || { explain; fail "switchover"; }
    until_serves 60 52:54:00:20:00:02
    for step in '+1 hour' '-2 hours' '+1 hour'; do
        inside_head "date -s \"$step\"" >/dev/null
        for _ in $(seq 10); do sleep 1; whole "its clock was set by $step"; done
        [ "$(serving)" = 52:54:00:20:00:02 ] || fail "the group moved when its clock was set by $step"
    done
    say "its clock was set by an hour and back: nothing moved, nobody was fenced"
    (echo '{"execute":"qmp_capabilities"}'; sleep 120) | socat - "UNIX-CONNECT:$work/qmp-HEAD2DISK" >"$work/events" 2>/dev/null &
    relay="$relay $!"
    for tap in tap0 tap1; do ip netns exec "$net" ip link set "$tap" down; done
    since=$(date +%s%N)
    took() { awk -v a="$(date +%s%N)" -v b="$since" 'BEGIN { printf "%.1f s", (a - b) / 1e9 }'; }
    until_serves 60 52:54:00:20:00:01
    say "head-1 serves $(took) after the cut"
    # by the clock that all of them share: when QEMU was told, and when the first address was head-1's
    reset=$(grep -m1 '"RESET"' "$work/events" | sed 's/.*"seconds": \([0-9]*\), "microseconds": \([0-9]*\).*/\1 \2/' | awk '{ printf "%d%06d000", $1, $2 }')
    [ -n "$reset" ] || fail "head-1 serves, and head-2 was never reset"
    served=$(on head-1 "journalctl --no-pager --output=short-unix --since=-2min -u pacemaker" | grep 'Requesting local execution of start operation for control-address' | tail -2 | head -1 | cut -d' ' -f1 | awk '{ printf "%.0f", $1 * 1e9 }')
    between() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f s", (b - a) / 1e9 }'; }
    say "cut off, head-2 reset itself after $(between "$since" "$reset"); head-1 had its first address after $(between "$since" "$served")"
    [ "${served:-0}" -gt 0 ] || fail "head-1's journal has no start of an address"
    [ "$reset" -lt "$served" ] || fail "head-1 took the address while head-2 still ran"
    for tap in tap0 tap1; do ip netns exec "$net" ip link set "$tap" up; done
    for _ in $(seq 300); do [ "$(seen online)" = true ] && break; sleep 1; done
    [ "$(seen online)" = true ] || fail "head-2 does not come back"
    for _ in $(seq 60); do on head-1 'haoscar plan --spec /root/watched.yaml --detailed-exitcode' >"$out/plan.txt" && break; sleep 1; done
    on head-1 'haoscar plan --spec /root/watched.yaml --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after it is not empty"; }
    say "head-2 is back by itself, and a plan is empty"
}
known_off() { # the guest that was a member is off, and the engine knows it
    for _ in $(seq 120); do [ "$(seen online)" = false ] && [ "$(seen unclean)" = false ] && break; sleep 0.5; done
    if [ "$(seen unclean)" = true ]; then # the lab has no power switch for a guest
        refuses "is a member of the cluster, lost, and not known to be off" --replace
        on head-1 'haoscar fenced head-2 --i-saw-it-off' || fail "fenced"
    fi
    refuses "is a member of the cluster$"
}
store=/srv/state/haoscar-images
inside=52:54:00:20:00:12
for case in $cases; do
    case $case in
    mac) # another machine that boots gets nothing
        order mac
        machine mac 8 52:54:00:99:99:99
        for _ in $(seq 90); do on head-1 'cat /srv/state/dhcp/*leases4*' | grep -q 52:54:00:99:99:99 && break; sleep 1; done
        sleep 30 # iPXE waits for IPv6 before it asks for its script
        off
        [ ! -s "$console" ] || fail "it has booted something: $(tail -3 "$console")"
        on head-1 "cat $store/builds/head-2/said 2>/dev/null" | grep . && fail "it was let in"
        kill "$build"; wait "$build" 2>/dev/null || true; build=
        "$haoscar" build head-2 --cancel --spec "$spec" | grep -q 'its build is over' || fail "the entry stays"
        say "another machine got nothing"
        ;;
    disk) order disk; machine disk 1 $inside; refused "disk failed: .*has 1.0 GiB, and the image and the layout need" ;;
    key) # a manifest that somebody else has signed
        order key
        on head-1 "cd $store/head/* && cp manifest.json.sig /root/sig && ssh-keygen -q -t ed25519 -N '' -f /root/other && rm manifest.json.sig && ssh-keygen -q -Y sign -n image@haoscar -f /root/other manifest.json"
        machine key 8 $inside
        refused "is not signed by this cluster's key"
        on head-1 "cp /root/sig $store/head/*/manifest.json.sig"
        ;;
    piece) # a piece that is damaged on the head
        order piece
        on head-1 "f=\$(ls -S $store/pieces/*/* | head -1); cp \$f /root/piece; echo \$f >/root/of; printf damage | dd of=\$f bs=1 seek=5000 conv=notrunc status=none"
        machine piece 8 $inside
        refused "writing failed: piece .* is damaged"
        on head-1 'cp /root/piece "$(cat /root/of)"'
        ;;
    cut) # its power is cut while it is written to; the entry is used up, and it is built when that is said again
        order cut
        machine cut 8 $inside
        until_said 240 "writing .* of "
        off
        power $inside
        sleep 45
        [ "$(on head-1 "grep -c begun $store/builds/head-2/said")" = 1 ] || fail "the entry was used twice"
        abandoned
        say "cut while it was written to: it does not begin again by itself"
        ;;
    cuts) # in each stage; said again, it is built from the beginning
        for stage in partitioning proving identity loader restarting; do
            order cuts
            machine cuts 8 $inside
            until_said 300 "head-2: $stage"
            abandoned
            say "cut in $stage: $(on head-1 "grep -c . $store/builds/head-2/said") words were said"
        done
        ;;
    away) # the head's cable is out for half a minute, and its server dies again and again: the machine waits, and goes on
        order away
        machine away 8 $inside
        until_said 240 "writing .* of "
        "$haoscar" lab fault link head-1 --network inside -q
        sleep 30
        "$haoscar" lab fault link head-1 --network inside --heal -q
        for _ in $(seq 20); do on head-1 'systemctl kill --signal=KILL haoscar-images' || true; sleep 0.5; done
        until_said 400 "head-2: identity"
        grep -q "waiting" "$console" || fail "the machine never noticed"
        abandoned
        say "the server was lost while it was written to: it waited, and every byte was proven"
        ;;
    late) # nobody comes in after its time
        within=1m order late
        sleep 65
        machine late 8 $inside
        sleep 60
        off
        [ ! -s "$console" ] || fail "it has booted something: $(tail -3 "$console")"
        status=0
        wait "$build" || status=$?
        build=
        [ "$status" = 124 ] || { tail -5 "$said"; fail "haoscar build ended with $status"; }
        say "too late, and it got nothing: $(grep -m1 ^error "$said")"
        ;;
    good)
        order good
        machine good 8 $inside
        joins
        confined
        "$haoscar" lab fault power head-1 -q
        serves= # the portal answers, and it is head-2's card that does
        for _ in $(seq 120); do
            answer=$(ip netns exec "$net" curl -s -m 1 -o /dev/null -w '%{http_code}' http://192.0.2.10/ || true)
            card=$(ip netns exec "$net" ip neigh show 192.0.2.10)
            case $answer$card in 200*52:54:00:20:00:02*) serves=yes && break ;; esac
            sleep 0.5
        done
        [ -n "$serves" ] || { on arbiter 'crm_mon -1 -r'; fail "head-2 does not serve: $answer, $card"; }
        say "head-1's power was cut, and head-2 serves"
        off
        ;;
    nodes) nodes_run ;;
    macs) macs_run ;;
    node | grub) # a kernel, and an init that tells what it was told
        mkdir -p "$work/node/"{bin,proc,dev}
        cp "$(command -v busybox)" "$work/node/bin/"
        cat >"$work/node/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
/bin/busybox dmesg | /bin/busybox sed -n 's/.*[Ss]ecure boot/NODE secure boot/p'
/bin/busybox sed 's/^/NODE /' /proc/cmdline
/bin/busybox echo NODE ends
/bin/busybox poweroff -f
INIT
        chmod +x "$work/node/init"
        on head-1 'cd /srv/state/boot && mkdir -p images/compute && cp /boot/vmlinuz-* images/compute/vmlinuz'
        (cd "$work/node" && find . | cpio -o -H newc --quiet) | "$haoscar" lab exec head-1 -- sh -c 'cat >/srv/state/boot/images/compute/initrd.img'
        case $case in node) ways="bios uefi http" ;; grub) ways="bios uefi secure" ;; esac
        for how in $ways; do
            machine "$case-$how" 1 52:54:00:20:02:01 "$how"
            for _ in $(seq 240); do grep -q '^NODE ends' "$console" && break; sleep 0.5; done
            off
            grep -q '^NODE .*BOOTIF=01-52-54-00-20-02-01 console=ttyS0 told=by-its-image' "$console" || { tail -5 "$console"; fail "the node does not boot by $how"; }
            case $how in secure) grep -q 'NODE secure boot enabled' "$console" || fail "Secure Boot was not enabled" ;; esac
            say "a node boots its image by $case, $how"
        done
        ;;
    uefi | http)
        case $(seen online) in '') order "$case" ;; *) known_off; order "$case" --replace ;; esac
        machine "$case" 8 $inside "$case"
        joins
        inside_head '[ -d /sys/firmware/efi ] && findmnt -n -o FSTYPE /boot/efi' | grep -qx vfat || fail "it does not boot by UEFI from its own disk"
        taken=$(on head-1 'journalctl --no-pager -o cat -u dnsmasq | grep -c "sent .*snponly.efi"' || true)
        case $case-$taken in http-0) ;; http-*) fail "it was given its boot file by TFTP" ;; *-0) fail "TFTP gave nothing" ;; esac
        say "by UEFI, from the network and from its own disk"
        off
        ;;
    two | nfs | drbd)
        case $case in nfs | drbd)
            switched head-2 HEAD2DISK
            switched head-3 HEAD3DISK
            ;;
        esac
        order two
        "$haoscar" build head-3 --yes --within 15m --spec "$spec" >"$out/said-three.txt" 2>&1 &
        third=$!
        for _ in $(seq 600); do grep -q "ready: switch head-3 on" "$out/said-three.txt" && break; sleep 0.2; done
        firmware=() card= console=$out/build-three.txt
        truncate -s 8G "$work/three.img"
        disk=$work/three.img serial=HEAD3DISK second=52:54:00:20:00:04 taps='tap2 tap3' power 52:54:00:20:00:14
        other=$guest guest=
        machine two 8 $inside
        until_said 900 "head-2 is a member$\|error:"
        wait "$build" || { tail -30 "$said"; fail "haoscar build head-2"; }
        build=
        wait "$third" || { tail -30 "$out/said-three.txt"; fail "haoscar build head-3"; }
        # guests that have just come up may be too slow to answer at once
        for _ in $(seq 12); do on head-1 'haoscar plan --detailed-exitcode' >"$out/plan.txt" && break; sleep 5; done
        on head-1 'haoscar plan --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after it is not empty"; }
        for head in head-2 head-3; do
            on arbiter 'crm_mon -1 --output-as=xml' | grep "<node name=\"$head\"" | grep -q 'online="true".*unclean="false"' || fail "$head is no member"
        done
        say "two machines were built at once, both are members, and a plan is empty"
        case $case in
        nfs) files_move ;;
        drbd)
            disks_begin
            disks_change
            files_move
            disks_lost
            ;;
        esac
        off
        kill -KILL "$other" 2>/dev/null || true; wait "$other" 2>/dev/null || true; other=
        ;;
    watchdog)
        order watchdog
        machine watchdog 8 $inside
        joins
        watches
        off
        ;;
    replace)
        known_off
        order replace --replace
        machine replace 8 $inside
        joins
        off
        ;;
    *) fail "no such case: $case" ;;
    esac
done
