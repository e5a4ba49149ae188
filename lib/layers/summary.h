// What a model consists of, layer by layer: output shapes, parameters, floating point operations.
// Who uses it: inspect, report, bench.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layers/model.h"
#include "tensor/dim.h"

namespace dl {

struct SummaryRow {
  std::string name;            // of the call
  std::string class_name;      // "Conv2D"; "Input" for inputs
  std::vector<Shape> outputs;  // symbolic: [batch, 26, 26, 32]
  int64_t parameters = 0;      // 0 for further calls of a shared layer
  int64_t trainable_parameters = 0;
  std::optional<double> flops;  // of one forward pass with the bindings; none where a size stays unknown
  std::vector<std::string> inputs;
};

struct ModelSummary {
  std::vector<SummaryRow> rows;
  int64_t parameters = 0;
  int64_t trainable_parameters = 0;
  std::optional<double> flops;
  int64_t parameter_bytes = 0;
};

// `bindings` gives sizes to the symbols, usually {batch: 1}. UserError where the model cannot be built.
ModelSummary summarize(const Model& model, const Bindings& bindings = {{"batch", 1}}, const Precision& precision = {});

}  // namespace dl
