#!/usr/bin/env bash
# Fuzzes with cargo-fuzz and AddressSanitizer, one target after the other:
#   scripts/fuzz.sh [--seconds N] [TARGET...]   N seconds each (60), all targets where none is named
#   scripts/fuzz.sh --keep [TARGET...]          writes what the runs found back into fuzz/corpus,
#                                               as few and as small inputs as reach the same code
# What fails is kept in fuzz/artifacts; `cargo fuzz tmin` makes it small. Put it into fuzz/corpus,
# where the ordinary tests replay it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
PATH=$target/tools/bin:$PATH:$HOME/.cargo/bin
version=0.13.2
all=(wire director frames twins config captures)
# Octets of an input at most, so that each is fast.
declare -A most=([wire]=256 [director]=512 [frames]=1024 [twins]=1024 [config]=4096 [captures]=1024)

# Nightly's flags, on the one stable toolchain.
export RUSTC_BOOTSTRAP=1

install_cargo_fuzz() {
    if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
        cargo install --quiet --locked --root "$target/tools" "cargo-fuzz@$version"
    fi
}

# Finds go into a folder of their own; the corpus in the repository is only read.
run() { # TARGET SECONDS
    local found=$target/fuzz/$1 dictionary=()
    mkdir -p "$found" "fuzz/corpus/$1"
    if [ -e "fuzz/$1.dict" ]; then
        dictionary=("-dict=fuzz/$1.dict")
    fi
    cargo fuzz run "$1" "$found" "fuzz/corpus/$1" -- -max_total_time="$2" \
        -max_len="${most[$1]}" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
        "${dictionary[@]}"
}

keep() { # TARGET
    local fewest=$target/fuzz/$1.fewest
    rm -rf "$fewest"
    mkdir -p "$fewest" "fuzz/corpus/$1"
    cargo fuzz run "$1" "$fewest" "fuzz/corpus/$1" "$target/fuzz/$1" -- -merge=1 \
        -max_len="${most[$1]}"
    rm -rf "fuzz/corpus/$1"
    mv "$fewest" "fuzz/corpus/$1"
}

seconds=60
action=run
case ${1:-} in
    --seconds)
        seconds=$2
        shift 2
        ;;
    --keep)
        action=keep
        shift
        ;;
esac
install_cargo_fuzz
for name in "${@:-${all[@]}}"; do
    "$action" "$name" "$seconds"
done
