#!/usr/bin/env bash
# What docs/deployment.md says of two servers, a synchronous standby, failover, backup and restore, done by a real
# PostgreSQL: `make test-deployment`. Usage: deployment.sh KEYFERRY
set -euo pipefail
keyferry=$(realpath "$1")
postgres=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
work=$(mktemp -d)
started=()
as_server() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
ended() {
    [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
    for folder in "$work"/first "$work"/second; do
        [ ! -e "$folder/postmaster.pid" ] || as_server "$postgres/pg_ctl" -D "$folder" -m immediate stop >/dev/null || true
    done
    rm -rf "$work"
}
trap ended EXIT
say() { printf -- '--- %s\n' "$*"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
first_port=$(free_port) second_port=$(free_port)
chmod 755 "$work"
mkdir "$work/home" && install -d -o postgres -m 700 "$work/first" "$work/second"
export HOME=$work/home KEYFERRY_KEYRING=off KEYFERRY_STORE_PASSWORD=of-the-store PGPASSWORD=of-the-owner
export KEYFERRY_MASTER_PASSWORD='a sentence for a test'
sql() { "$postgres/psql" -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U postgres -d "${3:-postgres}" -c "$2"; }

say 'a primary, and a standby that has every commit before it is answered'
echo "$PGPASSWORD" >"$work/password" && chown postgres "$work/password"
as_server "$postgres/initdb" -D "$work/first" -U postgres -A scram-sha-256 --pwfile "$work/password" -E UTF8 --locale=C.UTF-8 >/dev/null
cat >>"$work/first/postgresql.conf" <<CONF
port = $first_port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
CONF
echo 'host replication copier 127.0.0.1/32 scram-sha-256' >>"$work/first/pg_hba.conf"
as_server "$postgres/pg_ctl" -D "$work/first" -l "$work/first/log" -w start >/dev/null
sql "$first_port" "CREATE ROLE copier REPLICATION LOGIN PASSWORD 'of-the-copier'"
sql "$first_port" "CREATE ROLE keyferry LOGIN PASSWORD 'of-the-store'"
sql "$first_port" "CREATE DATABASE keyferry OWNER keyferry ENCODING 'UTF8'"
PGPASSWORD=of-the-copier as_server "$postgres/pg_basebackup" -D "$work/second" -R -X stream -C -S second \
    -d "host=127.0.0.1 port=$first_port user=copier application_name=second"
sed -i "s/^port = .*/port = $second_port/" "$work/second/postgresql.conf"
as_server "$postgres/pg_ctl" -D "$work/second" -l "$work/second/log" -w start >/dev/null
sql "$first_port" "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (second)'"
sql "$first_port" 'SELECT pg_reload_conf()' >/dev/null
until [ "$(sql "$first_port" 'SELECT sync_state FROM pg_stat_replication')" = sync ]; do sleep 0.1; done

say 'two servers on it, which know both'
store=postgres://keyferry@127.0.0.1:$first_port,127.0.0.1:$second_port/keyferry
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
"$keyferry" --json env init "$store" --user admin >"$work/made"
KEYFERRY_TOKEN=$(field "$work/made" access_token)
export KEYFERRY_TOKEN
serve() { # NAME STORE: its address is in the file NAME
    "$keyferry" --json serve --store "$2" --listen 127.0.0.1:0 --log off >"$work/$1" 2>"$work/$1.log" &
    started+=($!)
    until [ -s "$work/$1" ]; do kill -0 $! && sleep 0.1; done
}
serve one "$store"
serve two "$store"
one=$(field "$work/one" url) two=$(field "$work/two" url)
python3 -c '
print("vault,folder,name,login,password")
for number in range(5000):
    print(f"Team {number % 5},f{number % 20},record {number},user{number},pass {number} word")' >"$work/home/records.csv"
cd "$work/home"

say 'the primary is gone in the middle of an import, and the standby takes over'
"$keyferry" -q import records.csv "$one" >"$work/import.log" 2>&1 &
import=$!
while [ "$(sql "$first_port" 'SELECT count(*) FROM items' keyferry)" -lt 500 ]; do kill -0 "$import" && sleep 0.02; done
as_server "$postgres/pg_ctl" -D "$work/first" -m immediate stop >/dev/null
as_server "$postgres/pg_ctl" -D "$work/second" -w promote >/dev/null
if wait "$import"; then echo 'the import went on by itself'; else
    tail -n 3 "$work/import.log"
    "$keyferry" -q resume last
fi
"$keyferry" -q verify --exact records.csv "$two"
"$keyferry" -q activity "$one" --check
[ "$(sql "$second_port" 'SELECT count(*) FROM items' keyferry)" = 5000 ]
echo '5,000 of 5,000, each once'

say 'a dump becomes a database, and a server on it shows the same'
"$postgres/pg_dump" -h 127.0.0.1 -p "$second_port" -U postgres -Fc keyferry >"$work/dump"
sql "$second_port" "CREATE DATABASE restored OWNER keyferry ENCODING 'UTF8'"
"$postgres/pg_restore" -h 127.0.0.1 -p "$second_port" -U postgres -d restored "$work/dump"
serve three "postgres://keyferry@127.0.0.1:$second_port/restored"
three=$(field "$work/three" url)
"$keyferry" -q verify --exact records.csv "$three"
"$keyferry" -q activity "$three" --check
say 'done'
