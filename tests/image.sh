#!/usr/bin/env bash
# The image against a real server: `make test-image`. Needs buildah, and podman or a chroot to run it in.
set -euo pipefail
binary=$1
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; [ -z "${container:-}" ] || buildah rm "$container" >/dev/null; rm -rf "$work"' EXIT
server=

echo "--- the binary needs no library"
! ldd "$binary" 2>/dev/null | grep -q '=>' || { echo "it does"; exit 1; }

echo "--- the image holds the binary twice, the certificates, and nothing else"
container=$(buildah from localhost/keyferry)
root=$(buildah mount "$container")
(cd "$root" && find . -type f | sort) | tee "$work/files"
diff "$work/files" - <<'FILES'
./etc/ssl/certs/ca-certificates.crt
./keyferry
./passwork-cli
FILES
buildah inspect --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}' "$container" | tee "$work/config"
grep -qx '65532:65532 \[/passwork-cli\]' "$work/config"

echo "--- it fetches a secret"
"$binary" serve "$work/data" --dev --json --listen 127.0.0.1:0 --log off >"$work/ready" &
server=$!
until [ -s "$work/ready" ]; do sleep 0.1; done
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/ready" "$1"; }
# A name rather than a number: resolving it must work without the plug-ins of a C library.
PASSWORK_HOST=$(field url | sed s/127.0.0.1/localhost/) PASSWORK_TOKEN=$(field access_token) PASSWORK_MASTER_KEY=$(field master_key)
export PASSWORK_HOST PASSWORK_TOKEN PASSWORK_MASTER_KEY
printf 'vault,name,password\nInfra,db,correct horse\n' >"$work/one.csv"
KEYFERRY_TOKEN=$PASSWORK_TOKEN KEYFERRY_MASTER_KEY=$PASSWORK_MASTER_KEY HOME=$work "$binary" -q import "$work/one.csv" "$PASSWORK_HOST"
run() { # as podman runs it, or, where a machine lets no container start, in a chroot of the same files
  if podman run --rm --network host localhost/keyferry --help >/dev/null 2>&1; then
    podman run --rm --network host -e PASSWORK_HOST -e PASSWORK_TOKEN -e PASSWORK_MASTER_KEY --entrypoint "$1" localhost/keyferry "${@:2}"
  else
    echo "podman cannot run containers here: in a chroot instead, without a /dev" >&2
    mkdir -p "$root/etc" && echo '127.0.0.1 localhost' >"$root/etc/hosts"
    chroot --userspec 65532:65532 "$root" "$@"
  fi
}
got=$(run /keyferry get Infra/db)
[ "$got" = 'correct horse' ] || { echo "got: $got"; exit 1; }
id=$(run /keyferry --json get Infra/db | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
got=$(run /passwork-cli get --password-id "$id")
[ "$got" = 'correct horse' ] || { echo "got: $got"; exit 1; }
echo "ok"
