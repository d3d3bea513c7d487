#!/usr/bin/env bash
# Installs what building, demonstrating and testing weir need and this Debian lacks.
# Does nothing, and needs no network, where all of it is there.
set -euo pipefail

rust_minimum=1.95
# What to look for, and the package that brings it.
commands=(
    gcc:gcc
    pkg-config:pkg-config
    nginx:nginx-light
    nft:nftables
    ethtool:ethtool
    ip:iproute2
    curl:curl
    openssl:openssl
    python3:python3
    linux.uml:user-mode-linux
    modprobe:kmod
    ipvsadm:ipvsadm
    valgrind:valgrind
    ping:iputils-ping
    bird:bird2
    promtool:prometheus
    keepalived:keepalived
    chromium:chromium
    luac:lua5.3
    haproxy:haproxy
    dnsdist:dnsdist
    tshark:tshark
)
libraries=(libc6-dev libdpdk-dev libclang-dev)

PATH=$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin

die() {
    echo "install.sh: $*" >&2
    exit 1
}

check_rust() {
    local version
    if ! command -v cargo >/dev/null || ! version=$(rustc --version 2>/dev/null); then
        die "Rust $rust_minimum or newer is missing; https://rustup.rs tells how to get it:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    fi
    version=$(echo "$version" | cut -d' ' -f2)
    printf '%s\n%s\n' "$rust_minimum" "$version" | sort -V -C ||
        die "Rust $version is too old, $rust_minimum or newer is needed: rustup update stable"
}

missing_packages() {
    local pair
    for pair in "${commands[@]}"; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done
    for package in "${libraries[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done
}

# Debian starts a service when it installs one; here policy-rc.d says no to all of them.
forbid_services() {
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        mv "$policy" "$policy.weir-saved"
    fi
    trap restore_services EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

restore_services() {
    rm -f "$policy"
    if [ -e "$policy.weir-saved" ]; then
        mv "$policy.weir-saved" "$policy"
    fi
}

install_packages() {
    local log
    log=$(mktemp)
    echo "Installing $*"
    export DEBIAN_FRONTEND=noninteractive
    forbid_services
    if ! { apt-get update && apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "apt-get failed, its whole output is in $log"
    fi
    rm -f "$log"
    # The lab starts its own; the packaged services shall not start at the next boot.
    case " $* " in
        *" nginx-light "*) systemctl disable -q nginx 2>/dev/null || true ;;
    esac
    case " $* " in
        *" bird2 "*) systemctl disable -q bird 2>/dev/null || true ;;
    esac
    local service
    for service in haproxy dnsdist; do
        case " $* " in
            *" $service "*) systemctl disable -q "$service" 2>/dev/null || true ;;
        esac
    done
}

[ "$(id -u)" = 0 ] || die "run as root: network namespaces and raw sockets need it"
command -v apt-get >/dev/null || die "this is not Debian: there is no apt-get"
check_rust
mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -gt 0 ]; then
    install_packages "${missing[@]}"
fi
