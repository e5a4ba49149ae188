// Runs one row of the CPU backend on random operands, reordering to and from the layouts it asks for, and compares it with the
// reference row computed in float64.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/philox.h"
#include "graph/graph.h"
#include "graph/op_def.h"

namespace dl {

struct KernelCase {
  const OpDef& op;
  std::vector<Tensor> inputs;  // plain
  Attrs attrs;                 // complete
  // Layouts the inputs arrive in; empty: plain.
  std::vector<LayoutId> arrive = {};
};

// A tensor's bytes in some layout.
struct Stored {
  OperandType type;
  std::vector<std::byte> bytes;
};

inline Stored store(const Tensor& t) {
  Stored s{{t.dtype(), t.dims(), kPlain}, std::vector<std::byte>(t.bytes() + 64)};
  if (t.bytes()) std::memcpy(s.bytes.data(), t.raw(), t.bytes());
  return s;
}

inline void run_kernel(Kernel& kernel, const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
  std::vector<std::byte> workspace(kernel.workspace_bytes + 64);
  kernel.run({inputs, outputs, workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64) % 64});
}

inline Stored reorder(Backend& backend, const Stored& from, LayoutId to) {
  Stored result{from.type, {}};
  result.type.layout = to;
  const size_t size = to == kPlain ? static_cast<size_t>(from.type.size()) * size_of(from.type.dtype) : backend.layouts().bytes(to);
  result.bytes.assign(size + 64, std::byte{0x5a});
  if (from.type.layout == to) return from;
  const auto kernel = backend.prepare_reorder(from.type, result.type);
  run_kernel(*kernel, {from.bytes.data()}, {result.bytes.data()});
  return result;
}

inline Tensor load(Backend& backend, const Stored& s) {
  const Stored plain = reorder(backend, s, kPlain);
  Tensor t(s.type.dtype, s.type.dims);
  if (t.bytes()) std::memcpy(t.raw(), plain.bytes.data(), t.bytes());
  return t;
}

struct RowResult {
  bool accepted = false;
  std::vector<Tensor> outputs;
  std::vector<LayoutId> output_layouts;
  std::string detail;
};

inline RowResult run_row(Backend& backend, const KernelRow& row, const KernelCase& c) {
  std::vector<TensorType> types;
  std::vector<OperandType> inputs;
  std::vector<Stored> stored;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    types.push_back({c.inputs[i].dtype(), to_shape(c.inputs[i].dims())});
    stored.push_back(reorder(backend, store(c.inputs[i]), c.arrive.empty() ? kPlain : c.arrive[i]));
    inputs.push_back(stored.back().type);
  }
  std::vector<OperandType> outputs;
  for (const TensorType& t : c.op.infer({c.op, types, c.attrs})) outputs.push_back({t.dtype, known_dims(t.shape), kPlain});
  const auto kernel = row.prepare({c.op, c.attrs, inputs, outputs, backend.layouts(), false});
  if (!kernel) return {};
  std::vector<const void*> in;
  for (size_t i = 0; i < stored.size(); ++i) {
    stored[i] = reorder(backend, stored[i], kernel->input_layouts.empty() ? kPlain : kernel->input_layouts[i]);
    in.push_back(stored[i].bytes.data());
  }
  RowResult result{true, {}, {}, kernel->detail};
  std::vector<Stored> results;
  std::vector<void*> out;
  for (size_t k = 0; k < outputs.size(); ++k) {
    outputs[k].layout = kernel->output_layouts.empty() ? kPlain : kernel->output_layouts[k];
    result.output_layouts.push_back(outputs[k].layout);
    const size_t size = outputs[k].layout == kPlain ? static_cast<size_t>(outputs[k].size()) * size_of(outputs[k].dtype)
                                                    : backend.layouts().bytes(outputs[k].layout);
    results.push_back({outputs[k], std::vector<std::byte>(size + 64, std::byte{0x5a})});
  }
  for (Stored& s : results) out.push_back(s.bytes.data());
  run_kernel(*kernel, in, out);
  for (const Stored& s : results) {
    for (size_t i = s.bytes.size() - 64; i < s.bytes.size(); ++i)
      CHECK((s.bytes[i] == std::byte{0x5a}));  // nothing is written behind the end
    result.outputs.push_back(load(backend, s));
  }
  return result;
}

inline const KernelRow* find_row(Backend& backend, const std::string& op, const std::string& name) {
  for (const KernelRow& row : backend.kernels(op))
    if (row.name == name) return &row;
  return nullptr;
}

inline Tensor random_tensor(DType dtype, const Dims& dims, uint64_t seed, double low = -2, double high = 2) {
  Tensor t(dtype, dims);
  for (int64_t i = 0; i < t.size(); ++i) {
    uint64_t z = (seed * 0x9E3779B97F4A7C15u) ^ (static_cast<uint64_t>(i) + 1) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 30)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    t.set(i, low + (high - low) * static_cast<double>(z >> 11) * 0x1p-53);
  }
  return t;
}

// Every element within `tolerance` * (1 + the largest magnitude of the expected output).
inline double worst_error(const Tensor& got, const Tensor& expected) {
  double scale = 1, worst = 0;
  for (int64_t i = 0; i < expected.size(); ++i)
    if (std::isfinite(expected.at(i))) scale = std::max(scale, std::abs(expected.at(i)));
  for (int64_t i = 0; i < expected.size(); ++i) {
    const double e = expected.at(i), g = got.at(i);
    if (e == g || (std::isnan(e) && std::isnan(g))) continue;
    const double error = std::abs(g - e) / scale;
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

// Attributes with the operator's defaults filled in.
inline Attrs complete_attrs(const OpDef& op, const Attrs& given) {
  Attrs attrs;
  for (const AttrSpec& spec : op.attrs) attrs.set(spec.name, given.has(spec.name) ? *given.find(spec.name) : spec.value);
  return attrs;
}

// Result of the reference row with operands widened to float64.
inline RowResult run_reference(Backend& backend, const KernelCase& c) {
  const KernelRow* row = find_row(backend, c.op.name, "reference");
  REQUIRE(row);
  KernelCase wide = c;
  wide.arrive.clear();
  for (Tensor& t : wide.inputs)
    if (is_float(t.dtype())) t = t.cast(DType::kFloat64);
  return run_row(backend, *row, wide);
}

}  // namespace dl
