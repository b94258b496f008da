#!/bin/sh
# Makes .venv from requirements.lock, every package checked against its hash. uv is several times faster than pip at
# this; where it cannot be had or does not reach the index that pip is configured for, pip does the same.
set -eu
PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
  echo "Winnow needs Python 3.11 to 3.13; $PYTHON is $("$PYTHON" -V 2>&1). Try: make PYTHON=python3.12 run" >&2
  exit 1
}
echo "setting up .venv (the first time this takes a few minutes, most of it downloads) …" >&2
[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_PROGRESS=1
uv_pin=$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)
if .venv/bin/pip install --quiet "$uv_pin" >/dev/null 2>&1 &&
   .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock 2>/dev/null; then
  :
else  # the lock is complete: where pip looked for dependencies, an older one would take a release that is not in it
  .venv/bin/pip install --quiet --no-deps --require-hashes -r requirements.lock
fi
.venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
.venv/bin/python -m deployments.setup.bytecode
.venv/bin/python -m deployments.setup.classifiers
touch .venv/ready
