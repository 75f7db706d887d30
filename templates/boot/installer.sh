# initramfs-tools(7): boot=haoscar. The machine is made a head, and boots from its own disk; or goes off.
mountroot() {
    wait_for_udev 10
    configure_networking
    export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
    if /usr/sbin/haoscar install; then
        sync
        reboot -f
    fi
    echo "haoscar: this machine was not built; it goes off in a minute. The head that builds it says why: haoscar build --follow" >&2
    sleep 60
    poweroff -f
}
