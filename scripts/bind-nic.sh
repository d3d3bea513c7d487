#!/bin/sh
# Gives NICs to DPDK (driver vfio-pci) and back to the drivers that had them.
#
# The driver of before is written down first, so that `undo` needs no arguments. Nothing here
# lasts over a reboot.
set -eu
PATH=$PATH:/usr/sbin:/sbin

state_folder=${WEIR_NIC_STATE:-/run/weir-nics}
pci=/sys/bus/pci

usage() {
    cat <<'USAGE'
usage: bind-nic.sh list                       the machine's NICs and who drives them
       bind-nic.sh bind [--force] ADDRESS …   gives NICs to vfio-pci, for weir
       bind-nic.sh undo [ADDRESS …]           gives them back, all without an ADDRESS

An ADDRESS is a PCI one, such as 0000:3b:00.0 or 3b:00.0. A NIC that the host uses (an address,
a default route, part of a bridge or bond) is refused, because the host would lose it, and so
is one whose DPDK driver works beside the kernel's (Mellanox); --force binds them all the same.
vfio-pci needs an IOMMU: switch it on in the firmware, and for Intel put
`intel_iommu=on iommu=pt` on the kernel's command line.
USAGE
}

die() {
    echo "bind-nic.sh: $*" >&2
    exit 1
}

driver_of() { # ADDRESS: its driver, or nothing
    ! [ -e "$pci/devices/$1/driver" ] || basename "$(readlink "$pci/devices/$1/driver")"
}

interfaces_of() { # ADDRESS; below virtio devices they lie a level deeper
    for folder in "$pci/devices/$1"/net/* "$pci/devices/$1"/virtio*/net/*; do
        [ ! -e "$folder" ] || echo "${folder##*/}"
    done
}

whole_address() { # TEXT: with its domain
    case $1 in
        ????:??:??.?) echo "$1" ;;
        ??:??.?) echo "0000:$1" ;;
        *) die "'$1' is no PCI address; write one like 0000:3b:00.0 (bind-nic.sh list)" ;;
    esac
}

check_nic() { # ADDRESS
    [ -d "$pci/devices/$1" ] || die "there is no PCI device $1 (bind-nic.sh list)"
    case $(cat "$pci/devices/$1/class") in
        0x02*) ;;
        *) die "$1 is no network device (bind-nic.sh list)" ;;
    esac
}

# uses INTERFACE: what the host uses it for, or nothing.
uses() {
    {
        ip -o address show dev "$1" scope global | awk '{ print "address " $4 }'
        { ip -4 route show default; ip -6 route show default; } |
            sed -n "s/.* dev $1 .*/default route/p"
        [ ! -e "/sys/class/net/$1/master" ] ||
            echo "part of $(basename "$(readlink "/sys/class/net/$1/master")")"
    } 2>/dev/null | uniq | paste -sd,
}

check_unused() { # ADDRESS
    for interface in $(interfaces_of "$1"); do
        used=$(uses "$interface")
        [ -z "$used" ] || die "$1 is $interface, which the host uses ($used); \
take that away first, or say --force and lose it"
    done
    case $(driver_of "$1") in
        mlx4_core | mlx5_core)
            die "$1 is driven by $(driver_of "$1"), beside which DPDK works: leave it where it is"
            ;;
    esac
}

check_iommu() { # ADDRESS
    [ ! -e "$pci/devices/$1/iommu_group" ] || return 0
    unsafe=/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
    if [ "$(cat "$unsafe" 2>/dev/null)" = Y ]; then
        echo "bind-nic.sh: $1 has no IOMMU; it can write to all of the machine's memory" >&2
        return 0
    fi
    die "$1 is behind no IOMMU: switch it on in the firmware and on the kernel's command line \
(intel_iommu=on iommu=pt). Where there is none, and only there: \
modprobe vfio enable_unsafe_noiommu_mode=1"
}

load_vfio() {
    [ -d "$pci/drivers/vfio-pci" ] || modprobe vfio-pci || true
    [ -d "$pci/drivers/vfio-pci" ] || die "this kernel has no vfio-pci"
}

