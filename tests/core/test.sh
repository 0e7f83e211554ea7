#!/bin/sh
# Tests the stand-in core: its self-test without and with sanitizers, and whole suites with the
# sanitized one. Counts tests as cargo does. Arguments select tests by name, as with cargo.
#
# A sanitizer writes its findings to a separate file, as a trial need not notice them: it may have
# ended before a leak is found. Any such file is a failure, whatever the trials say.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

chosen() { # chosen NAME WORDS...
	name=$1 any=
	shift
	for word; do
		case "$word" in -*) continue ;; esac
		any=1
		case "$name" in *"$word"*) return 0 ;; esac
	done
	[ -z "$any" ]
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

missing=
if ! echo 'int main(void) { return 0; }' |
	"${CC:-cc}" -fsanitize=address,undefined -x c -o "$folder/probe" - 2>/dev/null || ! "$folder/probe"; then
	missing="${CC:-cc} has no AddressSanitizer"
fi

passed=0 failed=0 ignored=0
count() { # count NAME STATUS [WHAT IT SAYS]
	if [ "$2" = 0 ]; then
		echo "test $1 ... ok${3:+ ($3)}"
		passed=$((passed + 1))
	else
		echo "test $1 ... FAILED"
		failed=$((failed + 1))
	fi
}

self_test() { # self_test NAME [SAN=1]
	status=0
	make -C "$here" check ${2:+"$2"} >"$folder/log" 2>&1 || status=$?
	[ "$status" = 0 ] || tail -n 60 "$folder/log"
	count "$1" "$status" "$(sed -n 's/.*self-test: \([0-9]* passed\).*/\1/p' "$folder/log")"
}

name="stand-in: self-test"
if chosen "$name" "$@"; then self_test "$name"; fi
name="sanitized stand-in: self-test"
if chosen "$name" "$@"; then
	if [ -z "$missing" ]; then
		self_test "$name" SAN=1
	else
		echo "test $name ... ignored, $missing"
		ignored=$((ignored + 1))
	fi
fi

status=0
name="sanitized stand-in: nothing found in the suites e2e and webhooks"
if [ -n "$missing" ]; then
	echo "test $name ... ignored, $missing"
	ignored=$((ignored + 1))
else
	# Without the trial that measures memory growth: a sanitizer keeps freed memory.
	SAN=1 ASAN_OPTIONS="log_path=$folder/found" UBSAN_OPTIONS="log_path=$folder/found:print_stacktrace=1" \
		"${CARGO:-cargo}" test --locked --no-fail-fast --test e2e --test webhooks -- --skip "core: OpenSIPS" \
		--skip "10,000 calls to an endpoint that does everything wrong" "$@" 2>&1 || status=$?
	found=0
	for file in "$folder"/found.*; do
		[ -e "$file" ] || continue
		found=$((found + 1))
		[ "$found" -gt 5 ] || head -n 40 "$file"
	done
	[ "$found" = 0 ] || echo "processes in which something was found: $found"
	count "$name" "$found"
fi
[ "$failed" = 0 ] && outcome=ok || outcome=FAILED
echo
echo "test result: $outcome. $passed passed; $failed failed; $ignored ignored; 0 measured; 0 filtered out"
[ "$failed" = 0 ] && exit "$status"
