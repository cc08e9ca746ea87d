#!/usr/bin/env bash
# Sets up .venv when needed, then runs the program with the flags given: bash run.sh --help
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tools/setup.sh"
set_up "$root" || exit 1
while :; do
    "$VENV_PYTHON" "$root/wgp.py" "$@"
    code=$?
    [ "$code" = 42 ] || exit "$code" # 42: the page asked for a restart
done
