#!/usr/bin/env bash
# Runs one of the scripts beside this file against weir on this machine: run.sh SCRIPT.lua
#   PKTGEN=…/build/app/pktgen  the program, in the folder that it was built in
#   SECONDS_SENT, RATE_PERCENT  for the script, see weir.lua
# weir's two ports and Pktgen's two ends are AF_PACKET on veth pairs, in namespaces of their own
# that end with this script. It says what the scripts do, not what either program can.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export WEIR=${WEIR:-${CARGO_TARGET_DIR:-$root/target}/release/weir}
[ -x "${PKTGEN:-}" ] || { echo "run.sh: PKTGEN=… says where Pktgen is" >&2; exit 1; }
export PKTGEN
[ $# = 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
if [ -z "${WEIR_PKTGEN_INSIDE:-}" ]; then
    script=$(realpath "$1")
    WEIR_PKTGEN_INSIDE=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc \
        "$here/run.sh" "$script"
fi
socket=/run/weir-generators.sock
mount -t tmpfs tmpfs /run
mkdir /run/lock
cp "$here"/*.lua "$here"/*.pkt "$(dirname "$PKTGEN")/../../Pktgen.lua" /run
cd /run
ip link set lo up
ip link add wan0 address 02:00:00:00:00:01 type veth peer name gen0 address 02:00:00:00:ff:01
ip link add lan0 address 02:00:00:00:00:02 type veth peer name gen1 address 02:00:00:00:ff:02
for link in wan0 gen0 lan0 gen1; do
    echo 1 >"/proc/sys/net/ipv6/conf/$link/disable_ipv6"
    ip link set "$link" up
done
"$WEIR" run --config "$here/weir.ron" >/run/weir.log 2>&1 &
weir=$!
for _ in $(seq 100); do
    if "$WEIR" show ports --socket "$socket" >/dev/null 2>&1; then break; fi
    sleep 0.1
done
# Pktgen wants a terminal, and 400 MiB of buffers a port.
options="--lcores 0@0,1@0,2@0 --main-lcore 0 --no-pci --no-huge -m 4096 --file-prefix pktgen"
options="$options --vdev net_af_packet0,iface=gen0 --vdev net_af_packet1,iface=gen1"
timeout 120 script -qefc "$PKTGEN $options -- -m 1.0,2.1 -f /run/$(basename "$1")" \
    /run/pktgen.log </dev/null >/dev/null || { cat /run/pktgen.log; exit 1; }
cat /run/sent
for what in services ports drops workers; do
    "$WEIR" show "$what" --socket "$socket"
done
kill "$weir"
wait "$weir"
