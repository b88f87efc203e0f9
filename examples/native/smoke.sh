#!/usr/bin/env bash
# Do leases of the native API work?
set -euo pipefail
cd "$(dirname "$0")/../.."
streams=200 # more than the 128 that a connection carries at a time

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir" ./examples/native

timeout 30 "$dir/native" -n "$streams" >"$dir/out" || {
	tail -n 3 "$dir/out" >&2
	exit 1
}
heard=$(grep -c 'heard "HELLO ' "$dir/out")
[ "$heard" = "$streams" ] || {
	echo "heard $heard answers on $streams streams" >&2
	exit 1
}
echo "ok: $heard leases, each of a stream of its own"
