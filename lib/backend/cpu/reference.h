// Reference kernels: plain scalar loops over any element type, floats computed and accumulated in double.
// Who uses it: reference_*.cpp define them, conformance tests measure every other kernel against them, and a plan falls
// back on them for types no other row takes.
#pragma once

#include <memory>
#include <vector>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/strides.h"
#include "backend/kernel.h"

namespace dl::cpu {

// What a reference function computes: the node and its memory.
struct ReferenceCall {
  const Attrs& attrs;
  const std::vector<OperandType>& inputs;
  const std::vector<OperandType>& outputs;
  const KernelArgs& args;

  template <class T>
  const T* in(size_t i) const {
    return static_cast<const T*>(args.inputs[i]);
  }
  template <class T>
  T* out(size_t i) const {
    return static_cast<T*>(args.outputs[i]);
  }
};
using ReferenceFunction = void (*)(const ReferenceCall&);

std::unique_ptr<Kernel> make_reference(const NodeView& node, ReferenceFunction function);

template <ReferenceFunction function>
std::unique_ptr<Kernel> prepare_reference(const NodeView& node) {
  return make_reference(node, function);
}

// Floats are computed in double; integers in 64 bits.
template <class T>
using Wide = std::conditional_t<kIsFloat<T>, double, std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>>;

template <class T>
Wide<T> widen(T x) {
  return static_cast<Wide<T>>(load(x));
}

void append_reference_elementwise(std::vector<KernelRow>& rows);
void append_reference_shape(std::vector<KernelRow>& rows);
void append_reference_indexing(std::vector<KernelRow>& rows);
void append_reference_reduce(std::vector<KernelRow>& rows);
void append_reference_conv(std::vector<KernelRow>& rows);
void append_reference_pool(std::vector<KernelRow>& rows);
void append_reference_ctc(std::vector<KernelRow>& rows);
void append_reference_hash(std::vector<KernelRow>& rows);

}  // namespace dl::cpu
