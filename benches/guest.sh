# Sourced: what a QEMU guest boots. `$work` is a folder that goes, `fail` ends.

# Debian's kernel for virtual machines, unpacked into the cache, not installed; answers where
guest_kernel() {
    local package cache=${HAOSCAR_CACHE:-/var/cache/haoscar}/vm
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -1)
    [ -n "$package" ] || fail "apt knows no linux-image-cloud-amd64"
    if [ ! -d "$cache/$package" ]; then
        mkdir -p "$cache"
        rm -rf "$cache/half"
        (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package" >/dev/null && dpkg-deb -x "$package"_*.deb "$cache/half")
        mv "$cache/half" "$cache/$package"
    fi
    echo "$cache/$package"
}

# busybox, an init, the modules of virtio and those that are named; more files may lie in $work/guest before
guest_initramfs() { # KERNEL MODULES INIT
    local root=$work/guest module
    mkdir -p "$root"/{bin,dev,proc,sys,mnt,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci $2; do
        find "$1/lib/modules" -name "$module.ko" -exec cp {} "$root/modules/" \;
    done
    install -m 755 "$3" "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initramfs"
}