# move ADDRESS OVERRIDE: takes the device from its driver and has the kernel look for another.
# An empty line as the override stands for none.
move() {
    echo "$2" >"$pci/devices/$1/driver_override"
    [ -z "$(driver_of "$1")" ] || echo "$1" >"$pci/devices/$1/driver/unbind"
    echo "$1" >"$pci/drivers_probe"
}

bind() { # ADDRESS
    old=$(driver_of "$1")
    if [ "$old" = vfio-pci ]; then
        echo "$1 is with vfio-pci already"
        return 0
    fi
    mkdir -p "$state_folder"
    echo "${old:-none}" >"$state_folder/$1"
    move "$1" vfio-pci || true
    if [ "$(driver_of "$1")" != vfio-pci ]; then
        undo_one "$1" || true
        die "vfio-pci did not take $1; dmesg says why"
    fi
    echo "$1: vfio-pci (was ${old:-without a driver})"
    neighbours "$1"
}

# What shares an IOMMU group is given to DPDK whole, or not at all.
neighbours() { # ADDRESS
    for device in "$pci/devices/$1/iommu_group/devices"/*; do
        other=${device##*/}
        # Bridges (class 06) may keep their driver.
        case $(cat "$device/class" 2>/dev/null) in
            '' | 0x06*) continue ;;
        esac
        driver=$(driver_of "$other")
        case ${driver:-none} in
            vfio-pci | none) ;;
            *) echo "bind-nic.sh: $other shares the IOMMU group of $1 and is driven by $driver; \
weir cannot open $1 before it is bound too" >&2 ;;
        esac
    done
}

undo_one() { # ADDRESS
    [ -f "$state_folder/$1" ] || die "$1 was not bound by this script"
    old=$(cat "$state_folder/$1")
    if [ -d "$pci/devices/$1" ]; then
        move "$1" '' || true
        now=$(driver_of "$1")
        if [ "${now:-none}" != "$old" ] && [ "$old" != none ]; then
            die "$1 is with ${now:-no driver}, and was with $old: modprobe $old, and try again"
        fi
        echo "$1: ${now:-no driver}"
    fi
    rm -f "$state_folder/$1"
    rmdir "$state_folder" 2>/dev/null || true
}

undo() {
    if [ $# -gt 0 ]; then
        for address; do undo_one "$(whole_address "$address")"; done
        return
    fi
    for record in "$state_folder"/*; do
        [ ! -f "$record" ] || undo_one "${record##*/}"
    done
}

list() {
    row='%-12s %-9s %-12s %-10s %-5s %s\n'
    # shellcheck disable=SC2059 # the format is one line for both
    printf "$row" Address Device Driver Interface IOMMU Use
    for device in "$pci/devices"/*; do
        case $(cat "$device/class" 2>/dev/null) in
            0x02*) ;;
            *) continue ;;
        esac
        address=${device##*/}
        ids=$(sed 's/^0x//' "$device/vendor" "$device/device" | paste -sd:)
        group=-
        [ ! -e "$device/iommu_group" ] || group=$(basename "$(readlink "$device/iommu_group")")
        names=$(interfaces_of "$address" | paste -sd,)
        use=
        for interface in $(interfaces_of "$address"); do use="$use$(uses "$interface")"; done
        driver=$(driver_of "$address")
        # shellcheck disable=SC2059
        printf "$row" "$address" "$ids" "${driver:--}" "${names:--}" "$group" "${use:--}"
    done
}

main() {
    command=${1:-}
    [ $# -eq 0 ] || shift
    case $command in
        list) [ $# -eq 0 ] || { usage >&2; exit 2; }; list; return ;;
        --help | -h) usage; return ;;
        bind | undo) ;;
        *) usage >&2; exit 2 ;;
    esac
    [ "$(id -u)" = 0 ] || die "run as root"
    if [ "$command" = undo ]; then
        undo "$@"
        return
    fi
    force=
    if [ "${1:-}" = --force ]; then
        force=yes
        shift
    fi
    [ $# -gt 0 ] || { usage >&2; exit 2; }
    # All are looked at before the first is touched.
    for address; do
        address=$(whole_address "$address")
        check_nic "$address"
        [ -n "$force" ] || check_unused "$address"
        check_iommu "$address"
    done
    load_vfio
    for address; do bind "$(whole_address "$address")"; done
}

main "$@"
