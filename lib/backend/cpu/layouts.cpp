#include "backend/cpu/layouts.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "backend/cpu/onednn.h"
#include "backend/cpu/strided_copy.h"
#include "base/error.h"

namespace dl::cpu {
namespace {

// One digit of a physical address: `count` values of (a part of) axis `axis`, `stride` elements apart.
struct Digit {
  int axis;
  int64_t count, stride;
  friend bool operator==(const Digit&, const Digit&) = default;
};

// Outermost first; digits of one value are left out and neighbours of one axis that form one digit are joined, so equal lists mean
// equal bytes.
std::vector<Digit> canonical(std::vector<Digit> digits) {
  std::erase_if(digits, [](const Digit& d) { return d.count == 1; });
  std::stable_sort(digits.begin(), digits.end(), [](const Digit& a, const Digit& b) { return a.stride > b.stride; });
  std::vector<Digit> joined;
  for (const Digit& d : digits) {
    if (!joined.empty() && joined.back().axis == d.axis && joined.back().stride == d.count * d.stride)
      joined.back() = {d.axis, joined.back().count * d.count, d.stride};
    else
      joined.push_back(d);
  }
  return joined;
}

std::vector<Digit> digits_of(const dnnl_memory_desc_t& md) {
  const dnnl_blocking_desc_t& blocking = md.format_desc.blocking;
  std::vector<Digit> digits;
  int64_t per_axis[DNNL_MAX_NDIMS];
  std::fill(std::begin(per_axis), std::end(per_axis), 1);
  int64_t stride = 1;
  for (int k = blocking.inner_nblks; k-- > 0;) {
    digits.push_back({static_cast<int>(blocking.inner_idxs[k]), blocking.inner_blks[k], stride});
    stride *= blocking.inner_blks[k];
    per_axis[blocking.inner_idxs[k]] *= blocking.inner_blks[k];
  }
  std::reverse(digits.begin(), digits.end());
  for (int d = md.ndims; d-- > 0;) digits.insert(digits.begin(), {d, md.padded_dims[d] / per_axis[d], blocking.strides[d]});
  return canonical(std::move(digits));
}

// Digits listed outermost first with dense strides.
std::vector<Digit> dense(std::vector<Digit> digits) {
  int64_t stride = 1;
  for (size_t k = digits.size(); k-- > 0;) {
    digits[k].stride = stride;
    stride *= digits[k].count;
  }
  return canonical(std::move(digits));
}

bool is_padded(const dnnl_memory_desc_t& md) { return !std::equal(md.dims, md.dims + md.ndims, md.padded_dims); }

bool is_plain(const dnnl_memory_desc_t& md, const std::vector<Digit>& digits) {
  std::vector<Digit> row_major;
  for (int d = 0; d < md.ndims; ++d) row_major.push_back({d, md.dims[d], 0});
  return !is_padded(md) && digits == dense(row_major);
}

// In oneDNN's manner: axes as letters from the outside in, upper case where an axis is also blocked, then the blocks: "aDbc8d".
std::string describe(const dnnl_memory_desc_t& md) {
  const dnnl_blocking_desc_t& blocking = md.format_desc.blocking;
  std::vector<int> order;
  for (int d = 0; d < md.ndims; ++d) order.push_back(d);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return blocking.strides[a] > blocking.strides[b]; });
  std::string text, blocks;
  std::vector<bool> blocked(static_cast<size_t>(md.ndims));
  for (int k = 0; k < blocking.inner_nblks; ++k) {
    blocked[static_cast<size_t>(blocking.inner_idxs[k])] = true;
    blocks += std::to_string(blocking.inner_blks[k]) + static_cast<char>('a' + blocking.inner_idxs[k]);
  }
  for (int d : order) text += static_cast<char>((blocked[static_cast<size_t>(d)] ? 'A' : 'a') + d);
  return text + blocks;
}

class Copy final : public Kernel {
 public:
  explicit Copy(size_t bytes) : bytes_(bytes) {}
  void run(const KernelArgs& args) override {
    if (bytes_) std::memcpy(args.outputs[0], args.inputs[0], bytes_);
  }

 private:
  size_t bytes_;
};

