#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for pass in 1 2 3 4; do for module in /modules/*.ko; do insmod "$module" 2>/dev/null; done; done
ip link set lo up; ip link set eth0 name eno1; ip address add 10.30.0.1/24 dev eno1; ip link set eno1 up
mkdir -p /new
mount -t ext4 -o rw /dev/vda /new
umount /proc; umount /sys; mount --move /dev /new/dev
exec switch_root /new /lib/systemd/systemd
