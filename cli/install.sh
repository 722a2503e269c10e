#!/bin/sh
# Installs the command line: install.sh BINARY DESTDIR PREFIX. Manual pages and completions come from the binary itself.
set -eu
binary=$1 destination=$2 prefix=$3
bin=$destination$prefix/bin
share=$destination$prefix/share
man=$share/man/man1

install -d "$bin" "$man" "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
install -m 755 "$binary" "$bin/keyferry"
# Called by this name it behaves as the official command line.
ln -sf keyferry "$bin/passwork-cli"
"$binary" --quiet man --dir "$man"
"$binary" completions bash >"$share/bash-completion/completions/keyferry"
"$binary" completions zsh >"$share/zsh/site-functions/_keyferry"
"$binary" completions fish >"$share/fish/vendor_completions.d/keyferry.fish"
