# initramfs-tools(7): boot=haoscar-node. A node runs its image, in memory or on its disk; or tries again.
mountroot() {
    wait_for_udev 10
    configure_networking
    export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
    if /usr/sbin/haoscar install && mount -t ext4 -o rw "$(cat /run/haoscar-root)" "$rootmnt"; then
        return 0
    fi
    echo "haoscar: this node does not start; it tries again in a minute. Its head was told why: journalctl -u haoscar-images" >&2
    sleep 60
    reboot -f
}
