#include <fmt/format.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "backend/backend.h"
#include "backend/cpu/layouts.h"
#include "backend/cpu/rows.h"
#include "base/cpu_info.h"
#include "base/error.h"
#include "base/parallel.h"

namespace dl {
namespace {

constexpr size_t kAlignment = 64;

class CpuBackend final : public Backend {
 public:
  CpuBackend() : layouts_(cpu::make_layout_table()) {
    for (const auto& rows : {cpu::onednn_rows(), cpu::fused_rows(), cpu::elementwise_rows(), cpu::loop_rows(), cpu::reference_rows()})
      for (const KernelRow& row : rows) rows_[row.op].push_back(row);
  }

  const char* name() const override { return "cpu"; }

  void* allocate(size_t bytes) override {
    const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    void* memory = rounded >= bytes ? std::aligned_alloc(kAlignment, rounded ? rounded : kAlignment) : nullptr;
    if (!memory) throw EnvError(fmt::format("cpu: not enough memory for {} bytes; use a smaller batch or model", bytes));
    return memory;
  }
  void free(void* memory) override { std::free(memory); }
  void copy_to_device(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }
  void copy_to_host(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }
  void copy_on_device(void* dst, const void* src, size_t bytes) override { copy(dst, src, bytes); }
  void zero(void* memory, size_t bytes) override {
    if (bytes) std::memset(memory, 0, bytes);
  }
  void synchronize() override {}
  bool is_host() const override { return true; }

  std::span<const KernelRow> kernels(std::string_view op) const override {
    const auto it = rows_.find(op);
    return it == rows_.end() ? std::span<const KernelRow>() : it->second;
  }
  LayoutTable& layouts() override { return *layouts_; }
  std::unique_ptr<Kernel> prepare_reorder(const OperandType& from, const OperandType& to) override {
    return cpu::prepare_reorder(*layouts_, from, to);
  }
  std::string describe() const override {
    const dnnl_version_t& dnn = *dnnl_version();
    return fmt::format("cpu: {}, {}, {} threads, oneDNN {}.{}.{}", cpu_name(), name_of(active_isa()), thread_count(), dnn.major, dnn.minor,
                       dnn.patch);
  }

 private:
  static void copy(void* dst, const void* src, size_t bytes) {
    if (bytes && dst != src) std::memmove(dst, src, bytes);
  }

  std::unique_ptr<LayoutTable> layouts_;
  std::map<std::string, std::vector<KernelRow>, std::less<>> rows_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace dl
