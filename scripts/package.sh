#!/usr/bin/env bash
# Makes the Debian package: scripts/package.sh; prints its path. The package.metadata.deb section
# of Cargo.toml says what is in it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
PATH=$PATH:$HOME/.cargo/bin
target=${CARGO_TARGET_DIR:-$root/target}
# Cargo.toml lists what is there.
out=$root/target/package

command -v cargo-deb >/dev/null || cargo install --locked --quiet cargo-deb
cargo build --locked --release --workspace --bin weir >&2
weir=$target/release/weir
rm -rf "$out"
mkdir -p "$out/completions"
"$weir" manuals "$out/man"
# Debian's tools want manual pages compressed, without the time of packing.
gzip --best --no-name "$out"/man/*.1
for shell in bash zsh fish; do
    "$weir" completions "$shell" >"$out/completions/$shell"
done
cargo deb --no-build --locked --output "$out" >&2
echo "$out"/weir_*.deb
