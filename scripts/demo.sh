#!/usr/bin/env bash
# Shows weir at work: real HTTP requests through NAT, DR and TUN services to nginx servers, all in
# network namespaces of this machine. Leaves nothing behind but what it built.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin

"$root/scripts/install.sh"
echo "Building weir (some minutes the first time)."
cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --workspace --bin weir
cd "$root/scripts"
exec python3 -B -m lab demo
