#!/bin/sh
# Makes .venv-oracle, the Python environment of the oracle tests, from tests/oracle/requirements.txt. Nothing to do when it is up to date.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-oracle
wanted=tests/oracle/requirements.txt
if cmp -s "$wanted" "$venv/installed.txt"; then exit 0; fi
rm -rf "$venv"
python3 -m venv "$venv"
# The second index holds PyTorch's CPU build; the first one's would bring several GB of CUDA libraries along.
"$venv/bin/pip" install --quiet --disable-pip-version-check --extra-index-url https://download.pytorch.org/whl/cpu -r "$wanted"
cp "$wanted" "$venv/installed.txt"
