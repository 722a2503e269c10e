#!/usr/bin/env bash
# Makes pages of every kind to look at: pages.sh KEYFERRY FOLDER
set -euo pipefail
keyferry=$1 folder=$2
rm -rf "$folder" && mkdir -p "$folder" && cd "$folder"
export HOME=$folder KEYFERRY_MASTER_PASSWORD="made up for pages"
"$keyferry" -q demo --records 2000 --keep demo >/dev/null
"$keyferry" -q env init embedded:old --user anna
"$keyferry" -q env init embedded:new --user ops
{ cat demo/sample.csv; echo 'Infra,,short'; } > people.csv
"$keyferry" -q import people.csv embedded:old --report import.html || [ $? = 3 ]
"$keyferry" -q migrate embedded:old embedded:new --report migrate.html
"$keyferry" -q verify people.csv embedded:new --exact --report verify.html || [ $? = 3 ]
"$keyferry" -q audit embedded:new --output audit.html || [ $? = 4 ]
rm -rf demo people.csv old new .local .config
