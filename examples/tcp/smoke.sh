#!/usr/bin/env bash
# Does a pool of TLS connections survive its server?
set -euo pipefail
cd "$(dirname "$0")/../.."

out=$(timeout 60 go run ./examples/tcp)
echo "$out"
for line in 'a request takes' 'the server is killed' 'the pool is full' 'requests more'; do
	grep -q "$line" <<<"$out" || {
		echo "the example did not say: $line" >&2
		exit 1
	}
done
