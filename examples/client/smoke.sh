#!/usr/bin/env bash
# Does the client say so, and fail, when there is no server? That it works when
# there is one, the server's smoke test sees.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir" ./examples/client

status=0
timeout 30 "$dir/client" -server 127.0.0.1:1 -api http://127.0.0.1:1 2>"$dir/err" || status=$?
if [ "$status" != 1 ] || ! grep -q '^client: ask for a stream: ' "$dir/err"; then
	echo "without a server the client ended with status $status and said:" >&2
	cat "$dir/err" >&2
	exit 1
fi
echo "ok: without a server the client says so and fails"
