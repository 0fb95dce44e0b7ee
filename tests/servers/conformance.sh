#!/bin/sh
# Has the official conformance suite judge `landfall probe` as a client:
#
#   cargo build && tests/servers/conformance.sh /tmp/conformance target/debug/landfall
#
# Needs npm; the suite needs a newer Node than most systems have, so that comes from npm too.
set -eu

folder=${1:?usage: conformance.sh FOLDER LANDFALL}
landfall=$(realpath "${2:?usage: conformance.sh FOLDER LANDFALL}")
mkdir -p "$folder"
cd "$folder"
test -f package.json || npm init --yes > /dev/null
npm install --silent --no-save --no-package-lock \
    @modelcontextprotocol/conformance@0.2.0-alpha.12 node@24

status=0
judge() { # SCENARIO COMMAND
    echo "$1: $2"
    node_modules/node/bin/node node_modules/@modelcontextprotocol/conformance/dist/index.js \
        client --scenario "$1" --command "$2" > "$1.log" 2>&1 || status=1
    grep -E 'FAILURE|WARNING|^Passed|OVERALL' "$1.log" || status=1
}
judge initialize "$landfall probe"
# A full conversation asks a question of the older era too, which these hold against a client.
judge request-metadata "$landfall probe --era modern"
judge http-standard-headers "$landfall probe --era modern"
judge json-schema-ref-no-deref "$landfall probe --era modern"
exit $status
