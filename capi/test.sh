#!/bin/bash
# Builds and runs every consumer against an installed library, and attacks it: test.sh PREFIX KEYFERRY
#
# PREFIX is where `make install` put it, KEYFERRY the command line, which makes environments. A toolchain that is not
# there is skipped out loud.
set -euo pipefail
prefix=$1 keyferry=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib DYLD_LIBRARY_PATH=$prefix/lib
export KEYFERRY_LIBRARY=$prefix/lib/libkeyferry.so.1 KEYFERRY_MASTER_PASSWORD='a sentence for the tests'
export XDG_STATE_HOME=$work/state HOME=$work/home GOCACHE=${GOCACHE:-$(go env GOCACHE 2>/dev/null || echo "$work/go")}
people=$here/examples/people.csv
mkdir -p "$work/home" "$work/environments"

there() { # PROGRAM… - are all of them here?
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { echo "skipped: no $program here"; return 1; }
    done
}

environment() { # NAME - a new one, made from a template: key pairs take their time
    [ -d "$work/environments/template" ] ||
        "$keyferry" --quiet env init "embedded:$work/environments/template" --user admin >/dev/null
    cp -r "$work/environments/template" "$work/environments/$1"
    echo "embedded:$work/environments/$1"
}

consumer() { # LANGUAGE COMMAND… - does the small job, says what is expected, and fails where it should
    local language=$1 location
    shift
    location=$(environment "$language")
    "$@" "$location" "$people" >"$work/$language.out"
    diff "$here/examples/expected.txt" "$work/$language.out"
    "$keyferry" verify "$location" "$people" >/dev/null
    if "$@" "embedded:$work/nowhere" "$people" >/dev/null 2>"$work/$language.err"; then
        echo "$language: a missing environment is no error?" && return 1
    fi
    grep -q '^.*not-found: .*keyferry env init' "$work/$language.err"
    echo "$language: ok"
}

flags=$(pkg-config --cflags --libs keyferry)
# shellcheck disable=SC2086 # flags are words
{
    cc -std=c99 -Wall -Wextra -Werror -pedantic -o "$work/example-c" "$here/examples/c/main.c" $flags
    consumer c "$work/example-c"
    cc -std=c99 -o "$work/example-static" "$here/examples/c/main.c" $(pkg-config --cflags keyferry) \
        "$prefix/lib/libkeyferry.a" $(pkg-config --static --libs-only-l keyferry | sed 's/-lkeyferry//')
    consumer c-static "$work/example-static"
    if there c++; then
        c++ -std=c++17 -Wall -Wextra -Werror -pedantic -o "$work/example-cpp" "$here/examples/cpp/main.cpp" $flags
        consumer cpp "$work/example-cpp"
        c++ -std=c++17 -Wall -Wextra -Werror -pedantic -o "$work/wrapper" "$here/tests/c/wrapper.cpp" $flags
        "$work/wrapper" "$(environment wrapper)" "$people" "$work/backup.kfa"
    fi
}
if there go; then
    (cd "$here/examples/go" && go build -o "$work/example-go" .)
    consumer go "$work/example-go"
fi
if there python3; then
    consumer python python3 "$here/examples/python/main.py"
fi
if there node npm; then
    cp -r "$here/examples/node" "$work/node-example"
    (cd "$work/node-example" && npm install --silent --no-audit --no-fund)
    consumer node node "$work/node-example/main.js"
fi
if there java mvn; then
    cp -r "$here/examples/java" "$work/java-example"
    # Maven keeps what it fetched where it always does, not in the test's own home.
    (cd "$work/java-example" && mvn -q -B -Duser.home="$(getent passwd "$(id -u)" | cut -d: -f6)" package dependency:build-classpath -Dmdep.outputFile=classpath)
    consumer java java -Djna.library.path="$prefix/lib" \
        -cp "$work/java-example/target/keyferry-example-1.jar:$(cat "$work/java-example/classpath")" Main
fi

# Only what the header names is exported.
if there nm; then
    nm -D --defined-only "$prefix/lib/libkeyferry.so" | awk '{print $3}' | sort >"$work/exported"
    grep -o 'kf_[a-z0-9_]* (' "$here"/abi/1.txt | tr -d ' (' | grep -v _callback | sort >"$work/declared"
    diff "$work/declared" "$work/exported"
    readelf -d "$prefix/lib/libkeyferry.so" | grep -q "soname: \[$(basename "$KEYFERRY_LIBRARY")\]"
    echo "symbols: ok"
    while read -r function; do
        grep -q "\b$function(" "$here/tests/c/arguments.c" || { echo "$function: no wrong argument was tried" && exit 1; }
    done <"$work/declared"
fi

# Every wrong argument to every function, and 32 threads on one handle; then the same under the sanitizer and valgrind.
# shellcheck disable=SC2086
cc -std=c11 -fsanitize=address -o "$work/control" "$here/tests/c/control.c" $flags
if "$work/control" >/dev/null 2>"$work/control.err"; then
    echo "the sanitizer sees nothing" && exit 1
fi
grep -q heap-use-after-free "$work/control.err"
# shellcheck disable=SC2086
for program in arguments threads; do
    cc -std=c11 -g -Wall -Wextra -Werror -pedantic -o "$work/$program" "$here/tests/c/$program.c" $flags -pthread
    "$work/$program" "$(environment "$program")" "$people" "$work/scratch"
    cc -std=c11 -g -fsanitize=address,undefined -fno-sanitize-recover=all -o "$work/$program-asan" \
        "$here/tests/c/$program.c" $flags -pthread
    [ "$(nm "$work/$program-asan" | grep -c __asan_init)" -gt 0 ]
    "$work/$program-asan" "$(environment "$program-asan")" "$people" "$work/scratch"
    if there valgrind; then
        valgrind --quiet --suppressions="$here/tests/c/valgrind.supp" --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
            "$work/$program" "$(environment "$program-valgrind")" "$people" "$work/scratch" light
    fi
    echo "$program: ok"
done
