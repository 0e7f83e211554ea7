#!/bin/sh
# Runs all fuzz targets, FUZZ_SECONDS each (default 15; 0 skips them), as many at once as there are
# processors, and counts them as cargo counts tests. Arguments select targets by name, as with cargo's
# tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
seconds=${FUZZ_SECONDS:-15}

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
for target in $("$here/targets.sh"); do
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
	# As they are free, so that one that takes longer to begin holds up no other.
	# shellcheck disable=SC2016 # for the shell that xargs starts
	# shellcheck disable=SC2086 # a list
	printf '%s\n' $targets | xargs -n 1 -P "$(nproc)" sh -c '
		if "$1/run.sh" "$4" "$2" >"$3/$4" 2>&1; then : >"$3/$4.ok"; fi
	' sh "$here" "$seconds" "$folder"
fi
for target in $targets; do
	if [ -n "$reason" ]; then
		echo "test fuzz: $target ... ignored, $reason"
		ignored=$((ignored + 1))
	elif [ -e "$folder/$target.ok" ] && runs=$("$here/rate.sh" "$folder/$target"); then
		echo "test fuzz: $target ... ok ($runs)"
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
