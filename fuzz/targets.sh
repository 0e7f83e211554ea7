#!/bin/sh
# Prints the names of the fuzz targets, one a line.
set -eu
cd "$(dirname "$0")/fuzz_targets"
for file in *.rs; do echo "${file%.rs}"; done
