#!/bin/sh
# Makes .venv-oracle, the Python environment of the oracle tests, from tests/oracle/requirements.txt. Nothing to do when it is up to date.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-oracle
wanted=tests/oracle/requirements.txt
if cmp -s "$wanted" "$venv/installed.txt"; then exit 0; fi
rm -rf "$venv"
python3 -m venv "$venv"
pip="$venv/bin/pip install --quiet --disable-pip-version-check"
# PyTorch's own index holds its CPU build; the general one's would bring several GB of CUDA libraries along.
$pip --retries 0 --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' "$wanted")" ||
  echo "make-oracle.sh: PyTorch's index cannot be reached; taking torch from the general index"
$pip -r "$wanted"
cp "$wanted" "$venv/installed.txt"
