#!/bin/bash
# One head over an overlay of the root, with what serves the group in /serve.sh.
# Usage: head.sh NAME ROOT WORK, in its own namespaces
set -e
name=$1 root=$2 work=$3
mount --make-rprivate /
mkdir -p "$work/$name" && mount -t tmpfs head "$work/$name"
cd "$work/$name" && mkdir upper scratch root
mount -t overlay head -o "lowerdir=$root,upperdir=upper,workdir=scratch" root && cd root
hostname "$name"
mount -t proc proc proc
mount -t tmpfs dev dev
mount -t tmpfs run run
mount -t tmpfs tmp tmp
mount --bind "$work/srv" srv
for device in null zero full random urandom tty; do touch dev/$device && mount --bind /dev/$device dev/$device; done
mkdir -p run/kea run/ganesha run/chrony var/lib/nfs/ganesha

cat >etc/kea/drill.conf <<'K'
{"Dhcp4": {"interfaces-config": {"interfaces": ["eth0/10.20.0.10"], "dhcp-socket-type": "raw"},
 "lease-database": {"type": "memfile", "persist": true, "name": "/srv/kea/leases.csv"},
 "subnet4": [{"subnet": "10.20.0.0/16", "pools": [{"pool": "10.20.250.0-10.20.250.99"}]}]}}
K
cat >etc/ganesha/drill.conf <<'K'
NFS_CORE_PARAM { Protocols = 4; Bind_addr = 10.20.0.10; Enable_NLM = false; Enable_RQUOTA = false; }
NFSv4 { Minor_Versions = 0, 1, 2; Grace_Period = 6; Lease_Lifetime = 6; RecoveryBackend = fs;
        RecoveryRoot = /srv/ganesha; Only_Numeric_Owners = true; Graceless = false; }
EXPORT { Export_Id = 1; Path = /srv/state/home; Pseudo = /srv/state/home; Access_Type = RW; Squash = Root_Squash;
         SecType = sys; Transports = TCP; Protocols = 4; FSAL { Name = VFS; } }
K
printf 'local stratum 10\nallow all\n' >etc/chrony/drill.conf
cat >serve.sh <<'K'
exec </dev/null >/run/serve.log 2>&1
ip addr add 10.20.0.10/16 dev eth0
arping -U -c 1 -I eth0 10.20.0.10 &
dnsmasq --keep-in-foreground --conf-file=/dev/null --bind-dynamic --no-resolv --no-hosts \
    --host-record=control.oscar.example,10.20.0.10 &
chronyd -x -d -f /etc/chrony/drill.conf &
kea-dhcp4 -c /etc/kea/drill.conf &
ganesha.nfsd -F -L /run/ganesha.log -f /etc/ganesha/drill.conf -N NIV_EVENT -p /run/ganesha.pid &
K
touch "$work/$name.up"
mkdir -p old && pivot_root . old && umount -l old
exec sleep infinity
