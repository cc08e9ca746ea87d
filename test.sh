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
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" HF_HUB_OFFLINE=1 GRADIO_ANALYTICS_ENABLED=False
exec "$VENV_PYTHON" -m pytest "$@"
