#!/usr/bin/env bash
# Sets up .venv and what the tests need, then runs them: bash test.sh [pytest arguments]
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tools/setup.sh"
set_up "$root" || exit 1
if ! command -v chromium >/dev/null 2>&1 && ! command -v google-chrome >/dev/null 2>&1; then
    say "The page's tests need Chromium; trying to install it."
    install_system chromium || say "Chromium could not be installed: the tests of the page in a browser will be skipped."
fi
cd "$root" || exit 1
export HF_HUB_OFFLINE=1 GRADIO_ANALYTICS_ENABLED=False
if [ $# -gt 0 ]; then
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
    exec "$VENV_PYTHON" -m pytest "$@"
fi
# The whole suite: two processes of one thread each take about half the time of one with two. What runs out of time in
# a browser on a busy machine is tried again; the summary names it.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "$VENV_PYTHON" -m pytest -n 2 --dist loadfile --max-worker-restart 0 --reruns 2 --only-rerun TimeoutError
