#!/bin/sh
# Installs the C library: install.sh DESTDIR PREFIX [BUILT]. BUILT is the folder of a library that is built already;
# without it what CARGO names, or cargo, builds one.
set -eu
destination=$1 prefix=$2
here=$(cd "$(dirname "$0")" && pwd)
built=${3:-${CARGO_TARGET_DIR:-$here/../target}/release}
abi=$(sed -n 's/^#define KF_ABI_VERSION //p' "$here/include/keyferry.h")
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
[ $# -gt 2 ] || (cd "$here" && "${CARGO:-cargo}" build --release --locked --lib)

install -d "$destination$prefix/lib/pkgconfig" "$destination$prefix/include"
install -m 644 "$here/include/keyferry.h" "$here/include/keyferry.hpp" "$destination$prefix/include"
install -m 644 "$built/libkeyferry.a" "$destination$prefix/lib"
case $(uname -s) in
Darwin)
    install -m 755 "$built/libkeyferry.dylib" "$destination$prefix/lib/libkeyferry.$abi.dylib"
    ln -sf "libkeyferry.$abi.dylib" "$destination$prefix/lib/libkeyferry.dylib"
    ;;
*)
    install -m 755 "$built/libkeyferry.so" "$destination$prefix/lib/libkeyferry.so.$abi.0.0"
    ln -sf "libkeyferry.so.$abi.0.0" "$destination$prefix/lib/libkeyferry.so.$abi"
    ln -sf "libkeyferry.so.$abi" "$destination$prefix/lib/libkeyferry.so"
    ;;
esac
sed -e "s|@prefix@|$prefix|" -e "s|@version@|$version|" "$here/keyferry.pc.in" \
    >"$destination$prefix/lib/pkgconfig/keyferry.pc"
