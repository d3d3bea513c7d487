#!/usr/bin/env bash
# Makes the Debian package, unpacks it into a scratch root, and tries what is in it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
package=$(scripts/package.sh)
dpkg-deb --info "$package"
dpkg --contents "$package"
dpkg-deb --extract "$package" "$root"
weir=$root/usr/bin/weir
"$weir" --version
for config in "$root"/usr/share/doc/weir/examples/*.ron; do
    "$weir" check "$config"
done
for page in weir weir-run weir-show weir-ipvsadm; do
    man --warnings -l "$root/usr/share/man/man1/$page.1.gz" >/dev/null
done
bash -n "$root/usr/share/bash-completion/completions/weir"
grep -q ipvsadm "$root/usr/share/zsh/vendor-completions/_weir"
grep -q ipvsadm "$root/usr/share/fish/vendor_completions.d/weir.fish"
# The unit names the program where the package puts it.
unit=$root/unit/weir.service
mkdir -p "$root/unit"
sed "s|/usr/bin/weir|$weir|" "$(find "$root" -path '*/systemd/system/weir.service')" >"$unit"
grep -q "ExecStart=$weir run" "$unit"
systemd-analyze verify --man=no "$unit"
echo "package: ok"
