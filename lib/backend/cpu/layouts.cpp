#include "backend/cpu/layouts.h"

#include <cstring>

#include "base/error.h"

namespace dl::cpu {
namespace {

class PlainLayouts final : public LayoutTable {
 public:
  size_t bytes(LayoutId id) const override { fail(id); }
  std::string name(LayoutId id) const override { fail(id); }
  bool is_dense(LayoutId id) const override { return id == kPlain; }

 private:
  [[noreturn]] static void fail(LayoutId id) { fail_check("id", __FILE__, __LINE__, "unknown layout " + std::to_string(id)); }
};

class Copy final : public Kernel {
 public:
  explicit Copy(size_t bytes) : bytes_(bytes) {}
  void run(const KernelArgs& args) override {
    if (bytes_) std::memcpy(args.outputs[0], args.inputs[0], bytes_);
  }

 private:
  size_t bytes_;
};

}  // namespace

std::unique_ptr<LayoutTable> make_layout_table() { return std::make_unique<PlainLayouts>(); }

std::unique_ptr<Kernel> prepare_reorder(LayoutTable&, const OperandType& from, const OperandType& to) {
  DL_CHECK(from.layout == to.layout, "reorder between unknown layouts");
  return std::make_unique<Copy>(static_cast<size_t>(from.size()) * size_of(from.dtype));
}

}  // namespace dl::cpu
