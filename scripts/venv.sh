#!/bin/sh
# Make .venv if there is none and install the project with its extras into it: `venv.sh PYTHON EXTRAS`.
set -eu
python=$1 extras=$2

if ! command -v "$python" >/dev/null 2>&1; then
    echo "make: no $python here; install Python 3.11 or newer, or say PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "make: $python is $("$python" -V 2>&1); Python 3.11 or newer is needed (say PYTHON=python3.12)" >&2
    exit 1
fi

echo "make: installing into .venv (once)" >&2
if command -v uv >/dev/null 2>&1; then
    [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
    exec uv pip install --quiet --python .venv/bin/python --editable ".$extras"
fi
if [ ! -x .venv/bin/pip ]; then
    rm -rf .venv
    if ! "$python" -m venv .venv 2>/dev/null; then
        echo "make: $python cannot make a virtual environment; on Debian or Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
fi
exec .venv/bin/pip install -qq --disable-pip-version-check --editable ".$extras"
