#!/usr/bin/env bash
# Can both ends take streams and talk at the same time?
set -euo pipefail
cd "$(dirname "$0")/../.."
questions=200 # each way: more than the 128 streams that a connection carries at a time

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir" ./examples/twoway

timeout 30 "$dir/twoway" -n "$questions" >"$dir/out" || {
	tail -n 3 "$dir/out" >&2
	exit 1
}
answers=$(grep -c ' answers question ' "$dir/out")
[ "$answers" = $((2 * questions)) ] || {
	echo "got $answers answers to $((2 * questions)) questions" >&2
	exit 1
}
echo "ok: $answers questions and answers, half of them each way"
