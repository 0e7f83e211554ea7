#!/bin/sh
# Runs all fuzz targets in parallel, FUZZ_SECONDS each (default 60; 0 skips them), and counts them
# as cargo counts tests. Arguments select targets by name, as with cargo's tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seconds=${FUZZ_SECONDS:-60}

chosen() {
	any=
	for word; do
		case "$word" in -*) continue ;; esac
		any=1
		case "fuzz: $target" in *"$word"*) return 0 ;; esac
	done
	[ -z "$any" ]
}

targets=
for target in token key jwk authorization; do
	if chosen "$@"; then targets="$targets $target"; fi
done

reason=
if [ "$seconds" = 0 ]; then
	reason="FUZZ_SECONDS is 0"
elif ! command -v "${CXX:-c++}" >/dev/null 2>&1; then
	reason="no C++ compiler, which libFuzzer needs"
fi

passed=0 failed=0 ignored=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

if [ -z "$reason" ] && [ -n "$targets" ]; then
	"$here/run.sh" --build
	for target in $targets; do
		{ "$here/run.sh" "$target" "$seconds" >"$folder/$target" 2>&1 && : >"$folder/$target.ok"; } &
	done
	wait
fi
for target in $targets; do
	if [ -n "$reason" ]; then
		echo "test fuzz: $target ... ignored, $reason"
		ignored=$((ignored + 1))
	elif [ -e "$folder/$target.ok" ] && runs=$(grep -o 'Done [0-9]* runs in [0-9]* second' "$folder/$target"); then
		echo "test fuzz: $target ... ok (${runs}s)"
		passed=$((passed + 1))
	else
		tail -n 40 "$folder/$target"
		echo "test fuzz: $target ... FAILED"
		failed=$((failed + 1))
	fi
done
[ "$failed" = 0 ] && outcome=ok || outcome=FAILED
echo
echo "test result: $outcome. $passed passed; $failed failed; $ignored ignored; 0 measured; 0 filtered out"
[ "$failed" = 0 ]
