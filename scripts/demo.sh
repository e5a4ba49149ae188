#!/bin/sh
# From a fresh Debian 12 machine to a trained network: installs what is missing, builds, trains a small CNN on the handwritten digits
# that ship in configs/data, evaluates it, and says where the report and the checkpoint lie.
set -eu
. "$(dirname "$0")/common.sh"

step 'packages'
scripts/install-deps.sh build

step 'build'
build_preset release --target dltool

dltool=build/release/bin/dltool
output=runs/digits
step 'train: configs/digits.yaml'
echo "\$ dltool train configs/digits.yaml --output $output"
$dltool train configs/digits.yaml --output $output

step 'evaluate on the test set'
checkpoint=$output/checkpoints/best.ckpt.h5
echo "\$ dltool eval $checkpoint --data configs/digits.yaml --min accuracy=0.98"
$dltool eval $checkpoint --data configs/digits.yaml --min accuracy=0.98

end_step
echo
echo "done in $(($(date +%s) - started)) s"
echo "report:     $root/$output/report.html"
echo "checkpoint: $root/$checkpoint"