// Between row-major and a layout without padding, by moving elements; oneDNN does that slowly with elements that the processor cannot
// compute with.
class Move final : public Kernel {
 public:
  Move(const dnnl_memory_desc_t& blocked, bool from_plain, size_t bytes_of_element) {
    std::vector<Digit> digits = digits_of(blocked);
    int64_t plain_strides[DNNL_MAX_NDIMS], stride = 1;
    for (int d = blocked.ndims; d-- > 0; stride *= blocked.dims[d]) plain_strides[d] = stride;
    std::vector<int64_t> plain(digits.size());
    for (size_t k = digits.size(); k-- > 0;) {
      plain[k] = plain_strides[digits[k].axis];
      plain_strides[digits[k].axis] *= digits[k].count;
    }
    std::vector<size_t> order(digits.size());  // the target's outermost first
    std::iota(order.begin(), order.end(), size_t{0});
    if (!from_plain) std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return plain[a] > plain[b]; });
    Index sizes, blocked_strides, row_major;
    sizes.rank = blocked_strides.rank = row_major.rank = digits.size();
    for (size_t k = 0; k < order.size(); ++k) {
      sizes[k] = digits[order[k]].count;
      blocked_strides[k] = digits[order[k]].stride;
      row_major[k] = plain[order[k]];
    }
    copy_ = from_plain ? StridedCopy(sizes, row_major, blocked_strides, 0, 0, bytes_of_element)
                       : StridedCopy(sizes, blocked_strides, row_major, 0, 0, bytes_of_element);
  }
  void run(const KernelArgs& args) override { copy_.run(args.inputs[0], args.outputs[0]); }

 private:
  StridedCopy copy_;
};

// Row-major with the axes of `md`.
dnnl_memory_desc_t plain_like(const dnnl_memory_desc_t& md) { return plain_descriptor(Dims(md.dims, md.dims + md.ndims), md.data_type); }

}  // namespace

const CpuLayouts::Entry& CpuLayouts::entry(LayoutId id) const {
  std::lock_guard lock(mutex_);
  DL_CHECK(id > 0 && id <= entries_.size(), "unknown layout " + std::to_string(id));
  return entries_[id - size_t{1}];
}

size_t CpuLayouts::bytes(LayoutId id) const { return entry(id).bytes; }
std::string CpuLayouts::name(LayoutId id) const { return entry(id).name; }
bool CpuLayouts::is_dense(LayoutId id) const { return id == kPlain || entry(id).dense; }
std::optional<LayoutId> CpuLayouts::retyped(LayoutId id, DType type) {
  if (type != DType::kFloat32 && type != DType::kBFloat16) return std::nullopt;
  dnnl_memory_desc_t md = entry(id).md;
  md.data_type = type == DType::kBFloat16 ? dnnl_bf16 : dnnl_f32;
  return intern(md);
}

dnnl_memory_desc_t CpuLayouts::descriptor(LayoutId id) const { return entry(id).md; }

std::optional<LayoutId> CpuLayouts::intern(const dnnl_memory_desc_t& md) {
  if (md.format_kind != dnnl_blocked || md.extra.flags != dnnl_memory_extra_flag_none || md.offset0 != 0) return std::nullopt;
  if (std::any_of(md.dims, md.dims + md.ndims, [](int64_t d) { return d <= 0; })) return std::nullopt;
  const std::vector<Digit> digits = digits_of(md);
  if (is_plain(md, digits)) return kPlain;
  std::string key = std::to_string(md.data_type);
  for (int d = 0; d < md.ndims; ++d) key += " " + std::to_string(md.dims[d]) + "/" + std::to_string(md.padded_dims[d]);
  for (const Digit& d : digits) key += " " + std::to_string(d.axis) + "," + std::to_string(d.count) + "," + std::to_string(d.stride);
  std::lock_guard lock(mutex_);
  DL_CHECK(entries_.size() < UINT16_MAX, "too many layouts");
  const auto [it, inserted] = ids_.try_emplace(std::move(key), static_cast<LayoutId>(entries_.size() + 1));
  if (inserted) {
    const size_t size = dnnl_memory_desc_get_size(&md);
    int64_t elements = 1;
    for (int d = 0; d < md.ndims; ++d) elements *= md.dims[d];
    entries_.push_back({md, describe(md), size, size == static_cast<size_t>(elements) * element_bytes(md.data_type)});
  }
  return it->second;
}

LayoutId CpuLayouts::like(const ChannelBlocks& blocks, const OperandType& type, size_t channel_axis) {
  dnnl_memory_desc_t md = plain_descriptor(type.dims, type.dtype == DType::kBFloat16 ? dnnl_bf16 : dnnl_f32);
  dnnl_blocking_desc_t& blocking = md.format_desc.blocking;
  const auto axis = static_cast<int>(channel_axis);
  int64_t stride = blocks.block;
  for (int d = md.ndims; d-- > 1;) {
    if (d == axis) continue;
    blocking.strides[d] = stride;
    stride *= md.dims[d];
  }
  blocking.strides[axis] = blocks.block == blocks.channels ? 1 : stride;
  blocking.strides[0] = stride * blocks.groups;
  if (blocks.block != blocks.channels && blocks.block > 1) {
    blocking.inner_nblks = 1;
    blocking.inner_blks[0] = blocks.block;
    blocking.inner_idxs[0] = axis;
    md.padded_dims[axis] = blocks.groups * blocks.block;
  }
  const auto id = intern(md);
  DL_CHECK(id, "a layout in channel blocks is no layout");
  return *id;
}

