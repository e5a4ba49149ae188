#!/bin/sh
# Makes .venv-oracle, the environment of the oracle tests: Python packages of tests/oracle/requirements.txt, and TF.js in node_modules.
# Nothing to do when it is up to date.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-oracle
wanted=tests/oracle/requirements.txt
tfjs=@tensorflow/tfjs@4.22.0
if [ "$(cat "$wanted" && echo $tfjs)" = "$(cat "$venv/installed.txt" 2>/dev/null)" ]; then exit 0; fi
rm -rf "$venv"
python3 -m venv "$venv"
pip="$venv/bin/pip install --quiet --disable-pip-version-check"
# PyTorch's own index holds its CPU build; the general one's would bring several GB of CUDA libraries along.
$pip --retries 0 --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' "$wanted")" ||
  echo "make-oracle.sh: PyTorch's index cannot be reached; taking torch from the general index"
grep -v '^tf-keras' "$wanted" >"$venv/requirements.txt"
$pip -r "$venv/requirements.txt"
$pip --no-deps "$(sed -n 's/^\(tf-keras==[^ ]*\).*/\1/p' "$wanted")"
# Pure JavaScript; its install scripts would fetch binaries that nothing needs.
PATH="$PWD/$venv/bin:$PATH" npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$venv" $tfjs
(cat "$wanted" && echo $tfjs) >"$venv/installed.txt"
