#!/bin/sh
# The peers on this machine: training against PyTorch, conversion against keras.export and tf2onnx.
# Usage: scripts/bench-peers.sh [DLTOOL] [ROUNDS]
set -eu
cd "$(dirname "$0")/.."
dltool=${1:-build/release/bin/dltool} rounds=${2:-5} python=.venv-oracle/bin/python
[ -x "$python" ] || { echo "bench-peers: $python is missing; scripts/make-oracle.sh makes it" >&2; exit 2; }
"$python" scripts/bench-peers.py "$dltool" "$rounds"
if "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("tf2onnx") is None)'; then
  "$python" scripts/bench-convert.py "$dltool" "$rounds"
else
  echo "bench-peers: conversion needs tf2onnx: $python -m pip install tf2onnx" >&2
fi
