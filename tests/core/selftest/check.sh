#!/bin/sh
# check.sh CORE OUT - runs the self-test of the stand-in core against each of its layouts.
core=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/standin.XXXXXX")
failed=0 passed=0 pid=
ulimit -c 0
# With sanitizers built in: a crash must look like one.
export ASAN_OPTIONS="handle_segv=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

stop() {
	[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid"
	status=$?
	pid=
	return $status
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

is() { # is NAME ACTUAL EXPECTED
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'not ok: %s %s\n  is:     %s\n  wanted: %s\n' "$version" "$1" "$2" "$3"
	fi
}

has() { # has NAME FILE TEXT
	if grep -qF -- "$3" "$2"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'not ok: %s %s: %s has no line with: %s\n' "$version" "$1" "$2" "$3"
	fi
}

header() { # header NAME: its value in the last reply
	tr -d '\r' <"$work/reply" | sed -n "s/^$1: //p"
}

ask() { # ask once|twice METHOD HEADER...
	how=$1
	shift
	"$out/client" "$how" "$port" "$@" >"$work/reply"
	head -n 1 "$work/reply" | tr -d '\r'
}

mi() { # mi METHOD [PARAMS]: the answer
	"$out/client" mi "$work/mi" "{\"jsonrpc\":\"2.0\",\"method\":\"$1\"${2:+,\"params\":$2},\"id\":7}"
}

# On a free port, found by letting the core try.
start() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + ($$ * 7 + try * 131 + ${starts:-0} * 977) % 30000))
		starts=$((${starts:-0} + 1))
		sed "s|@PORT@|$port|g;s|@MODULES@|$out|g;s|@DATA@|$work|g" "$here/test.cfg" >"$work/run.cfg"
		"$core" -f "$work/run.cfg" --version "$version" 2>"$work/log" &
		pid=$!
		for i in $(seq 200); do
			[ "$(WAIT_MS=100 ask once OPTIONS)" = "SIP/2.0 200 OK" ] && mi st_hello >/dev/null 2>&1 && return 0
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
		grep -q "can't listen" "$work/log" || break
		wait "$pid"
	done
	echo "the core did not start:"
	cat "$work/log"
	exit 1
}

soon() { # soon NAME TEXT: the text is in the log, or comes within some seconds
	for i in $(seq 100); do
		grep -qF -- "$2" "$work/log" && break
		sleep 0.05
	done
	has "$1" "$work/log" "$2"
}

refused() { # refused NAME TEXT, with the script on stdin: the core must end and log the text
	cat >"$work/bad.cfg"
	"$core" -f "$work/bad.cfg" --version "$version" 2>"$work/badlog" >/dev/null
	[ $? -ne 0 ]
	is "$1 ends the core" $? 0
	has "$1" "$work/badlog" "$2"
}

sqlite3 "$work/test.db" "create table things (name varchar(64), value text, number int);
insert into things values ('it''s', 'a value', 12), ('empty', null, null);" || exit 1
printf 'name(string) value(string,null) number(int,null)\nit'"'"'s:a text value:34\ncolon\\:and\\nmore:x\\\\y:\n' >"$work/things"

