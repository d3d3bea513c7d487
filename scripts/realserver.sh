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
       realserver.sh dr add VIP [--dev IF]   VIP/32 on lo (or IF), hidden from ARP;
                                             of IPv6 VIP/128, on lo alone
       realserver.sh tun add VIP             VIP/32 on tunl0, hidden from ARP;
                                             of IPv6 VIP/128 on ip6tnl0
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

# family_of ADDRESS: -4 or -6, as ip takes it
family_of() {
    case $1 in
        *:*) echo -6 ;;
        *) echo -4 ;;
    esac
}

whole() { # VIP: the prefix that is this address alone
    case $1 in
        *:*) echo "$1/128" ;;
        *) echo "$1/32" ;;
    esac
}

add_address() { # VIP DEV
    ip -o "$(family_of "$1")" address show to "$(whole "$1")" dev "$2" | grep -q . && return 0
    remember "address $1 $2" "address $1 $2"
    # Asking whether others have the address is for links, and they do have it.
    case $1 in
        *:*) ip address add "$1/128" dev "$2" nodad ;;
        *) ip address add "$1/32" dev "$2" ;;
    esac
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

# Neighbour discovery answers for the addresses of the link's own interface alone, so on lo and
# on ip6tnl0 there is nothing to hide.
add_dr_six() { # VIP
    set_sysctl net/ipv6/conf/lo/disable_ipv6 0
    raise_link lo
    add_address "$1" lo
}

need_module() { # MODULE DEV
    if ! ip -o link show dev "$2" >/dev/null 2>&1; then
        modprobe "$1" || die "this kernel has no $1 module"
        remember "module $1" "module $1"
    fi
}

add_tun_six() { # VIP
    need_module ip6_tunnel ip6tnl0
    set_sysctl net/ipv6/conf/ip6tnl0/disable_ipv6 0
    raise_link ip6tnl0
    add_address "$1" ip6tnl0
}

add_tun() { # VIP
    need_module ipip tunl0
    hide_from_arp
    # What leaves the tunnel comes from the clients, whose way back is another interface.
    set_sysctl net/ipv4/conf/all/rp_filter 0
    set_sysctl net/ipv4/conf/tunl0/rp_filter 0
    raise_link tunl0
    add_address "$1" tunl0
}

# default_route FAMILY: the one that `ip route replace` replaces, in the words that `ip route add`
# takes. IPv4's has no metric, and IPv6's has 1024.
default_route() {
    case $1 in
        -4) ip -4 route show default | grep -v ' metric ' ;;
        -6) ip -6 route show default | grep ' metric 1024 ' ;;
    esac | sed 's/ \(linkdown\|dead\)//g; s/ expires [0-9]*sec//; s/ *$//' | head -n 1
}

add_nat() { # DIP
    family=$(family_of "$1")
    old=$(default_route "$family")
    case "$old " in "default via $1 "*) return 0 ;; esac
    remember "gateway $family" "gateway $family $old"
    ip "$family" route replace default via "$1" ||
        die "$1 cannot be the gateway: is it on a link of this host?"
    # A redirect from a router between would send the replies past the director. Of IPv6 each
    # interface says for itself, and `default` for those to come.
    case $family in
        -4) set_sysctl net/ipv4/conf/all/accept_redirects 0 ;;
        -6)
            for folder in /proc/sys/net/ipv6/conf/*; do
                set_sysctl "net/ipv6/conf/${folder##*/}/accept_redirects" 0
            done
            ;;
    esac
}

undo_one() { # KIND and its words
    kind=$1
    shift
    case $kind in
        sysctl) [ ! -f "/proc/sys/$1" ] || echo "$2" >"/proc/sys/$1" ;;
        address) ip address del "$(whole "$1")" dev "$2" 2>/dev/null || true ;;
        link) ip link set "$1" down 2>/dev/null || true ;;
        module) modprobe -r "$1" || echo "realserver.sh: the module $1 stays" >&2 ;;
        gateway)
            family=$1
            shift
            # It may have moved again since the first `nat add`.
            case $family in
                -4) ip -4 route del default metric 0 2>/dev/null || true ;;
                -6) ip -6 route del default metric 1024 2>/dev/null || true ;;
            esac
            [ $# -eq 0 ] || ip "$family" route add "$@"
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
            address) echo "address $(whole "$what") on $rest" ;;
            link) echo "link $what up (was down)" ;;
            module) echo "module $what loaded" ;;
            gateway) echo "$(default_route "$what") (was ${rest:-none})" ;;
        esac
    done <"$state"
}

check_address() {
    octet='(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})'
    # grep looks at lines, and an argument may have several, of which each would be a record.
    case $1 in
        *[!0-9a-fA-F.:]*) die "'$1' is not an address" ;;
        # What an address of IPv6 may look like; `ip` knows the rest.
        *:*)
            if ip -6 route get "$1" 2>&1 | grep -q 'prefix is expected'; then
                die "'$1' is not an IPv6 address"
            fi
            ;;
        *) echo "$1" | grep -Eqx "($octet\.){3}$octet" || die "'$1' is not an IPv4 address" ;;
    esac
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
        'dr 3 ')
            case $3 in
                *:*) add_dr_six "$3" ;;
                *) add_dr "$3" lo ;;
            esac
            ;;
        'dr 5 --dev')
            case $3 in
                *:*) die "a VIP of IPv6 goes on lo: elsewhere neighbour discovery answers for it" ;;
                *) add_dr "$3" "$5" ;;
            esac
            ;;
        'tun 3 ')
            case $3 in
                *:*) add_tun_six "$3" ;;
                *) add_tun "$3" ;;
            esac
            ;;
        *) usage >&2; exit 2 ;;
    esac
}

main "$@"
