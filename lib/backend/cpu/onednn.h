// The thin layer over oneDNN's C interface: descriptors, primitives, and the Kernel that runs one.
// Who uses it: onednn_*.cpp and layouts.cpp. Nothing else sees oneDNN.
// A status that is not success means "not accepted" while preparing and is a bug while running.
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <memory>
#include <optional>
#include <vector>

#include "backend/kernel.h"

namespace dl::cpu {

// The one CPU engine. The first call hands the cap on instruction sets (base/cpu_info.h) to oneDNN.
dnnl_engine_t onednn_engine();

std::optional<dnnl_data_type_t> onednn_type(DType type);  // float32, bfloat16 (where the processor has it)
size_t element_bytes(dnnl_data_type_t type);

dnnl_memory_desc_t plain_descriptor(const Dims& dims, dnnl_data_type_t type);  // row-major
dnnl_memory_desc_t any_descriptor(const Dims& dims, dnnl_data_type_t type);    // the primitive chooses
// Axis i of `md` becomes axis order[i].
dnnl_memory_desc_t permuted(const dnnl_memory_desc_t& md, const std::vector<int>& order);
std::vector<int> inverse(const std::vector<int>& order);

struct PrimitiveDescDeleter {
  void operator()(dnnl_primitive_desc* desc) const { dnnl_primitive_desc_destroy(desc); }
};
using PrimitiveDesc = std::unique_ptr<dnnl_primitive_desc, PrimitiveDescDeleter>;

// Null when oneDNN has no implementation. The scratchpad is the user's.
PrimitiveDesc make_desc(const_dnnl_op_desc_t op, const dnnl_primitive_desc* forward_hint = nullptr);
PrimitiveDesc make_reorder_desc(const dnnl_memory_desc_t& src, const dnnl_memory_desc_t& dst);
dnnl_memory_desc_t query_md(const PrimitiveDesc& desc, dnnl_query_t what);
std::string implementation(const PrimitiveDesc& desc);  // "jit:avx2"

// One thread for this calling thread's oneDNN and OpenMP work while alive.
class OneThread {
 public:
  explicit OneThread(bool active);
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_;
};

// Runs one primitive on the operands of a step.
class OnednnKernel : public Kernel {
 public:
  struct Operand {
    int arg;  // DNNL_ARG_...
    bool is_output;
    size_t index;
    dnnl_memory_desc_t md;
  };
  // Null when the primitive cannot be created. With `one_thread` it runs on one thread, so its bits do not depend on their number.
  static std::unique_ptr<OnednnKernel> make(PrimitiveDesc desc, const std::vector<Operand>& operands, bool one_thread = false);
  ~OnednnKernel() override;
  void run(const KernelArgs& args) override;

 protected:
  OnednnKernel() = default;

 private:
  struct Binding {
    bool is_output;
    size_t index;
  };
  PrimitiveDesc desc_;
  dnnl_primitive_t primitive_ = nullptr;
  dnnl_stream_t stream_ = nullptr;
  std::vector<Binding> bindings_;
  std::vector<dnnl_exec_arg_t> args_;  // of bindings_, then the scratchpad where there is one
  bool one_thread_ = false;
};

}  // namespace dl::cpu