for version in 3.4.9 3.5.9 3.6.8 4.0.1; do
	start
	has "says what it is" "$work/log" "core: stand-in"
	has "mod_init" "$work/log" "mod_init"
	is "a reply" "$(ask once OPTIONS)" "SIP/2.0 200 OK"
	is "names itself" "$(header Server)" "stand-in (as $version)"
	is "default case" "$(header X-Default)" "OPTIONS"

	ask once REGISTER 'X-Test: vars' 'X-Many: 1' 'X-Many: 2' 'x-many: 3' 'X-List: a=1;B=2' 'X-Base: aGVsbG8_' \
		'Authorization: Digest username="al@dom", realm="re,alm", nonce="n", uri="sip:u", qop=auth, nc=00000001' >/dev/null
	is "line" "$(header X-Line)" "REGISTER|service|sip:alice@example.org;x=1|alice|example.org|sip:bob@example.net|bob|example.net|127.0.0.1"
	is "headers" "$(header X-Hdr)" "3|2|3|3|1|Via"
	is "credentials" "$(header X-Auth)" "al|al@dom"
	is "nulls" "$(header X-Null)" "<null>|<null>"
	is "transformations" "$(header X-Trans)" "B=2|vars|hello|1|ar"
	is "avps" "$(header X-Avp)" "7|a"
	is "avps unset" "$(header X-Avp2)" "<null>"

	ask once OPTIONS 'X-Test: flow' >/dev/null
	is "arithmetic" "$(header X-Arith)" "6|kept|-1"
	is "text in assignments" "$(header X-Text)" 'not $rm expanded'
	is "while" "$(header X-Loop | tr '\n' ' ')" "1 2 3 4 "
	is "return codes" "$(header X-Rc)" "-3|-2"
	is "conditions" "$(header X-Cond)" "1111"
	is "zero ends the script" "$(WAIT_MS=200 ask once OPTIONS 'X-Test: zero')" ""
	is "zero ends it late" "$(ask once OPTIONS 'X-Test: zero late')" "SIP/2.0 200 before zero"

	is "drop ends the script" "$(ask once OPTIONS 'X-Test: drop')" "SIP/2.0 200 before drop"

	ask once OPTIONS 'X-Test: module' >/dev/null
	is "parameters" "$(header X-Params)" "some text/17"
	is "arguments" "$(header X-Join)" "plain+alice+5"
	is "arguments left out" "$(header X-Join2)" "in alice out+none+-1"
	is "arguments from variables" "$(header X-Join3)" "module+x+55"
	is "a null argument" "$(header X-Join4)" "-1"
	is "avps of modules" "$(header X-Made)" "by the module"
	is "variables of modules" "$(header X-Got)" "service of module: module"
	is "cachedb" "$(header X-Count)" "8 7 7 -2 14"

	ask once OPTIONS 'X-Test: db' >/dev/null
	is "sqlite" "$(header X-Sqlite)" "1|1 rows, 3:a value, 0:12"
	is "sqlite null" "$(header X-Sqlite2)" "1|1 rows, 3:NULL, 0:-1"
	is "sqlite no table" "$(header X-Sqlite3)" "-5"
	is "text" "$(header X-Text)" "1|1 rows, 3:a text value, 0:34"
	is "text escapes" "$(header X-Text2)" '1|1 rows, 3:x\y, 0:-1'
	is "text no row" "$(header X-Text3)" "-6"
	is "text no table" "$(header X-Missing)" "-5"
	is "text no folder" "$(header X-Nowhere)" "-3"
	is "no such backend" "$(header X-None)" "-2"

	is "async" "$(ask once REGISTER 'X-Test: async')" "SIP/2.0 200 Resumed"
	is "async result" "$(header X-Waited)" "7|waited|kept|async|127.0.0.1"
	is "async time-out" "$(ask once REGISTER 'X-Test: async timeout')" "SIP/2.0 200 Resumed"
	is "async timed out" "$(header X-Waited)" "7|timed out|<null>|async timeout|127.0.0.1"
	is "async done at once" "$(ask once INVITE 'X-Test: async sync')" "SIP/2.0 200 Resumed"
	is "async rc" "$(header X-Waited)" "8|at once|<null>|async sync|127.0.0.1"
	is "launch" "$(ask once INVITE 'X-Test: launch')" "SIP/2.0 200 OK"
	is "launch done at once" "$(ask once INVITE 'X-Test: launch sync')" "SIP/2.0 200 OK"
	soon "launched route" "launched: 7|waited|<null>"
	soon "launched route at once" "launched: 8|<null>|<null>"
	is "retransmission" "$(ask twice REGISTER 'X-Test: async')" "SIP/2.0 200 Resumed"
	is "same reply again" "$(grep -c '^X-Waited: 7' "$work/reply")" 2

	is "save" "$(ask once REGISTER 'X-Test: save' 'Contact: <sip:a@b>;expires=7200, <sip:c@d>')" "SIP/2.0 200 OK"
	is "saved contacts" "$(header Contact)" "<sip:a@b>;expires=7200, <sip:c@d>;expires=3600"
	ask once REGISTER 'X-Test: save shorter' 'm: <sip:a@b>;expires=7200, <sip:c@d>;expires=1' >/dev/null
	is "saved for shorter" "$(header Contact)" "<sip:a@b>;expires=90, <sip:c@d>;expires=60"

	is "mi" "$(mi st_hello)" '{"jsonrpc":"2.0","result":"hello","id":7}'
	is "mi with parameters" "$(mi st_hello '{"times":3000000000,"name":"you"}')" \
		'{"jsonrpc":"2.0","result":{"hello":[{"to":"you"}],"times":2147483647},"id":7}'
	is "mi with parameters by position" "$(mi st_hello '["you"]')" \
		'{"jsonrpc":"2.0","result":{"hello":[{"to":"you"}],"times":1},"id":7}'
	is "mi with others" "$(mi st_hello '{"me":"you"}' | grep -o '"code":-32602')" '"code":-32602'
	is "mi unknown" "$(mi nothing | grep -o '"code":-32601')" '"code":-32601'
	is "statistics" "$(mi get_statistics '{"statistics":["answer"]}')" '{"jsonrpc":"2.0","result":{"selftest:answer":42},"id":7}'

	"$out/client" garbage "$port" 1 3000
	is "alive after garbage" "$(ask once OPTIONS)" "SIP/2.0 200 OK"
	if command -v sipp >/dev/null; then
		# SIPp leaves its files where it runs.
		(cd "$work" && sipp -sf "$here/register.xml" -i 127.0.0.1 -m 500 -r 500 -timeout 60 -timeout_error \
			"127.0.0.1:$port" >"$work/sipp.log" 2>&1)
		is "500 calls of SIPp" $? 0
	else
		echo "sipp is not installed: its part was left out"
	fi
	has "a process of a module" "$work/log" "NOTICE:selftest:process"
	stop
	is "ends well" $? 0
	has "mod_destroy" "$work/log" "mod_destroy"
	is "nothing wrong in the log" "$(grep -c 'CRITICAL\|Sanitizer\|runtime error' "$work/log")" 0
	[ "$failed" -eq 0 ] || cat "$work/log" | grep 'CRITICAL\|Sanitizer\|runtime error' | head -5

	start
	WAIT_MS=500 ask once OPTIONS 'X-Test: crash' >/dev/null
	wait "$pid"
	is "a crash is a failure" $? 1
	pid=
	has "a crash is reported" "$work/log" "exited by a signal 11"

	base="socket=udp:127.0.0.1:$port
