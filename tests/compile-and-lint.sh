#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER for the tests: compiles a crate of the workspace and lints it from the same artefacts.
#
# Clippy is the compiler with more lints, so it compiles; rustdoc then reads what the crate was compiled with. `cargo clippy`
# and `cargo doc` would each check every crate anew, those of others too: minutes on two cores.
set -eu
rustc=$1
shift
case " $* " in
*" --print="* | *" -vV "*) exec "$rustc" "$@" ;; # a question of cargo's, not a compilation
esac
# A crate's own tests call what is optimised, and are run once: to optimise them as well takes five times as long. The
# cryptography's are the exception, as its code is compiled with them.
quickly=
case " $* " in
*" --crate-name keyferry_crypto "*) ;;
*" --test "*) quickly='-C opt-level=0' ;;
esac
# shellcheck disable=SC2086 # flags are words
clippy-driver "$rustc" "$@" $quickly -D warnings

# Documented is what `cargo doc` would: libraries and programs, not tests. What rustdoc has no such option for is left out.
case " $* " in
*" --test "* | *" build_script_build "* | *" --crate-name keyferry "*"main.rs"*) exit ;;
esac
before=
for argument; do
    shift
    case $before$argument in
    --emit=* | --json=* | --out-dir*) ;;
    *) set -- "$@" "$argument" ;;
    esac
    before=
    [ "$argument" != --out-dir ] || before=--out-dir
done
documentation=$(mktemp -d)
trap 'rm -rf "$documentation"' EXIT
rustdoc "$@" -D warnings --out-dir "$documentation"
