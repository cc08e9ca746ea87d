# Sourced by run.sh and test.sh: makes .venv from requirements.txt, again only when that file changed.
# Everything it prints goes to stderr: stdout belongs to the program.

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@" >&2; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@" >&2; else return 1; fi
}

# install_system PACKAGE...: from the system's package manager, when that is allowed here.
install_system() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

find_python() {
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
        printf '%s' "$candidate"
        return 0
    done
    return 1
}

make_venv() {
    local python
    if ! python=$(find_python); then
        say "WanGP needs Python 3.11 (3.12 and 3.13 work too). Install it, or name it: PYTHON=/path/to/python3.11 bash run.sh"
        return 1
    fi
    if ! "$python" -m venv "$1" >&2; then
        say "This Python cannot make virtual environments; trying to install the system's venv package."
        rm -rf "$1"
        if ! install_system python3-venv || ! "$python" -m venv "$1" >&2; then
            say "Please install your system's package for Python's venv module (Debian, Ubuntu: python3-venv) and start again."
            return 1
        fi
    fi
}

# set_up: leaves the environment's Python in VENV_PYTHON.
set_up() {
    local root=$1 venv=$1/.venv wanted have=""
    VENV_PYTHON=$venv/bin/python
    wanted=$(cksum <"$root/requirements.txt")
    [ -f "$venv/requirements.cksum" ] && have=$(cat "$venv/requirements.cksum")
    [ "$wanted" = "$have" ] && [ -x "$VENV_PYTHON" ] && return 0
    say "Setting up .venv from requirements.txt; this happens once and takes some minutes."
    [ -x "$VENV_PYTHON" ] || { rm -rf "$venv"; make_venv "$venv" || return 1; }
    if ! "$VENV_PYTHON" -m pip install --disable-pip-version-check -q -r "$root/requirements.txt" >&2; then
        say "The packages could not be installed: see the lines above. Nothing else was changed; start again to go on."
        return 1
    fi
    printf '%s\n' "$wanted" >"$venv/requirements.cksum.tmp" && mv "$venv/requirements.cksum.tmp" "$venv/requirements.cksum"
}
