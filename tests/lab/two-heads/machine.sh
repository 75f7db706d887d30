#!/bin/bash
# Two heads, a client and a bridge in namespaces of their own, without an engine: the ground for tests of the
# prober and the drill. Started by `unshare --mount --net --pid --fork --kill-child`; all of it dies with it.
# Usage: machine.sh ROOT WORK (a root with the daemons, read only; an empty folder)
set -e
here=$(dirname "$(readlink -f "$0")")
root=$1 work=$2
mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs work "$work"
mkdir -p "$work"/srv/{state/home,ganesha,kea}
ip link set lo up
ip link add bridge type bridge && ip link set bridge up

# plug NAME PID ADDRESS
plug() {
    ip link add "$1" type veth peer name eth0 netns "$2"
    ip link set "$1" master bridge up
    nsenter -t "$2" -n sh -c "ip link set lo up && ip addr add $3/16 dev eth0 && ip link set eth0 up"
}

boot() {
    setsid unshare --mount --net --pid --uts --ipc --fork --kill-child \
        "$here/head.sh" "$1" "$root" "$work" >"$work/$1.log" 2>&1 &
    local outer=$! pid=
    until [ -n "$pid" ]; do sleep 0.02; read -r pid <"/proc/$outer/task/$outer/children" || true; done
    echo "$pid" >"$work/$1.pid"
    plug "$1" "$pid" "$2"
}

unshare --net sleep infinity &
echo $! >"$work/client.pid"
sleep 0.2 # until the client is in its namespace
plug client "$(cat "$work/client.pid")" 10.20.0.200
boot head-1 10.20.0.1
boot head-2 10.20.0.2
until [ -e "$work/head-1.up" ] && [ -e "$work/head-2.up" ]; do sleep 0.05; done
nsenter -t "$(cat "$work/head-1.pid")" -m -n -p -r -w sh /serve.sh
echo ready
exec sleep infinity
