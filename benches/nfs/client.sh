# Sourced: a QEMU guest whose kernel mounts an export, and what `writer.rs` in it has told on its console, `$out/$1`. Needs guest.sh;
# `$work` is a folder that goes, `$out` one that stays, `fail` ends.

# a tap of the switch's namespace, from where, for how long; answers by `$client`, the process
client_boots() { # CONSOLE NETNS TAP ADDRESS:PATH SECONDS
    local kernel
    client_console=$out/$1
    mkdir -p "$work/guest/bin"
    rustc --edition 2024 -O -C target-feature=+crt-static -o "$work/guest/bin/writer" benches/nfs/writer.rs
    kernel=$(guest_kernel)
    guest_initramfs "$kernel" "failover net_failover virtio_net netfs fscache sunrpc auth_rpcgss nfs_acl grace lockd dns_resolver nfs nfs_ssc nfsv4" \
        benches/nfs/init.sh
    : >"$client_console"
    ip netns exec "$2" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 1 -m 512 -display none -no-reboot \
        -kernel "$kernel"/boot/vmlinuz-* -initrd "$work/initramfs" -append "console=ttyS0 quiet from=$4 seconds=$5" \
        -serial "file:$client_console" -nic "tap,ifname=$3,script=no,downscript=no,model=virtio-net-pci,mac=52:54:00:71:02:01" &
    client=$!
}
told() { tr -d '\r' <"$client_console" | grep "$@" || true; }
until_told() { # SECONDS TEXT
    for _ in $(seq $(($1 * 5))); do [ -z "$(told "$2")" ] || return 0; sleep 0.2; done
    fail "the guest did not say \"$2\" within $1 s: $(tail -3 "$client_console")"
}
lines_told() { wc -l <"$client_console"; }
longest() { # KIND LINES: the longest stall told after so many lines of the console, in seconds
    tail -n +"$(($2 + 1))" "$client_console" | tr -d '\r' | awk -v kind="$1" '$1 == "STALL" && $2 == kind && $3 > max { max = $3 }
        END { printf "%.2f", max / 1000 }'
}
ended_with() { # HELD: how many lines were appended, acknowledged, lost (HELD has what is in the file now), and how many errors there were
    local appended acknowledged errors lost
    read -r _ appended _ acknowledged _ errors _ < <(told ENDED)
    [[ $appended$acknowledged$errors =~ ^[0-9]+$ ]] || fail "the guest did not say how it ended: $(tail -3 "$client_console")"
    # a line that was refused may be there or not; every other one must be
    lost=$(told '^ERROR append' | awk -v n="$appended" 'NR == FNR { seen[$1 + 0] = 1; next } { refused[$3] = 1 }
        END { for (i = 0; i < n; i++) if (!(i in seen) && !(i in refused)) lost++; print lost + 0 }' "$1" -)
    echo "$appended $acknowledged $lost $errors"
}
