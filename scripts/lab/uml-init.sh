#!/bin/sh
# Process 1 of a real server for TUN, in user-mode Linux with the host's files as its root,
# read-only. The kernel's arguments scratch, address, vip and gateway arrive as variables, and
# what is theirs of IPv6.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
own=$scratch/own
mount -t tmpfs tmpfs "$own"

# Where modprobe looks for this kernel's modules is not where its package puts them.
mkdir -p "$own/root/lib"
ln -s /usr/lib/uml/modules "$own/root/lib/modules"
modprobe -d "$own/root" -a ipip ip6_tunnel

ip link set lo up
ip link set vec0 up
ip address add "$address" dev vec0
ip address add "$address_six" dev vec0 nodad
ip route add default via "$gateway"
ip -6 route add default via "$gateway_six"
for one in "$vip" "$vip_six"; do
    WEIR_REALSERVER_STATE=$own/realserver "$scratch/realserver.sh" tun add "$one"
done

exec nginx -e stderr -c "$scratch/nginx.conf"
