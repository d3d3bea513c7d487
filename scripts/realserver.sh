#!/bin/sh
# Sets a real server up for weir's forwarding modes, and takes it back.
#
# What is changed is written down before it is changed, and only the first time, so that every
# command may be repeated and `undo` restores what was there before the first one.
set -eu
# The administration tools live in /usr/sbin, which is not in every shell's path.
PATH=$PATH:/usr/sbin:/sbin

state_folder=${WEIR_REALSERVER_STATE:-/run/weir-realserver}
# One record a line, oldest first: KIND and its words.
state=$state_folder/changes

usage() {
    cat <<'USAGE'
usage: realserver.sh nat add DIP             default gateway via the director
       realserver.sh dr add VIP [--dev IF]   VIP/32 on lo (or IF), hidden from ARP
       realserver.sh tun add VIP             VIP/32 on tunl0, hidden from ARP
       realserver.sh undo                    restores what was there before
       realserver.sh status                  what is changed at present

Run as root on the real server. The changes last until `undo` or a reboot; they are
remembered in /run/weir-realserver (or in the folder $WEIR_REALSERVER_STATE).
`nat add` moves the default gateway: reach the server by a network of its own, or
by the console.
USAGE
}

die() {
    echo "realserver.sh: $*" >&2
    exit 1
}

# remember KEY RECORD: appends the record, unless one begins with the KEY, for the first of a
# kind holds the original value.
remember() {
    mkdir -p "$state_folder"
    touch "$state"
    awk -v key="$1 " 'index($0 " ", key) == 1 { found = 1 } END { exit !found }' "$state" ||
        echo "$2" >>"$state"
}

set_sysctl() { # KEY VALUE, the key with slashes, for interface names may hold dots
    file=/proc/sys/$1
    [ -f "$file" ] || die "there is no $file"
    old=$(cat "$file")
    [ "$old" != "$2" ] || return 0
    remember "sysctl $1" "sysctl $1 $old"
    echo "$2" >"$file"
}

# The kernel takes the larger value of `all` and of the interface, so `all` is enough here.
hide_from_arp() {
    set_sysctl net/ipv4/conf/all/arp_ignore 1
    set_sysctl net/ipv4/conf/all/arp_announce 2
}

add_address() { # VIP DEV
    ip -o -4 address show dev "$2" | grep -qF " $1/32 " && return 0
    remember "address $1 $2" "address $1 $2"
    ip address add "$1/32" dev "$2"
}

raise_link() { # DEV
    if ip -o link show dev "$1" up | grep -q .; then
        return 0
    fi
    remember "link $1" "link $1"
    ip link set "$1" up
}

add_dr() { # VIP DEV
    ip -o link show dev "$2" >/dev/null 2>&1 || die "there is no interface $2"
    # Hidden before it exists: an ARP answer given in between would draw the clients here.
    hide_from_arp
    raise_link "$2"
    add_address "$1" "$2"
}

add_tun() { # VIP
    if ! ip -o link show dev tunl0 >/dev/null 2>&1; then
        modprobe ipip || die "this kernel has no ipip module"
        remember "module ipip" "module ipip"
    fi
    hide_from_arp
    # What leaves the tunnel comes from the clients, whose way back is another interface.
    set_sysctl net/ipv4/conf/all/rp_filter 0
    set_sysctl net/ipv4/conf/tunl0/rp_filter 0
    raise_link tunl0
    add_address "$1" tunl0
}

default_route() { # the one without a metric, in the words that `ip route add` takes
    ip -4 route show default | grep -v ' metric ' | sed 's/ \(linkdown\|dead\)//g; s/ *$//' |
        head -n 1
}

add_nat() { # DIP
    old=$(default_route)
    case "$old " in "default via $1 "*) return 0 ;; esac
    remember gateway "gateway $1 $old"
    ip route replace default via "$1" ||
        die "$1 cannot be the gateway: is it on a link of this host?"
    # A redirect from a router between would send the replies past the director.
    set_sysctl net/ipv4/conf/all/accept_redirects 0
}

undo_one() { # KIND and its words
    kind=$1
    shift
    case $kind in
        sysctl) [ ! -f "/proc/sys/$1" ] || echo "$2" >"/proc/sys/$1" ;;
        address) ip address del "$1/32" dev "$2" 2>/dev/null || true ;;
        link) ip link set "$1" down 2>/dev/null || true ;;
        module) modprobe -r "$1" || echo "realserver.sh: the module $1 stays" >&2 ;;
        gateway)
            # It may have moved again since the first `nat add`.
            ip route del default metric 0 2>/dev/null || true
            shift
            [ $# -eq 0 ] || ip route add "$@"
            ;;
    esac
}

undo() {
    [ -f "$state" ] || return 0
    # Newest first.
    sed '1!G;h;$!d' "$state" >"$state.reversed"
    # Words of a record are words, whatever files there are: an interface may be called `*`.
    set -f
    while read -r record; do
        # shellcheck disable=SC2086 # a record is words
        undo_one $record
    done <"$state.reversed"
    rm -f "$state" "$state.reversed"
    rmdir "$state_folder" 2>/dev/null || true
}

status() {
    if [ ! -f "$state" ]; then
        echo "nothing is changed"
        return 0
    fi
    while read -r kind what rest; do
        case $kind in
            sysctl) echo "$what = $(cat "/proc/sys/$what" 2>/dev/null) (was $rest)" ;;
            address) echo "address $what/32 on $rest" ;;
            link) echo "link $what up (was down)" ;;
            module) echo "module $what loaded" ;;
            gateway) echo "$(default_route) (was ${rest:-none})" ;;
        esac
    done <"$state"
}

check_address() {
    # grep looks at lines, and an argument may have several, of which each would be a record.
    case $1 in
        *[!0-9.]*) die "'$1' is not an IPv4 address" ;;
    esac
    octet='(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})'
    echo "$1" | grep -Eqx "($octet\.){3}$octet" || die "'$1' is not an IPv4 address"
}

main() {
    case "${1:-} ${2:-}" in
        'undo ') [ "$(id -u)" = 0 ] || die "run as root"; undo; return ;;
        'status ') status; return ;;
        'nat add' | 'dr add' | 'tun add') ;;
        *) usage >&2; exit 2 ;;
    esac
    [ "$(id -u)" = 0 ] || die "run as root"
    [ $# -ge 3 ] || { usage >&2; exit 2; }
    check_address "$3"
    case "$1 $# ${4:-}" in
        'nat 3 ') add_nat "$3" ;;
        'dr 3 ') add_dr "$3" lo ;;
        'dr 5 --dev') add_dr "$3" "$5" ;;
        'tun 3 ') add_tun "$3" ;;
        *) usage >&2; exit 2 ;;
    esac
}

main "$@"