std::optional<ChannelBlocks> channel_blocks(const LayoutTable& table, const OperandType& type, size_t channel_axis) {
  const Dims& dims = type.dims;
  if (dims.size() < 2) return std::nullopt;
  const bool last = channel_axis + 1 == dims.size();
  if (!last && channel_axis != 1) return std::nullopt;
  ChannelBlocks b{dims[0], 1, 1, 1, dims[channel_axis]};
  for (size_t i = 1; i < dims.size(); ++i)
    if (i != channel_axis) b.places *= dims[i];
  if (type.layout == kPlain) {
    (last ? b.block : b.groups) = b.channels;
    return b;
  }
  const auto* layouts = dynamic_cast<const CpuLayouts*>(&table);
  if (!layouts) return std::nullopt;
  const dnnl_memory_desc_t md = layouts->descriptor(type.layout);
  if (md.ndims != static_cast<int>(dims.size())) return std::nullopt;
  const dnnl_blocking_desc_t& blocking = md.format_desc.blocking;
  const auto axis = static_cast<int>(channel_axis);
  if (blocking.inner_nblks == 1 && blocking.inner_idxs[0] == axis) b.block = blocking.inner_blks[0];
  if (blocking.inner_nblks == 0 && blocking.strides[axis] == 1) b.block = b.channels;
  b.groups = md.padded_dims[axis] / b.block;
  std::vector<Digit> expected{{0, b.batch, 0}, {axis, b.groups, 0}};
  for (int d = 1; d < md.ndims; ++d) {
    if (d != axis) expected.push_back({d, md.dims[d], 0});
    if (d != axis && md.padded_dims[d] != md.dims[d]) return std::nullopt;
  }
  expected.push_back({axis, b.block, 0});
  if (md.padded_dims[0] != md.dims[0] || digits_of(md) != dense(expected)) return std::nullopt;
  return b;
}

CpuLayouts* cpu_layouts(LayoutTable& table) { return dynamic_cast<CpuLayouts*>(&table); }

std::unique_ptr<LayoutTable> make_layout_table() { return std::make_unique<CpuLayouts>(); }

std::unique_ptr<Kernel> prepare_reorder(LayoutTable& table, const OperandType& from, const OperandType& to) {
  DL_CHECK(from.dtype == to.dtype && from.dims == to.dims, "reorder between different tensors");
  if (from.layout == to.layout) {
    const size_t plain_bytes = static_cast<size_t>(from.size()) * size_of(from.dtype);
    return std::make_unique<Copy>(from.layout == kPlain ? plain_bytes : table.bytes(from.layout));
  }
  const CpuLayouts* layouts = cpu_layouts(table);
  DL_CHECK(layouts, "reorder between layouts of another device");
  const dnnl_memory_desc_t known = layouts->descriptor(from.layout != kPlain ? from.layout : to.layout);
  const bool one_plain = from.layout == kPlain || to.layout == kPlain;
  if (one_plain && !is_padded(known) && !onednn_type(from.dtype)) {
    auto kernel = std::make_unique<Move>(known, from.layout == kPlain, size_of(from.dtype));
    kernel->input_layouts = {from.layout};
    kernel->output_layouts = {to.layout};
    return kernel;
  }
  const dnnl_memory_desc_t src = from.layout != kPlain ? known : plain_like(known);
  const dnnl_memory_desc_t dst = to.layout != kPlain ? layouts->descriptor(to.layout) : plain_like(known);
  PrimitiveDesc desc = make_reorder_desc(src, dst);
  DL_CHECK(desc, "oneDNN cannot copy " + describe(src) + " to " + describe(dst));
  auto kernel = OnednnKernel::make(std::move(desc), {{DNNL_ARG_FROM, false, 0, src}, {DNNL_ARG_TO, true, 0, dst}});
  DL_CHECK(kernel, "oneDNN cannot copy " + describe(src) + " to " + describe(dst));
  kernel->input_layouts = {from.layout};
  kernel->output_layouts = {to.layout};
  return kernel;
}

}  // namespace dl::cpu
