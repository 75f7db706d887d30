# Sourced by build.sh (cases `nfs` and `drbd`): files by the kernel's own NFS server, on a disk that two guests reach and one may use, or
# on a disk of each that both write at once; and a kernel's NFS client with an open and locked file, through a power cut and a switchover.

# a power switch of a guest, for the lab's keeper
switched() { # HEAD SERIAL
    mkdir -p "/run/haoscar/lab/$lab/outside"
    cat >"/run/haoscar/lab/$lab/outside/$1" <<SWITCH
#!/bin/sh
pid=\$(cat $work/pid-$2 2>/dev/null)
runs() { kill -0 "\$pid" 2>/dev/null && [ "\$(cut -d' ' -f3 "/proc/\$pid/stat")" != Z ]; }
case \$1 in
status) runs || exit 2 ;;
off) kill -KILL "\$pid" 2>/dev/null; while runs; do sleep 0.05; done ;;
on) runs || { setsid sh $work/start-$2 </dev/null >/dev/null 2>&1 & echo \$! >$work/pid-$2; } ;;
esac
SWITCH
    chmod +x "/run/haoscar/lab/$lab/outside/$1"
}
carrier() { on arbiter "crm_resource --quiet --resource files-home --locate 2>/dev/null" | head -1; }
until_carried() { # SECONDS HEAD
    for _ in $(seq $(($1 * 2))); do [ "$(carrier)" = "$2" ] && return 0; sleep 0.5; done
    told_by_engine
    fail "within $1 s $2 does not carry the files"
}
told_by_engine() { # what is known, where something is not as it must be
    on arbiter 'crm_mon -1 -rAf' || true
    for member in head-2 head-3; do
        on head-1 "ssh -o BatchMode=yes $member 'journalctl --no-pager -n 400 -u nfs-server -u nfsdcld -u nfs-mountd -u pacemaker | tail -60; exportfs -v; mount | grep files'" || true
    done
}
has_disk() { on head-1 "ssh -o BatchMode=yes $1 'findmnt -n /srv/files'" >/dev/null 2>&1; }

in_step() { # HEAD: a plan is empty, and has asked that head
    for _ in $(seq 60); do
        on head-1 "haoscar plan --detailed-exitcode" >"$out/plan.txt" 2>&1 && ! grep -q "^? $1 unreachable" "$out/plan.txt" && return 0
        sleep 5
    done
    cat "$out/plan.txt"
    fail "$1 is not in step"
}

# heads two and three are members
files_move() {
    local first second line
    on arbiter 'crm_resource --wait --timeout=180' || { told_by_engine; fail "the engine does not settle"; }
    first=$(carrier)
    case $first in head-2) second=head-3 ;; head-3) second=head-2 ;; *) told_by_engine; fail "nobody carries the files: \"$first\"" ;; esac
    say "$first carries the files"
    ip netns exec "$net" ip tuntap add tap4 mode tap
    ip netns exec "$net" ip link set tap4 master wire0 up
    client_boots client.txt "$net" tap4 10.20.0.30:/srv/files/home 600
    until_told 240 READY
    say "a client has mounted them, with an open and locked file"
    sleep 5
    has_disk "$first" || fail "$first carries the files and has no disk"
    line=$(lines_told)
    "/run/haoscar/lab/$lab/outside/$first" off
    until_carried 120 "$second"
    sleep 20 # until the grace period is over, too
    has_disk "$second" || fail "$second carries the files and has no disk"
    for _ in $(seq 300); do on head-1 "ssh -o BatchMode=yes -o ConnectTimeout=2 $first true" 2>/dev/null && break; sleep 1; done
    case $case in drbd) until_same 120 ;; esac
    say "the power of $first was cut, $second carries them, $first is back: a write stalled $(longest append "$line") s, a new open $(longest open "$line") s"
    in_step "$first"
    line=$(lines_told)
    on head-1 "haoscar switchover files --to $first --yes" >"$out/switchover.txt" 2>&1 || { cat "$out/switchover.txt"; told_by_engine; fail "switchover"; }
    until_carried 60 "$first"
    has_disk "$second" && fail "$second still has the disk"
    has_disk "$first" || fail "$first carries the files and has no disk"
    sleep 30
    say "switched over to $first: a write stalled $(longest append "$line") s, a new open $(longest open "$line") s"
    until_told 600 ENDED
    on head-1 "ssh -o BatchMode=yes $first 'cat /srv/files/home/held'" >"$out/held.txt"
    read -r appended acknowledged lost errors < <(ended_with "$out/held.txt")
    say "$appended lines, $acknowledged acknowledged, $lost of them lost, $errors errors"
    [ "$lost" = 0 ] && [ "$errors" = 0 ] || fail "the client lost something"
    in_step "$second"
}

