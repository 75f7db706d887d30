# initramfs-tools(7): boot=haoscar-ask. A machine that nobody knows says who it is, waits for a name, and starts again.
mountroot() {
    wait_for_udev 10
    configure_networking
    export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
    /usr/sbin/haoscar install --introduce || sleep 60
    reboot -f
}
