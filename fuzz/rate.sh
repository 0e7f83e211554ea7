#!/bin/sh
# Says how much a run of a fuzz target has tried, by its output in the file $1; fails if it did not end.
set -eu
awk '
	/^Done [0-9]+ runs in [0-9]+ second/ {
		printf "%d runs in %d s, %d a second\n", $2, $5, $2 / ($5 ? $5 : 1)
		done = 1
	}
	END { exit !done }' "$1"