of_disks() { on head-1 "ssh -o BatchMode=yes -o ConnectTimeout=3 $1 'cat /proc/drbd; drbdadm $2 haoscar-disk'" 2>/dev/null | tail -1; }
until_same() { # SECONDS: both disks are the same, as both heads see it
    for _ in $(seq "$1"); do
        [ "$(of_disks head-2 dstate)$(of_disks head-3 dstate)" = UpToDate/UpToDateUpToDate/UpToDate ] && return 0
        sleep 1
    done
    told_by_engine
    for head in head-2 head-3; do on head-1 "ssh -o BatchMode=yes $head 'cat /proc/drbd; journalctl --no-pager -k | grep -i drbd | tail -40; ls -l /dev/disk/by-id'" || true; done
    fail "within $1 s the disks are not the same"
}
disks_begin() { # a group with two blank disks is applied to heads that are members
    "$haoscar" lab exec head-1 -- sh -c 'cat >/root/files.yaml' <"$work/files.yaml"
    on head-1 'haoscar apply --spec /root/files.yaml --yes' >"$out/drbd-apply.txt" 2>&1 || { cat "$out/drbd-apply.txt"; told_by_engine; fail "apply"; }
    on head-1 'haoscar plan --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after it is not empty"; }
    until_same 30
    say "two blank disks were taken, and a plan is empty"
}
# a setting is taken up by both heads while the file system is in use: a template of the site's own has another one
disks_change() {
    local with before
    with=$(carrier)
    mounted() { on head-1 "ssh -o BatchMode=yes $with 'grep \" /srv/files \" /proc/self/mountinfo'"; }
    before=$(mounted)
    on head-1 'mkdir -p /root/site/templates/storage && cp /root/files.yaml /root/site/cluster.yaml &&
        haoscar explain template storage/drbd.res.hbs | sed "s/c-min-rate 20M/c-min-rate 31M/" >/root/site/templates/storage/drbd.res.hbs &&
        haoscar apply --spec /root/site --yes' >"$out/drbd-change.txt" 2>&1 || { cat "$out/drbd-change.txt"; told_by_engine; fail "apply of another setting"; }
    for head in head-2 head-3; do
        on head-1 "ssh -o BatchMode=yes $head 'drbdsetup show haoscar-disk'" >"$out/drbd-show.txt"
        grep -q 'c-min-rate.*31744k' "$out/drbd-show.txt" || { cat "$out/drbd-show.txt"; fail "$head has not taken up the other setting"; }
    done
    [ "$(carrier)" = "$with" ] && [ "$before" ] && [ "$(mounted)" = "$before" ] || { told_by_engine; fail "another setting has moved or unmounted the files"; }
    on head-1 'haoscar plan --detailed-exitcode' >"$out/plan.txt" || { cat "$out/plan.txt"; fail "a plan after another setting is not empty"; }
    until_same 10
    say "another setting was taken up by both while $with served"
}
# the head that does not carry is off while files are written, then the other one too; the older copy is back first
disks_lost() {
    local with without
    with=$(carrier)
    case $with in head-2) without=head-3 ;; *) without=head-2 ;; esac
    until_same 60
    "/run/haoscar/lab/$lab/outside/$without" off
    for _ in $(seq 60); do on arbiter "crm_mon -1 --output-as=xml" | grep "<node name=\"$without\"" | grep -q 'online="false"' && break; sleep 1; done
    on head-1 "ssh -o BatchMode=yes $with 'echo late >/srv/files/home/late && sync'" || fail "nothing can be written while $without is off"
    "/run/haoscar/lab/$lab/outside/$with" off
    "/run/haoscar/lab/$lab/outside/$without" on
    for _ in $(seq 400); do [ "$(carrier)" ] && has_disk "$(carrier)" && break; sleep 1; done
    with=$(carrier)
    [ "$(on head-1 "ssh -o BatchMode=yes $with 'cat /srv/files/home/late'")" = late ] || { told_by_engine; fail "what was written while $without was off is lost"; }
    until_same 240
    say "both were off, and $without with the older copy was on first: nothing is lost, $with carries the files"
    # a disk that is new
    case $with in head-2) without=head-3 serial=HEAD3DISK ;; *) without=head-2 serial=HEAD2DISK ;; esac
    "/run/haoscar/lab/$lab/outside/$without" off
    rm "$work/own-$serial.img"
    truncate -s 1G "$work/own-$serial.img"
    "/run/haoscar/lab/$lab/outside/$without" on
    for _ in $(seq 120); do [ "$(of_disks "$with" cstate)" = WFConnection ] && break; sleep 0.5; done
    until_same 400
    say "$without has a new disk, and it is filled"
    in_step "$without"
}
