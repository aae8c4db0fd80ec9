#!/bin/sh
# Runs the daemon in this process, with those of the shipped permission sets that its configuration
# needs. `deno task launch` adds what no shipped set holds.
# Usage: sh scripts/daemon.sh [ARGUMENT OF NGROKD ...]

. scripts/find_deno.sh

run="sh scripts/start.sh deno run --no-prompt --quiet --cached-only"
# No entry of a shipped set contains a blank.
flags=$($run -P=scripts scripts/choose_sets.ts "$@") || exit 1
exec $run $flags main.ts "$@"
