#!/usr/bin/env bash
# Does the comparison of policies come to its usual end, with its pictures?
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir" ./examples/sizing

timeout 60 "$dir/sizing" -o "$dir/pictures" >"$dir/out" || {
	tail -n 3 "$dir/out" >&2
	exit 1
}
grep -q '^Ladder .*%' "$dir/out" && grep -q '</svg>' "$dir/pictures/flash.svg" || {
	cat "$dir/out" >&2
	echo "no row of Ladder, or no picture" >&2
	exit 1
}
! "$dir/sizing" -workload none 2>"$dir/err" && grep -q 'choose all, or one of poisson-1' "$dir/err" || {
	echo "an unknown workload is not told what there is" >&2
	exit 1
}
echo "ok: $(grep '^Ladder ' "$dir/out")"
