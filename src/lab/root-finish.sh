#!/bin/sh
# Makes a bare root of a root that mmdebstrap has filled: what packages enabled is off, what would be the same on
# every host is gone. $1 is the root. A part of the root's cache key: a change here builds a new one.
set -eu
root=$1
units=$root/etc/systemd/system

# Only what haoscar enables may run; drop-ins of packages stay.
find "$units" -mindepth 1 -maxdepth 1 ! -name '*.d' -exec rm -rf {} +

# A SysV script starts at boot unless a unit of its name stands for it; `systemctl enable` needs the links of those.
for script in "$root"/etc/init.d/*; do
    name=$(basename "$script")
    [ -e "$root/lib/systemd/system/$name.service" ] || rm -f "$script" "$root"/etc/rc?.d/[SK][0-9][0-9]"$name"
done

# Neither hardware nor kernel settings are a lab host's to touch; portmap would answer before ganesha may.
for unit in getty.target rpcbind.service rpcbind.socket run-rpc_pipefs.mount \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
    systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service \
    systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service systemd-logind.service \
    systemd-logind-varlink.socket \
    systemd-ask-password-wall.path modprobe@.service kmod-static-nodes.service; do
    ln -sf /dev/null "$units/$unit"
done

# Secrets and identities that the packages made are not shared.
rm -rf "$root/etc/corosync/qnetd/nssdb" "$root"/etc/ssh/ssh_host_*
rm -f "$root/etc/munge/munge.key" "$root/etc/resolv.conf" "$root/var/lib/dbus/machine-id"
: >"$root/etc/resolv.conf"
: >"$root/etc/machine-id"

# NFS-Ganesha 6 exports no tmpfs, which a lab's storages are; it asks mtab, so mtab says otherwise from its start on.
mkdir -p "$root/usr/lib/systemd/system/nfs-ganesha.service.d"
cat >"$root/usr/lib/systemd/system/nfs-ganesha.service.d/lab.conf" <<'CONF'
[Service]
ExecStartPre=/bin/sh -c "sed '/^haoscar-storage /s/ tmpfs / ext4 /' /proc/self/mounts >/etc/mtab.lab && mv -f /etc/mtab.lab /etc/mtab"
CONF

# A namespace may not set the machine's clock; Ubuntu's chrony would not even start where that is so.
mkdir -p "$root/usr/lib/systemd/system/chrony.service.d"
printf '[Unit]\nConditionVirtualization=\n' >"$root/usr/lib/systemd/system/chrony.service.d/lab.conf"
printf 'DAEMON_OPTS="-F 1 -x"\n' >"$root/etc/default/chrony"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$root/etc/hosts"
rm -f "$root/etc/hostname"

# A client asks again at once: a lab's DHCP service comes and goes.
cat >"$root/etc/dhcp/dhclient.conf" <<'CONF'
timeout 30;
retry 1;
reboot 2;
select-timeout 0;
initial-interval 1;
backoff-cutoff 1;
request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, domain-search, host-name, ntp-servers, interface-mtu;
CONF

mkdir -p "$root/usr/lib/haoscar-lab" "$root/old"
: >"$root/usr/sbin/haoscar"
chmod 755 "$root/usr/sbin/haoscar"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* "$root"/usr/share/man/* "$root"/usr/share/doc/*
