#!/bin/sh
# Sets hugepages aside for weir, and gives them back.
#
# What is changed is written down before it is changed, and only the first time, so that every
# command may be repeated and `undo` restores what was there before the first one.
set -eu
PATH=$PATH:/usr/sbin:/sbin

state_folder=${WEIR_HUGEPAGES_STATE:-/run/weir-hugepages}
# One record a line, oldest first: `pages FILE COUNT` or `mount FOLDER`.
state=$state_folder/changes
kernel=/sys/kernel/mm/hugepages
nodes=/sys/devices/system/node

usage() {
    cat <<'USAGE'
usage: hugepages.sh set MB [--size 2M|1G] [--node N]
                            sets MB MiB of hugepages aside, and mounts a hugetlbfs for
                            them at /dev/hugepages where there is none
       hugepages.sh show    what is set aside, what of it is free, and the mounts
       hugepages.sh undo    restores what was there before the first `set`

Without --node the kernel spreads the pages over the memory nodes; weir wants them on the node
of its NIC and workers. The change lasts until `undo` or a reboot. Pages of 1G can often be had
at boot only: put `default_hugepagesz=1G hugepagesz=1G hugepages=4` on the kernel's command line.
weir's packet memory is `memory_mb`; its session tables take 96 octets a session and worker.
USAGE
}

die() {
    echo "hugepages.sh: $*" >&2
    exit 1
}

# remember KEY RECORD: appends the record unless one begins with the KEY.
remember() {
    mkdir -p "$state_folder"
    touch "$state"
    awk -v key="$1 " 'index($0 " ", key) == 1 { found = 1 } END { exit !found }' "$state" ||
        echo "$2" >>"$state"
}

size_kb() { # 2M or 1G
    case $1 in
        2M) echo 2048 ;;
        1G) echo 1048576 ;;
        *) die "'$1' is no size of hugepages; write 2M or 1G" ;;
    esac
}

pool() { # KB NODE: the folder of this size's counts
    if [ -n "$2" ]; then
        echo "$nodes/node$2/hugepages/hugepages-$1kB"
    else
        echo "$kernel/hugepages-$1kB"
    fi
}

mounted() { # SIZE: true where a hugetlbfs of it is mounted; one that names no size has the usual
    usual=$(awk '$1 == "Hugepagesize:" { print $2 }' /proc/meminfo)
    awk -v size="$1" -v kb="$(size_kb "$1")" -v usual="$usual" '
        $3 == "hugetlbfs" {
            named = match($4, /pagesize=[0-9]+[KMG]/)
            text = substr($4, RSTART + 9, RLENGTH - 9)
            if (named ? text == size || text == "1024M" && size == "1G" : kb == usual) found = 1
        }
        END { exit !found }' /proc/mounts
}

mount_hugetlbfs() { # SIZE
    ! mounted "$1" || return 0
    place=/dev/hugepages
    if awk -v place="$place" '$2 == place { found = 1 } END { exit !found }' /proc/mounts; then
        place=/dev/hugepages-$1
    fi
    remember "mount $place" "mount $place"
    mkdir -p "$place"
    mount -t hugetlbfs -o "pagesize=$1" hugetlbfs "$place"
}

set_pages() { # MB SIZE NODE
    kb=$(size_kb "$2")
    folder=$(pool "$kb" "$3")
    file=$folder/nr_hugepages
    [ -f "$file" ] || die "this kernel has no hugepages of $2${3:+ on node $3}: no $file"
    wanted=$((($1 * 1024 + kb - 1) / kb))
    had=$(cat "$file")
    if [ "$wanted" -ne "$had" ]; then
        remember "pages $file" "pages $file $had"
        echo "$wanted" >"$file" || die "the kernel refuses $wanted pages"
    fi
    got=$(cat "$file")
    mount_hugetlbfs "$2"
    free=$(cat "$folder/free_hugepages")
    echo "$got hugepages of $2${3:+ on node $3}, $free of them free"
    [ "$got" -ge "$wanted" ] || die "the kernel found memory for $got of $wanted pages only; \
ask soon after boot, or at boot: hugepages=$wanted on the kernel's command line"
}

show() {
    printf '%-6s %5s %8s %8s %8s\n' Node Size Pages Free MiB
    for folder in "$nodes"/node[0-9]*/hugepages/hugepages-*kB; do
        [ -d "$folder" ] || continue
        node=${folder#"$nodes"/}
        kb=${folder##*/hugepages-}
        kb=${kb%kB}
        pages=$(cat "$folder/nr_hugepages")
        printf '%-6s %5s %8s %8s %8s\n' "${node%%/*}" "$((kb / 1024))M" "$pages" \
            "$(cat "$folder/free_hugepages")" "$((pages * (kb / 1024)))"
    done
    awk '$3 == "hugetlbfs" { print "mounted at " $2 " (" $4 ")"; found = 1 }
        END { if (!found) print "no hugetlbfs is mounted" }' /proc/mounts
}

undo() {
    [ -f "$state" ] || return 0
    # Newest first.
    sed '1!G;h;$!d' "$state" >"$state.reversed"
    while read -r kind what count; do
        case $kind in
            pages) echo "$count" >"$what" ;;
            mount)
                if umount "$what" 2>/dev/null; then
                    rmdir "$what" 2>/dev/null || true
                else
                    echo "hugepages.sh: $what is in use and stays mounted" >&2
                fi
                ;;
        esac
    done <"$state.reversed"
    rm -f "$state" "$state.reversed"
    rmdir "$state_folder" 2>/dev/null || true
}

check_number() {
    # The shell counts in octal after a 0, and wraps where numbers are long.
    case $1 in
        '' | *[!0-9]* | 0?* | ????????*) die "'$1' is not a number from 0 to 9999999" ;;
    esac
}

main() {
    command=${1:-}
    [ $# -eq 0 ] || shift
    case "$command $#" in
        'show 0') show; return ;;
        '--help 0' | '-h 0') usage; return ;;
        'undo 0') ;;
        'set 1' | 'set 3' | 'set 5') ;;
        *) usage >&2; exit 2 ;;
    esac
    [ "$(id -u)" = 0 ] || die "run as root"
    if [ "$command" = undo ]; then
        undo
        return
    fi
    check_number "$1"
    mb=$1 size=2M node=
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --size) size=$2 ;;
            --node) check_number "$2"; node=$2 ;;
            *) usage >&2; exit 2 ;;
        esac
        shift 2
    done
    set_pages "$mb" "$size" "$node"
}

main "$@"
