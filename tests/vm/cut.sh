#!/usr/bin/env bash
# The power of a real kernel is cut in the middle of an apply: a QEMU guest with its own disk and page cache, killed at CUTS moments
# spread over the apply. After each the guest boots again: its files must be all as before or all as asked, haoscar must have said
# which before the engine started, the engine must run, and the same apply must go through.
# Needs QEMU (`packaging/setup.sh vm`) and the lab's root; the guest's kernel is Debian's, fetched once into the cache. Emulated
# (TCG): a boot takes some 40 s. Not in CI.
# Usage (root): tests/vm/cut.sh [HAOSCAR] [CUTS]
set -euo pipefail
cd "$(dirname "$0")/../.."
haoscar=$(realpath "${1:-target/release/haoscar}")
cuts=${2:-8}
out=${OUT:-target/vm}
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
guest=
ends() {
    [ -z "$guest" ] || kill -KILL "$guest" 2>/dev/null || true
    rm -rf "$work"
}
trap ends EXIT
trap 'exit 130' INT TERM
fail() { echo "$*" >&2; exit 1; }
. benches/guest.sh

# the lab's root builds itself with the first lab
"$haoscar" lab up specs/minimal.yaml --name "vm-$$" -q
root=$("$haoscar" lab status "vm-$$" --format json | sed -n 's/.*"root": *"\([^"]*\)".*/\1/p')
"$haoscar" lab down "vm-$$" -q
[ -d "$root" ] || fail "the lab's root is not known: $root"

disk() {
    local tree=$work/tree
    cp -a "$root" "$tree"
    cp "$haoscar" "$tree/usr/sbin/haoscar"
    mkdir -p "$tree/root/a" "$tree/root/b"
    cp specs/minimal.yaml "$tree/root/a/cluster.yaml"
    sed 's/tiny\.example/other.example/; s/  names: {}/  names: { forwarders: [192.0.2.53] }/; s/  time: {}/  time: { servers: [192.0.2.123] }/' \
        specs/minimal.yaml >"$tree/root/b/cluster.yaml"
    echo head-1 >"$tree/etc/hostname"
    install -m 755 tests/vm/guest.sh "$tree/usr/local/sbin/vm"
    cat >"$tree/etc/systemd/system/vm.service" <<'END'
[Unit]
After=haoscar-recover.service pacemaker.service haoscar.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/local/sbin/vm
END
    mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
    ln -s ../vm.service "$tree/etc/systemd/system/multi-user.target.wants/vm.service"
    mkfs.ext4 -q -d "$tree" "$work/first.img" 1500M
    rm -rf "$tree"
}
boot() { # DISK STAGE: the guest runs in the background, its console in a file
    console=$out/console-$2.txt
    : >"$console"
    qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -no-reboot -kernel "$kernel"/boot/vmlinuz-* \
        -initrd "$work/initramfs" -append "console=ttyS0 quiet systemd.log_target=null stage=${2%%-*}" -serial "file:$console" \
        -drive "file=$1,format=raw,if=virtio,cache=unsafe" -nic user,model=virtio-net-pci,mac=52:54:00:30:00:01 &
    guest=$!
}
told() { tr -d '\r' <"$console" | sed -n "s/^VM $1 *//p" | tail -1; }
until_told() { # SECONDS TEXT: at the beginning of a line, after the apply's own clock if there is one
    for _ in $(seq $(($1 * 20))); do
        grep -qE "^(VM |\[ *[0-9.]+ s\] )?$2" "$console" && return 0
        kill -0 "$guest" 2>/dev/null || break
        sleep 0.05
    done
    fail "the guest did not say \"$2\" within $1 s: $(tail -20 "$console")"
}
over() { wait "$guest" 2>/dev/null || true; guest=; }

kernel=$(guest_kernel)
guest_initramfs "$kernel" "virtio_blk failover net_failover virtio_net" tests/vm/init.sh
disk
boot "$work/first.img" first
until_told 300 DONE
old=$(told SUM)
over
cp --sparse=always "$work/first.img" "$work/second.img"
boot "$work/second.img" second
until_told 300 staging
begin=$(date +%s%N)
until_told 300 configuring
took=$((($(date +%s%N) - begin) / 1000000))
until_told 300 DONE
new=$(told SUM)
over
[ "$old" != "$new" ] || fail "the second spec changes nothing: nothing would be proven"
echo "from staging to the commit an apply takes $took ms in the guest; $cuts power cuts around that"
bad=0
for cut in $(seq "$cuts"); do
    cp --sparse=always "$work/first.img" "$work/cut.img"
    boot "$work/cut.img" "second-cut"
    until_told 300 staging
    at=$((took * 5 * (2 * cut - 1) / (8 * cuts))) # a few after the commit too
    sleep "$(awk -v ms=$at 'BEGIN { print ms / 1000 }')"
    kill -KILL "$guest" 2>/dev/null || fail "the apply had ended before the power was cut"
    over 2>/dev/null
    boot "$work/cut.img" check
    until_told 300 DONE
    over
    case $(told SUM) in
    "$old") is=old ;;
    "$new") is=new ;;
    *) is=mixed ;;
    esac
    order=$(told ORDER) engine=$(told ENGINE) said=$(told SAID)
    verdict=good
    [ $is != mixed ] && [ "$order" = "recovered first" ] && [ "$engine" = "active active" ] && [ "$(told AGAIN)" = "$new" ] || { verdict=BAD; bad=1; cp "$console" "$out/console-bad-$cut.txt"; }
    printf '%6d ms: %-5s %s, %s, engine %s; %s\n' $at $is $verdict "$order" "$engine" "${said:-nothing was open}"
done
exit $bad
