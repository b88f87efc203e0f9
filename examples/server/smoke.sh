#!/usr/bin/env bash
# Do a server and a client, each a process, talk over pooled streams?
set -euo pipefail
cd "$(dirname "$0")/../.."
requests=300 # more than the 128 streams that a connection carries at a time

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir" ./examples/server ./examples/client

exec 3< <(exec timeout 30 "$dir/server" -listen 127.0.0.1:0 -api 127.0.0.1:0 -n "$requests")
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT

read -r -t 30 hello <&3
[[ $hello =~ 'streams at '([0-9.:]+)', their IDs at '(http://[0-9.:]+)/stream ]] || {
	echo "the server said: $hello" >&2
	exit 1
}
timeout 30 "$dir/client" -server "${BASH_REMATCH[1]}" -api "${BASH_REMATCH[2]}" -n "$requests" >"$dir/client.out" || {
	tail -n 3 "$dir/client.out" >&2
	exit 1
}
read -r -t 30 goodbye <&3
wait "$server"
[ "$goodbye" = "server: answered $requests requests" ] || {
	echo "the server said: $goodbye" >&2
	exit 1
}
echo "ok: $requests requests between two processes, each on a stream of its own"
