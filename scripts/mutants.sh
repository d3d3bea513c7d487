#!/usr/bin/env bash
# Would the tests see it? cargo-mutants changes wire, session and path in one place after the other,
# and each change has to make a test fail:
#   scripts/mutants.sh [FILE...]     those files, or all three rooms
# A mutant takes some ten seconds. The tests in the files themselves come first; what these let live
# is tried against whole directors. docs/mutants.md says why the last survivors do.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
PATH=$target/tools/bin:$PATH:$HOME/.cargo/bin
version=27.1.0
files=("$@")
if [ $# -eq 0 ]; then
    files=('forwarder/wire/**' 'forwarder/session/**' 'forwarder/path/**')
fi

if [ "$(cargo mutants --version 2>/dev/null)" != "cargo-mutants $version" ]; then
    cargo install --quiet --locked --root "$target/tools" "cargo-mutants@$version"
fi
mkdir -p "$target/mutants"

# Ends with 0 where none lives, 2 where some do, 3 where some ran out of time, which is seen too.
mutants() {
    local status=0
    cargo mutants --baseline=skip --timeout 120 --build-timeout 300 --no-shuffle \
        --output "$target/mutants" "${files[@]/#/--file=}" "$@" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 2 ] || [ "$status" -eq 3 ]
}

mutants -C=--lib
mutants --iterate -C=--lib -C=--test=path -C=--test=answers -C=--test=properties \
    -C=--test=regressions -C=--test=sequences -C=--test=law -C=--test=turns -C=--test=quic \
    -C=--test=changes -C=--test=schedulers -C=--test=explain -C=--test=replay
echo "Alive: $(wc -l <"$target/mutants/mutants.out/missed.txt")"
cat "$target/mutants/mutants.out/missed.txt"
