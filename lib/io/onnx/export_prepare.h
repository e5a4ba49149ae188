// What happens to an inference program before its nodes are written: loops are written out step by step; convolutions, pooling and batch
// normalisation become channels-first, and what stands between them follows, so that transposes remain at the edges only; then every
// operator without a row (export_rows.h) is replaced by its lowering. Who uses it: export.cpp. The result computes the same and has the
// same inputs, outputs and parameters, but for the layout of images.
#pragma once

#include "graph/program.h"
#include "io/format.h"

namespace dl::onnx_export {

// Those whose number of steps is known.
Program write_out_scans(const Program& program);
Program use_channels_first(const Program& program, Layout layout);
// Operators that cannot be lowered stay; they are reported when they are written.
Program lower_for_opset(const Program& program, int opset);

}  // namespace dl::onnx_export
