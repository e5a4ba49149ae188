// The CPU's physical layouts and the copies between them. A layout is a oneDNN memory descriptor whose axes are those of the graph
// tensor (row-major [N, H, W, C] and oneDNN's "nhwc" are the same bytes, so both are kPlain); a convolution kernel with groups has its
// last axis split into [groups, out / groups]. Descriptors of the same bytes have the same id.
// Who uses it: cpu_backend.cpp and kernels that want other layouts than row-major. The table locks itself.
#pragma once

#include <oneapi/dnnl/dnnl_types.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "backend/kernel.h"

namespace dl::cpu {

// Where the channels of [N, places..., channels] lie: `groups` blocks of `block` channels, memory [N, groups, places, block]. Row-major
// channels-last is one group, row-major channels-first is blocks of one. groups * block may exceed the channels: those lanes are zero.
struct ChannelBlocks {
  int64_t batch, groups, places, block, channels;
};

class CpuLayouts final : public LayoutTable {
 public:
  size_t bytes(LayoutId id) const override;
  std::string name(LayoutId id) const override;
  bool is_dense(LayoutId id) const override;
  std::optional<LayoutId> retyped(LayoutId id, DType type) override;

  // The id of a descriptor in graph axis order; kPlain when it is row-major. Nullopt for what is no plain blocking.
  std::optional<LayoutId> intern(const dnnl_memory_desc_t& md);
  dnnl_memory_desc_t descriptor(LayoutId id) const;  // id != kPlain
  // The layout of `type` (any of its layouts) with the channels in blocks like those.
  LayoutId like(const ChannelBlocks& blocks, const OperandType& type, size_t channel_axis);

 private:
  struct Entry {
    dnnl_memory_desc_t md;
    std::string name;
    size_t bytes;
    bool dense;
  };
  const Entry& entry(LayoutId id) const;

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // of id 1, 2, ...
  std::map<std::string, LayoutId> ids_;
};

// Nullopt when the layout is none of that kind. `channel_axis` is 1 or the last.
std::optional<ChannelBlocks> channel_blocks(const LayoutTable& table, const OperandType& type, size_t channel_axis);

// Null for other tables than the CPU's.
CpuLayouts* cpu_layouts(LayoutTable& table);
std::unique_ptr<LayoutTable> make_layout_table();
// Copies one tensor from a layout to another; both operands have the same element type and dims.
std::unique_ptr<Kernel> prepare_reorder(LayoutTable& table, const OperandType& from, const OperandType& to);

}  // namespace dl::cpu
