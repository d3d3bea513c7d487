#!/usr/bin/env bash
# Runs the tests: scripts/test.sh [--quick | --long]
#   --quick  format and unit tests, for each commit
#   --long   everything with more cases and more rounds; leaves a dated file in target/results/
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit
PATH=$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin
target=${CARGO_TARGET_DIR:-$root/target}
logs=$target/test
long_rounds=5
long_property_cases=20000
soak_frames=10000000
fuzz_seconds=600

# The steps, in order: first what fails fastest.
steps_quick=(format units units_no_dpdk)
steps_default=(format units hugepages machine_without_dpdk orders soak build instructions
    generators oracle package demo lab)

format() { cargo fmt --all --check; }
units() { cargo test --workspace --locked; }
units_no_dpdk() { cargo test --locked --package weir --no-default-features --lib; }
# The tables lie on hugepages where there are some; the machine gets its own number back.
hugepages() {
    trap 'scripts/hugepages.sh undo' EXIT
    scripts/hugepages.sh set 256
    WEIR_TEST_HUGEPAGES=1 cargo test --locked --package weir --no-default-features --lib -- \
        --test-threads 1 mem:: session::table
}
# No pkg-config file is found there, so whatever asks for DPDK fails.
machine_without_dpdk() {
    PKG_CONFIG_LIBDIR=/nowhere cargo test --workspace --locked --no-default-features
}
soak() {
    WEIR_SOAK_FRAMES=$soak_frames \
        cargo test --locked --no-default-features --profile soak --test soak -- --nocapture
}
# Ten thousand of them, one a second each, and none to be late.
checks() {
    WEIR_CHECKS=10000 WEIR_CHECKS_S=30 \
        cargo test --locked --no-default-features --profile soak --lib -- \
        many_are_punctual --nocapture
}
# All packages at once, here and wherever weir is built: each choice of packages asks for other
# features of what they share, and all of it would be compiled again.
build() { cargo build --locked --release --workspace; }
# A change that costs a packet instructions is seen here, however busy the machine is.
instructions() { "$target/release/bench" instructions --check; }
# Their programs are no part of this repository: what can be said of the scripts without them.
generators() {
    luac -p -- scripts/pktgen/*.lua
    python3 -B -c 'import ast, pathlib
for file in pathlib.Path("scripts/trex").glob("*.py"):
    ast.parse(file.read_text(), str(file))'
    "$target/release/weir" check scripts/pktgen/weir.ron
}
# Where memory is touched that nobody owns, AddressSanitizer stops the test: in Rust, and in the
# shim between it and DPDK. Its flag is nightly's, on the one stable toolchain.
addresses() {
    local triple
    triple=$(rustc -vV | sed -n 's/^host: //p')
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target/addresses
    export RUSTFLAGS="-Zsanitizer=address"
    export TARGET_CFLAGS="-fsanitize=address -fno-omit-frame-pointer"
    # DPDK keeps what it takes until the process ends.
    export ASAN_OPTIONS=detect_leaks=0
    cargo test --locked --target "$triple" --package weir --package dpdk-sys --lib \
        --test corpus --test dpdk --test path --test sequences
}
fuzz() { scripts/fuzz.sh --seconds "$fuzz_seconds"; }
# What threads do together, in every order; loom makes its own world, so this is built apart.
orders() {
    cd loom
    CARGO_TARGET_DIR=$target/loom RUSTFLAGS="--cfg loom" cargo run --locked --release
}
oracle() {
    cd scripts
    python3 -B -m unittest oracle.test_oracle oracle.test_ipvsadm
    python3 -B -m oracle
    grep -E '^ *[0-9]+ cases ' "$logs/oracle.log" >&3
}
package() { scripts/test-package.sh; }
demo() { scripts/demo.sh; }
lab_test() { cd scripts && python3 -B -m lab test "$1"; }

usage() {
    sed -n '2,4s/^# //p' "$0"
}

passed=0
failed=0

say() {
    echo "$1"
    [ -z "$results" ] || echo "$1" >>"$results"
}

# step NAME COMMAND…: runs the command and prints one line, and the log's end where it fails; what
# the command writes to its descriptor 3 is said too.
step() {
    local name=$1 log=$logs/$1.log begin=$SECONDS
    shift
    (
        set -e
        "$@"
    ) >"$log" 2>&1 3>"$log.said"
    # shellcheck disable=SC2181 # in an `if`, set -e would not hold inside
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
        say "ok  $name  $((SECONDS - begin)) s"
        [ ! -s "$log.said" ] || say "$(sed 's/^ */    /' "$log.said")"
    else
        failed=$((failed + 1))
        tail -n 40 "$log"
        say "FAILED  $name  $((SECONDS - begin)) s  $log"
    fi
}

lab_steps() { # SUFFIX
    local file name
    for file in scripts/lab/test_*.py; do
        name=${file##*/test_}
        name=${name%.py}
        step "lab-$name$1" lab_test "$name"
    done
}

run_steps() {
    local name
    for name in "$@"; do
        case $name in
            lab) lab_steps "" ;;
            *) step "${name//_/-}" "$name" ;;
        esac
    done
}

run_long() {
    export PROPTEST_CASES=$long_property_cases
    results=$target/results/$(date -u +%Y-%m-%dT%H%M%SZ).txt
    mkdir -p "${results%/*}"
    {
        git -C "$root" log -1 --format='commit %H' 2>/dev/null
        rustc --version
        uname -srm
    } >"$results"
    run_steps "${steps_default[@]}" addresses fuzz checks
    local round
    for round in $(seq 2 "$long_rounds"); do
        step "demo-$round" demo
        lab_steps "-$round"
    done
    echo "Results: $results"
}

main() {
    results=
    case "$# ${1:-}" in
        '0 ' | '1 --quick' | '1 --long') ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    scripts/install.sh || exit
    mkdir -p "$logs"
    case "${1:-}" in
        --quick) run_steps "${steps_quick[@]}" ;;
        --long) run_long ;;
        *) run_steps "${steps_default[@]}" ;;
    esac
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

# Without this a step that handles Ctrl-C itself would be followed by the next one.
trap 'exit 130' INT
# On one line, so that the script may change while it runs.
main "$@"; exit
