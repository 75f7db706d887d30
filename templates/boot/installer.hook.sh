#!/bin/sh
# initramfs-tools(7): what the installer of haoscar needs beside the kernel's modules
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
copy_exec @PROGRAM@ /usr/sbin/haoscar
for program in sfdisk mke2fs mkswap mkfs.vfat e2fsck resize2fs tune2fs blkid chroot ssh-keygen udevadm; do
    path=$(command -v $program) || { echo "haoscar: $program is not installed" >&2; exit 1; }
    copy_exec "$path" "/usr/local/sbin/$program" # before busybox's, which know less
done
mkdir -p "$DESTDIR/etc/haoscar" "$DESTDIR/tmp"
cp @KEY@ "$DESTDIR@PLACE@"
# ssh-keygen asks who it is, and files belong to somebody
echo 'root:x:0:0::/root:/bin/sh' >"$DESTDIR/etc/passwd"
echo 'root:x:0:' >"$DESTDIR/etc/group"
manual_add_modules ext4 vfat nls_cp437 nls_ascii nls_iso8859_1 nls_utf8 efivarfs crc32c_generic
manual_add_modules zram lzo lzo_rle lz4 zstd # a node in memory; what zram compresses with
