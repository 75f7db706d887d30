#!/bin/sh
# Installs what building and the lab need on Debian 12, and nothing else: no cluster daemon ever lands on this
# machine, they live in the lab's own root. Run by `make`; safe to run again; says what it does.
#   setup.sh build    compiler, git, and ssh-keygen for signatures
#   setup.sh lab      what the lab's namespaces and root are made with
#   setup.sh scale    Python with a YAML loader and jinja2, which `make bench-scale` is measured beside
#   setup.sh vm       QEMU, and what a guest's kernel and initramfs are made with (`make bench-nfs`)
set -eu

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "root is needed for: $* (become root, or install sudo)"
    fi
}

# install PACKAGE…
install() {
    command -v apt-get >/dev/null || fail "please install: $* (this machine has no apt-get)"
    say "installing $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# install_missing PACKAGE COMMAND…: pairs; installs the packages whose command is missing
install_missing() {
    missing=
    while [ $# -gt 0 ]; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$2" >/dev/null || missing="$missing $1"
        shift 2
    done
    # shellcheck disable=SC2086 # a list of packages
    [ -z "$missing" ] || install $missing
}

rust_at_least() {
    have=$(cargo --version 2>/dev/null | awk '{print $2}') || return 1
    [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$1" "$have" | sort -V | head -1)" = "$1" ]
}

need_rust() {
    command -v cargo >/dev/null || [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ] || as_root apt-get update -qq || true
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
    if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"; fi
    rust_at_least "$wanted" && return 0
    if command -v rustup >/dev/null; then
        say "rustup: installing the stable toolchain"
        # it ends badly where it cannot renew itself, too
        rustup toolchain install stable --no-self-update --profile minimal -c clippy -c rustfmt || true
        rust_at_least "$wanted" && return 0
    fi
    # Debian 12's own rustc is too old; its security archive carries a current one for browsers under this name
    if ! command -v cargo >/dev/null && apt-cache policy cargo-web 2>/dev/null | grep -q 'Candidate: [0-9]'; then
        install_missing rustc-web rustc cargo-web cargo && rust_at_least "$wanted" && return 0
    fi
    fail "Rust $wanted or newer is needed: install it from https://rustup.rs, then run make again"
}

case "${1:-}" in
build)
    install_missing gcc cc git git openssh-client ssh-keygen ca-certificates update-ca-certificates
    need_rust
    ;;
lab)
    install_missing mmdebstrap mmdebstrap iproute2 ip util-linux nsenter procps ps mount mount e2fsprogs mke2fs
    ;;
scale)
    python3 -c 'import jinja2, yaml' 2>/dev/null || install python3 python3-yaml python3-jinja2
    ;;
vm)
    install_missing qemu-system-x86 qemu-system-x86_64 busybox-static busybox cpio cpio xz-utils xz socat socat curl curl
    [ -e /usr/lib/ipxe/qemu ] || install ipxe-qemu
    [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || install ovmf
    ;;
*)
    fail "usage: setup.sh build|lab|scale|vm"
    ;;
esac
