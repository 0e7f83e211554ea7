#!/bin/sh
# Runs a fuzz target for some seconds: fuzz/run.sh TARGET [SECONDS, default 60]
# Or only builds all of them: fuzz/run.sh --build
# Or keeps what runs have found, as a start for the next: fuzz/run.sh --keep TARGET
# A target is a file of fuzz/fuzz_targets, without its extension.
#
# With cargo-fuzz, `cargo +nightly fuzz run TARGET` does the same with sanitizers. This script needs
# only the stable toolchain and a C++ compiler. Findings go to fuzz/artifacts, new inputs to the
# build folder. The corpus next to this script is only read, until --keep adds inputs that reach new
# code; nothing that looks like a private key.
set -eu
task=run
case "$1" in
--*)
	task=${1#--}
	shift
	;;
esac
target=${1:-}
seconds=${2:-60}
here=$(cd "$(dirname "$0")" && pwd)
cargo=${CARGO:-cargo}
host=$(rustc -vV | sed -n 's/^host: //p')
# The module's own build folder, where procedural macros and build scripts are already built.
case "${CARGO_TARGET_DIR:=$(dirname "$here")/target}" in
/*) ;;
*) CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR ;;
esac
# Coverage is only needed for the code being fuzzed, not for build scripts: hence the explicit
# target.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
export CARGO_TARGET_DIR RUSTFLAGS
# The authorities of this machine would be read for each configuration.
export SSL_CERT_FILE=/dev/null
cd "$here"
../scripts/quiet "building the fuzz targets ($(find fuzz_targets -name '*.rs' | wc -l) files)" \
	"$cargo" build --quiet --locked --release --target "$host" --bins
if [ "$task" = build ]; then exit; fi
found=$CARGO_TARGET_DIR/fuzz-corpus/$target
corpus=$here/corpus/$target
fuzz() {
	"$cargo" run --quiet --locked --release --target "$host" --bin "$target" -- "$@"
}
mkdir -p "$found" "$here/artifacts/$target"
case "$task" in
run)
	fuzz -max_total_time="$seconds" -max_len=10000 -timeout=10 -rss_limit_mb=1024 \
		-artifact_prefix="$here/artifacts/$target/" "$found" "$corpus"
	;;
keep)
	kept=$(mktemp -d)
	trap 'rm -rf "$kept"' EXIT
	# A merge adds to the first folder what the others have beyond it; it ignores how often code is
	# reached, or there would be thousands.
	cp -r "$corpus/." "$kept"
	fuzz -set_cover_merge=1 -use_counters=0 -use_cmp=0 -max_len=1000 "$kept" "$found"
	mkdir -p "$corpus/found"
	for file in "$kept"/*; do
		name=${file##*/}
		if [ -f "$file" ] && [ ! -e "$corpus/$name" ] && ! grep -aq 'PRIVATE KEY' "$file"; then
			cp "$file" "$corpus/found/$name"
		fi
	done
	;;
*)
	echo "run.sh: unknown task '--$task', allowed are --build and --keep" >&2
	exit 2
	;;
esac
