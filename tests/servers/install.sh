#!/bin/sh
# Installs MCP servers of the SDKs in use into a folder, for the tests of the probe:
#
#   tests/servers/install.sh /tmp/servers
#   LANDFALL_REAL_SERVERS=/tmp/servers cargo test --lib real_servers -- --ignored --nocapture
#
# Needs python3, npm and go, and their package registries.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder/node" "$folder/go"
cd "$folder"

python() { # NAME PACKAGE...
    test -d "$1" || python3 -m venv "$1"
    name=$1
    shift
    "$name/bin/pip" --quiet install "$@"
}
python python-1.26 mcp==1.26.0
python python-1.30 mcp==1.30.0
python python-2.3 mcp==2.3.0 uvicorn
cp "$here"/python_v1.py "$here"/python_v2.py .

cp "$here"/typescript_v2.mjs "$here"/loopback.cjs node/
cd node
test -f package.json || npm init --yes > /dev/null
npm install --silent --no-save --no-package-lock \
    @modelcontextprotocol/server-everything@2026.8.31 \
    @modelcontextprotocol/server@2.4.0 @modelcontextprotocol/node@2.1.2 zod@4
cd ..

cp "$here"/go/main.go "$here"/go/go.mod "$here"/go/go.sum go/
(cd go && go build -o server .)

(cd "$here/../../examples/echo-server" && cargo build --quiet)
cp "$here/../../examples/echo-server/target/debug/echo-server" echo-server
