#!/bin/sh
# Make .venv if there is none and install the project into it: `venv.sh PYTHON PROJECT TORCH`, where PROJECT is
# `.` or `.[extras]`, and TORCH, if not empty, is installed first, so that nothing takes a larger build of it.
set -eu
python=$1 project=$2 torch=$3

if ! command -v "$python" >/dev/null 2>&1; then
    echo "make: no $python here; install Python 3.11 or newer, or say PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "make: $python is $("$python" -V 2>&1); Python 3.11 or newer is needed (say PYTHON=python3.12)" >&2
    exit 1
fi

if [ -n "$torch" ]; then size="about 2 GB with networks and tools for tests"; else size="about 650 MB"; fi
echo "make: installing numpy, OpenCV, PyAV, aiohttp and others into .venv (once; $size, a minute or more)" >&2
if command -v uv >/dev/null 2>&1; then
    export UV_TORCH_BACKEND=cpu
    [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
    install() { uv pip install --quiet --compile-bytecode --python .venv/bin/python "$@"; }
else
    if [ ! -x .venv/bin/pip ]; then
        rm -rf .venv
        if ! "$python" -m venv .venv 2>/dev/null; then
            echo "make: $python cannot make a virtual environment; on Debian or Ubuntu: apt install python3-venv" >&2
            exit 1
        fi
    fi
    install() { .venv/bin/pip install -qq --disable-pip-version-check "$@"; }
fi
if [ -n "$torch" ]; then install "$torch"; fi
install --editable "$project"
echo "make: .venv takes $(du -sm .venv | cut -f1) MB" >&2
