#!/bin/sh
# Process 1 of a real server for TUN, in user-mode Linux with the host's files as its root,
# read-only. The kernel's arguments scratch, address, vip, gateway and gre_sums arrive as
# variables, and what is theirs of IPv6.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
own=$scratch/own
mount -t tmpfs tmpfs "$own"

# Where modprobe looks for this kernel's modules is not where its package puts them.
mkdir -p "$own/root/lib"
ln -s /usr/lib/uml/modules "$own/root/lib/modules"
modprobe -d "$own/root" -a ipip ip6_tunnel sit ip_gre ip6_gre fou fou6

ip link set lo up
ip link set vec0 up
ip address add "$address" dev vec0
ip address add "$address_six" dev vec0 nodad
ip route add default via "$gateway"
ip -6 route add default via "$gateway_six"
for one in "$vip" "$vip_six"; do
    WEIR_REALSERVER_STATE=$own/realserver "$scratch/realserver.sh" tun add "$one"
done

# The other tunnels, as docs/tunnels.md has them. One that is to have GRE's checksum takes no
# other.
rip=${address%/*} rip_six=${address_six%/*}
ip link add tun6 type ip6tnl mode any local "$rip_six" remote any
gre4=gre0 gre6=ip6gre0
if [ "$gre_sums" = yes ]; then
    gre4=gre4 gre6=gre6
    ip link add $gre4 type gre local "$rip" remote any icsum
    ip link add $gre6 type ip6gre local "$rip_six" remote any icsum
fi
for device in sit0 tun6 $gre4 $gre6; do
    ip link set "$device" up
    echo 0 >/proc/sys/net/ipv4/conf/$device/rp_filter
done
ip fou add port 6080 gue
ip fou add port 6080 gue -6

exec nginx -e stderr -c "$scratch/nginx.conf"