loadmodule \"proto_udp.so\"
loadmodule \"signaling.so\"
loadmodule \"$out/selftest.so\""
	printf '%s\nroute { send_reply(200 "OK"); }\n' "$base" | refused "a syntax error" "bad.cfg:5"
	printf '%s\nroute { nothing_known(); }\n' "$base" | refused "an unknown function" "unknown command"
	printf '%s\nroute { usleep(1); }\n' "$base" | refused "a module not loaded" "unknown command"
	printf '%s\nroute { send_reply("200", "OK"); }\n' "$base" | refused "a wrong argument of a built-in one" "wrong type"
	printf '%s\nroute { st_only_startup(); }\n' "$base" | refused "a wrong route" "cannot be used"
	printf '%s\nroute { st_ret(); }\n' "$base" | refused "too few arguments" "too few parameters"
	printf '%s\nroute { st_ret("x"); }\n' "$base" | refused "a wrong argument" "expected an integer"
	printf '%s\nroute { st_params($rm); }\n' "$base" | refused "a failing fixup" "Fixup failed"
	printf '%s\nroute { xlog("$nothing"); }\n' "$base" | refused "an unknown variable" "unknown script var"
	printf '%s\nroute { route(none); }\n' "$base" | refused "an unknown route" "no such route"
	printf '%s\nmodparam("selftest", "none", 1)\nroute { exit; }\n' "$base" | refused "an unknown parameter" "parameter <none> not found"
	printf '%s\nmodparam("selftest", "number", "1")\nroute { exit; }\n' "$base" | refused "a parameter's type" "type mismatch"
	printf '%s\nmodparam("selftest", "text", "refuse me")\nroute { exit; }\n' "$base" | refused "a refused value" "parse error"
	printf '%s\nmodparam("nobody", "text", "x")\nroute { exit; }\n' "$base" | refused "a module that is not there" "no module matching"
	printf '%s\nmodparam("selftest", "number", 666)\nroute { exit; }\n' "$base" | refused "a failing mod_init" "failed to initialize module selftest"
	printf '%s\nloadmodule "/nowhere/rest_client.so"\n' "$base" | refused "a missing module" "rest_client.so"
	export SELFTEST_OTHER_VERSION=1
	printf '%s\nroute { exit; }\n' "$base" | refused "another version" "module version mismatch for selftest"
	unset SELFTEST_OTHER_VERSION
done
version=all
echo "core: stand-in, self-test: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
