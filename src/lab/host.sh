# The first process of a lab host, in namespaces of its own: makes the host's file system and becomes systemd.
# Arguments: host name, root, the host's disk, the haoscar program, then pairs of a folder or a disk (a file) of the lab and its place.
set -eu
name=$1 lower=$2 disk=$3 program=$4
shift 4

# This machine's /proc is still here: it knows the pid by which the lab can find this process.
read -r pid _ </proc/self/stat
echo "$pid"
read -r _ # until the NICs are plugged in; ends here if the lab does

echo "$name" >/proc/sys/kernel/hostname
mount --make-rprivate /
mount -t overlay lab -o "lowerdir=$lower,upperdir=$disk/up,workdir=$disk/work" "$disk/root"
cd "$disk/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
# A panic of pacemaker would restart the machine that carries the lab.
[ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
mount --bind "$program" usr/sbin/haoscar
mount -o remount,bind,ro usr/sbin/haoscar
# disks that heads share are files, and mount(8) puts a loop device in front of one
if [ -e /dev/loop-control ]; then
    mknod dev/loop-control c 10 237
    for number in $(seq 0 63); do mknod "dev/loop$number" b 7 "$number"; done
fi
while [ $# -gt 1 ]; do
    if [ -d "$1" ]; then mkdir -p ".$2"; else mkdir -p ".${2%/*}" && : >".$2"; fi
    mount --bind "$1" ".$2"
    shift 2
done

pivot_root . old
umount -l /old
exec env -i container=haoscar-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=journal --show-status=0 </dev/null >/dev/null 2>&1
