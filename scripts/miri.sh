#!/usr/bin/env bash
# Runs the tests of wire, session and mem under Miri, which finds undefined behaviour; where no
# toolchain has it, says so and ends with 3. Miri comes with nightly alone:
#   rustup toolchain install nightly --component miri,rust-src
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin

for toolchain in $(rustup toolchain list 2>/dev/null | cut -d' ' -f1); do
    if cargo "+$toolchain" miri --version >/dev/null 2>&1; then
        # Tests that read files or map memory are told apart by cfg(miri).
        export MIRIFLAGS="-Zmiri-disable-isolation ${MIRIFLAGS:-}" PROPTEST_CASES=4
        exec cargo "+$toolchain" miri test --locked --no-default-features --package weir --lib -- \
            wire:: session:: mem::
    fi
done
echo "miri.sh: no toolchain here has Miri, so nothing was run;" \
    "rustup toolchain install nightly --component miri,rust-src" >&2
exit 3
