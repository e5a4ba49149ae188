// Reference kernels that move elements: reshape, transpose, broadcast_to, slice, pad, concat, gather, scatter_add, iota.
// Those that only move do so by element size.
#include <algorithm>
#include <cstring>

#include "backend/cpu/reference.h"
#include "tensor/dim.h"

namespace dl::cpu {
namespace {

void copy_element(const ReferenceCall& call, size_t input, int64_t from, int64_t to) {
  const size_t size = size_of(call.outputs[0].dtype);
  std::memcpy(call.out<std::byte>(0) + static_cast<size_t>(to) * size, call.in<std::byte>(input) + static_cast<size_t>(from) * size, size);
}

void run_copy(const ReferenceCall& call) {
  for (int64_t i = 0, n = call.outputs[0].size(); i < n; ++i) copy_element(call, 0, i, i);
}

void run_transpose(const ReferenceCall& call) {
  const auto& perm = call.attrs.integers("perm");
  const Index own = strides_of(call.inputs[0].dims);
  Index strides(call.outputs[0].dims);
  for (size_t i = 0; i < perm.size(); ++i) strides[i] = own[static_cast<size_t>(perm[i])];
  int64_t to = 0;
  for_each_index(Index(call.outputs[0].dims), [&](const Index& at) { copy_element(call, 0, offset_of(at, strides), to++); });
}

void run_broadcast_to(const ReferenceCall& call) {
  const Index strides = broadcast_strides(call.inputs[0].dims, call.outputs[0].dims);
  int64_t to = 0;
  for_each_index(Index(call.outputs[0].dims), [&](const Index& at) { copy_element(call, 0, offset_of(at, strides), to++); });
}

void run_slice(const ReferenceCall& call) {
  const Index starts(known_dims(call.attrs.shape("starts")));
  const auto& steps = call.attrs.integers("steps");
  Index strides = strides_of(call.inputs[0].dims);
  const int64_t first = offset_of(starts, strides);
  for (size_t i = 0; i < strides.rank; ++i) strides[i] *= steps[i];
  int64_t to = 0;
  for_each_index(Index(call.outputs[0].dims), [&](const Index& at) { copy_element(call, 0, first + offset_of(at, strides), to++); });
}

void run_pad(const ReferenceCall& call) {
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    std::fill_n(y, call.outputs[0].size(), convert<T>(call.attrs.real("value")));
    const auto& interior = call.attrs.integers("interior");
    Index strides = strides_of(call.outputs[0].dims);
    const int64_t first = offset_of(Index(known_dims(call.attrs.shape("before"))), strides);
    for (size_t i = 0; i < strides.rank; ++i) strides[i] *= interior[i] + 1;
    const T* x = call.in<T>(0);
    for_each_index(Index(call.inputs[0].dims), [&](const Index& at) { y[first + offset_of(at, strides)] = *x++; });
  });
}

void run_concat(const ReferenceCall& call) {
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  const Index strides = strides_of(call.outputs[0].dims);
  int64_t start = 0;
  for (size_t k = 0; k < call.inputs.size(); ++k) {
    int64_t from = 0;
    for_each_index(Index(call.inputs[k].dims),
                   [&](const Index& at) { copy_element(call, k, from++, offset_of(at, strides) + start * strides[axis]); });
    start += call.inputs[k].dims[axis];
  }
}

int64_t index_at(const ReferenceCall& call, int64_t i, int64_t limit) {
  const int64_t index = call.inputs[1].dtype == DType::kInt32 ? call.in<int32_t>(1)[i] : call.in<int64_t>(1)[i];
  if (index < 0 || index >= limit) throw UserError("index " + std::to_string(index) + " is outside of 0 to " + std::to_string(limit - 1));
  return index;
}

int64_t product(const Dims& dims, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= dims[i];
  return n;
}

void run_gather(const ReferenceCall& call) {
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  const Dims& x = call.inputs[0].dims;
  const int64_t outer = product(x, 0, axis), size = x[axis], inner = product(x, axis + 1, x.size()), count = call.inputs[1].size();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < count; ++i)
      for (int64_t k = 0; k < inner; ++k)
        copy_element(call, 0, (o * size + index_at(call, i, size)) * inner + k, (o * count + i) * inner + k);
}

void run_scatter_add(const ReferenceCall& call) {
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  const Dims& y_dims = call.outputs[0].dims;
  const int64_t outer = product(y_dims, 0, axis), size = y_dims[axis], inner = product(y_dims, axis + 1, y_dims.size()),
                count = call.inputs[1].size();
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    const T* x = call.in<T>(0);
    T* y = call.out<T>(0);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t j = 0; j < size; ++j)
        for (int64_t k = 0; k < inner; ++k) {
          Wide<T> sum = 0;
          for (int64_t i = 0; i < count; ++i)
            if (index_at(call, i, size) == j) sum += widen(x[(o * count + i) * inner + k]);
          y[(o * size + j) * inner + k] = convert<T>(sum);
        }
  });
}

void run_iota(const ReferenceCall& call) {
  const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
  dispatch(call.outputs[0].dtype, [&]<class T>() {
    T* y = call.out<T>(0);
    for_each_index(Index(call.outputs[0].dims), [&](const Index& at) { *y++ = convert<T>(at[axis]); });
  });
}

}  // namespace

void append_reference_shape(std::vector<KernelRow>& rows) {
  rows.push_back({"reshape", "reference", prepare_reference<run_copy>});
  rows.push_back({"stop_gradient", "reference", prepare_reference<run_copy>});
  rows.push_back({"transpose", "reference", prepare_reference<run_transpose>});
  rows.push_back({"broadcast_to", "reference", prepare_reference<run_broadcast_to>});
  rows.push_back({"slice", "reference", prepare_reference<run_slice>});
  rows.push_back({"pad", "reference", prepare_reference<run_pad>});
  rows.push_back({"concat", "reference", prepare_reference<run_concat>});
  rows.push_back({"gather", "reference", prepare_reference<run_gather>});
  rows.push_back({"scatter_add", "reference", prepare_reference<run_scatter_add>});
  rows.push_back({"iota", "reference", prepare_reference<run_iota>});
}

}  // namespace dl::cpu
