// Kernels that move elements: views, and copies between strided views.
#include <algorithm>
#include <cstring>

#include "backend/cpu/dispatch.h"
#include "backend/cpu/loops.h"
#include "backend/cpu/strided_copy.h"
#include "base/parallel.h"
#include "tensor/dim.h"

namespace dl::cpu {
namespace {

class View final : public Kernel {
 public:
  explicit View(size_t offset) {
    is_view = true;
    view_offset = offset;
  }
  void run(const KernelArgs&) override {}
};

// Fills the result with one value first, where the parts do not cover it; then copies operand k by parts[k].
class CopyKernel final : public Kernel {
 public:
  std::vector<StridedCopy> parts;
  std::vector<std::byte> fill_value;  // one element; empty: none
  int64_t size = 0;                   // elements of the result

  void run(const KernelArgs& args) override {
    if (!fill_value.empty()) fill(static_cast<std::byte*>(args.outputs[0]));
    for (size_t k = 0; k < parts.size(); ++k) parts[k].run(args.inputs[k], args.outputs[0]);
  }

 private:
  void fill(std::byte* dst) const {
    const Index sizes(Dims{size}), none(Dims{0}), one(Dims{1});
    StridedCopy(sizes, none, one, 0, 0, fill_value.size()).run(fill_value.data(), dst);
  }
};

bool fits(const NodeView& node) {
  for (const auto& types : {node.inputs, node.outputs})
    for (const OperandType& t : types)
      if (t.dims.size() > kMaxRank) return false;
  return true;
}

std::unique_ptr<Kernel> make_copy(const NodeView& node, const Index& sizes, const Index& src, const Index& dst, int64_t src_offset = 0,
                                  int64_t dst_offset = 0) {
  auto kernel = std::make_unique<CopyKernel>();
  kernel->parts.emplace_back(sizes, src, dst, src_offset, dst_offset, size_of(node.outputs[0].dtype));
  return kernel;
}

std::unique_ptr<Kernel> prepare_view(const NodeView&) { return std::make_unique<View>(0); }

std::unique_ptr<Kernel> prepare_transpose(const NodeView& node) {
  if (!fits(node)) return nullptr;
  const auto& perm = node.attrs.integers("perm");
  const Dims& out = node.outputs[0].dims;
  const Index own = strides_of(node.inputs[0].dims);
  Index src(out);
  int64_t last = -1;
  bool moves = false;  // axes of size 1 may go anywhere
  for (size_t i = 0; i < perm.size(); ++i) {
    src[i] = own[static_cast<size_t>(perm[i])];
    if (out[i] == 1) continue;
    moves = moves || perm[i] < last;
    last = perm[i];
  }
  if (!moves) return std::make_unique<View>(0);
  return make_copy(node, Index(out), src, strides_of(out));
}

std::unique_ptr<Kernel> prepare_broadcast_to(const NodeView& node) {
  if (!fits(node)) return nullptr;
  const Dims& out = node.outputs[0].dims;
  if (node.inputs[0].size() == node.outputs[0].size()) return std::make_unique<View>(0);
  return make_copy(node, Index(out), broadcast_strides(node.inputs[0].dims, out), strides_of(out));
}

std::unique_ptr<Kernel> prepare_slice(const NodeView& node) {
  if (!fits(node)) return nullptr;
  const Dims &in = node.inputs[0].dims, &out = node.outputs[0].dims;
  const auto& steps = node.attrs.integers("steps");
  Index src = strides_of(in);
  const int64_t first = node.outputs[0].size() ? offset_of(Index(known_dims(node.attrs.shape("starts"))), src) : 0;
  // Contiguous: axes before the first whole run have one element, that axis any number in steps of 1, those behind it are whole.
  size_t axis = 0;
  while (axis < out.size() && out[axis] == 1) ++axis;
  bool contiguous = axis == out.size() || out[axis] <= 1 || steps[axis] == 1;
  for (size_t i = axis + 1; i < out.size(); ++i) contiguous = contiguous && out[i] == in[i] && (out[i] <= 1 || steps[i] == 1);
  if (contiguous) return std::make_unique<View>(static_cast<size_t>(first) * size_of(node.outputs[0].dtype));
  for (size_t i = 0; i < src.rank; ++i) src[i] *= steps[i];
  return make_copy(node, Index(out), src, strides_of(out), first);
}

std::unique_ptr<Kernel> prepare_pad(const NodeView& node) {
  if (!fits(node)) return nullptr;
  const OperandType& out = node.outputs[0];
  const auto& interior = node.attrs.integers("interior");
  Index dst = strides_of(out.dims);
  const int64_t first = node.inputs[0].size() ? offset_of(Index(known_dims(node.attrs.shape("before"))), dst) : 0;
  for (size_t i = 0; i < dst.rank; ++i) dst[i] *= interior[i] + 1;
  auto kernel = std::make_unique<CopyKernel>();
  kernel->parts.emplace_back(Index(node.inputs[0].dims), strides_of(node.inputs[0].dims), dst, 0, first, size_of(out.dtype));
  kernel->size = out.size();
  kernel->fill_value.resize(size_of(out.dtype));
  dispatch(out.dtype, [&]<class T>() {
    const T value = convert<T>(node.attrs.real("value"));
    std::memcpy(kernel->fill_value.data(), &value, sizeof value);
  });
  return kernel;
}

std::unique_ptr<Kernel> prepare_concat(const NodeView& node) {
  if (!fits(node)) return nullptr;
  if (node.inputs.size() == 1) return std::make_unique<View>(0);
  const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
  const Index dst = strides_of(node.outputs[0].dims);
  auto kernel = std::make_unique<CopyKernel>();
  int64_t start = 0;
  for (const OperandType& in : node.inputs) {
    kernel->parts.emplace_back(Index(in.dims), strides_of(in.dims), dst, 0, start * dst[axis], size_of(in.dtype));
    start += in.dims[axis];
  }
  return kernel;
}

class Iota final : public Kernel {
 public:
  explicit Iota(const NodeView& node) : dtype_(node.outputs[0].dtype) {
    const Dims& dims = node.outputs[0].dims;
    const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer_ : i == axis ? size_ : inner_) *= dims[i];
  }
  void run(const KernelArgs& args) override {
    dispatch(dtype_, [&]<class T>() {
      T* y = static_cast<T*>(args.outputs[0]);
      for (int64_t o = 0; o < outer_; ++o)
        for (int64_t i = 0; i < size_; ++i, y += inner_) std::fill_n(y, inner_, convert<T>(i));
    });
  }

 private:
  DType dtype_;
  int64_t outer_ = 1, size_ = 1, inner_ = 1;
};

std::unique_ptr<Kernel> prepare_iota(const NodeView& node) { return std::make_unique<Iota>(node); }

}  // namespace

void append_move_loops(std::vector<KernelRow>& rows) {
  rows.push_back({"reshape", "view", prepare_view});
  rows.push_back({"stop_gradient", "view", prepare_view});
  rows.push_back({"transpose", "loops", prepare_transpose});
  rows.push_back({"broadcast_to", "loops", prepare_broadcast_to});
  rows.push_back({"slice", "loops", prepare_slice});
  rows.push_back({"pad", "loops", prepare_pad});
  rows.push_back({"concat", "loops", prepare_concat});
  rows.push_back({"iota", "loops", prepare_iota});
}

}  // namespace dl::cpu
