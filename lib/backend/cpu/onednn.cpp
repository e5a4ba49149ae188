#include "backend/cpu/onednn.h"

#include "base/cpu_info.h"
#include "base/error.h"
#include "base/parallel.h"

namespace dl::cpu {
namespace {

dnnl_cpu_isa_t onednn_isa(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return dnnl_cpu_isa_sse41;
    case Isa::kAvx2:
      return dnnl_cpu_isa_avx2;
    case Isa::kAvx512:
      return dnnl_cpu_isa_avx512_core;
    case Isa::kAvx512Bf16:
      return dnnl_cpu_isa_avx512_core_bf16;
    case Isa::kAmx:
      return dnnl_cpu_isa_avx512_core_amx;
  }
  return dnnl_cpu_isa_all;
}

dnnl_engine_t make_engine() {
  // Without a cap of ours the environment's ONEDNN_MAX_CPU_ISA stays in force.
  if (active_isa() != detected_isa()) dnnl_set_max_cpu_isa(onednn_isa(active_isa()));
  dnnl_engine_t engine = nullptr;
  const dnnl_status_t status = dnnl_engine_create(&engine, dnnl_cpu, 0);
  DL_CHECK(status == dnnl_success, "oneDNN has no CPU engine");
  return engine;
}

}  // namespace

dnnl_engine_t onednn_engine() {
  static const dnnl_engine_t engine = make_engine();
  return engine;
}

std::optional<dnnl_data_type_t> onednn_type(DType type) {
  if (type == DType::kFloat32) return dnnl_f32;
  // oneDNN emulates bfloat16 on plain AVX-512, slower than float32.
  if (type == DType::kBFloat16 && active_isa() >= Isa::kAvx512Bf16) return dnnl_bf16;
  return std::nullopt;
}

size_t element_bytes(dnnl_data_type_t type) {
  return type == dnnl_bf16 || type == dnnl_f16 ? 2 : type == dnnl_s8 || type == dnnl_u8 ? 1 : 4;
}

dnnl_memory_desc_t plain_descriptor(const Dims& dims, dnnl_data_type_t type) {
  dnnl_memory_desc_t md{};
  dnnl_dims_t strides{};
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  const dnnl_status_t status = dnnl_memory_desc_init_by_strides(&md, static_cast<int>(dims.size()), dims.data(), type, strides);
  DL_CHECK(status == dnnl_success, "oneDNN refuses a shape");
  return md;
}

dnnl_memory_desc_t any_descriptor(const Dims& dims, dnnl_data_type_t type) {
  dnnl_memory_desc_t md{};
  const dnnl_status_t status = dnnl_memory_desc_init_by_tag(&md, static_cast<int>(dims.size()), dims.data(), type, dnnl_format_tag_any);
  DL_CHECK(status == dnnl_success, "oneDNN refuses a shape");
  return md;
}

dnnl_memory_desc_t permuted(const dnnl_memory_desc_t& md, const std::vector<int>& order) {
  dnnl_memory_desc_t result{};
  const dnnl_status_t status = dnnl_memory_desc_permute_axes(&result, &md, order.data());
  DL_CHECK(status == dnnl_success, "oneDNN refuses to permute axes");
  return result;
}

std::vector<int> inverse(const std::vector<int>& order) {
  std::vector<int> result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int>(i);
  return result;
}

PrimitiveDesc make_desc(const_dnnl_op_desc_t op, const dnnl_primitive_desc* forward_hint) {
  dnnl_primitive_attr_t attr = nullptr;
  if (dnnl_primitive_attr_create(&attr) != dnnl_success) return nullptr;
  dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  dnnl_primitive_desc_t desc = nullptr;
  const dnnl_status_t status = dnnl_primitive_desc_create(&desc, op, attr, onednn_engine(), forward_hint);
  dnnl_primitive_attr_destroy(attr);
  return PrimitiveDesc(status == dnnl_success ? desc : nullptr);
}

PrimitiveDesc make_reorder_desc(const dnnl_memory_desc_t& src, const dnnl_memory_desc_t& dst) {
  dnnl_primitive_attr_t attr = nullptr;
  if (dnnl_primitive_attr_create(&attr) != dnnl_success) return nullptr;
  dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  dnnl_primitive_desc_t desc = nullptr;
  const dnnl_status_t status = dnnl_reorder_primitive_desc_create(&desc, &src, onednn_engine(), &dst, onednn_engine(), attr);
  dnnl_primitive_attr_destroy(attr);
  return PrimitiveDesc(status == dnnl_success ? desc : nullptr);
}

dnnl_memory_desc_t query_md(const PrimitiveDesc& desc, dnnl_query_t what) {
  const dnnl_memory_desc_t* md = dnnl_primitive_desc_query_md(desc.get(), what, 0);
  return md ? *md : dnnl_memory_desc_t{};
}

std::string implementation(const PrimitiveDesc& desc) {
  const char* text = nullptr;
  return dnnl_primitive_desc_query(desc.get(), dnnl_query_impl_info_str, 0, &text) == dnnl_success && text ? text : "";
}

OneThread::OneThread(bool active) : saved_(active ? thread_count() : 0) {
  if (saved_) set_thread_count(1);
}
OneThread::~OneThread() {
  if (saved_) set_thread_count(saved_);
}

std::unique_ptr<OnednnKernel> OnednnKernel::make(PrimitiveDesc desc, const std::vector<Operand>& operands, bool one_thread) {
  std::unique_ptr<OnednnKernel> kernel(new OnednnKernel);
  kernel->one_thread_ = one_thread;
  kernel->detail = implementation(desc);
  const dnnl_engine_t engine = onednn_engine();
  if (dnnl_primitive_create(&kernel->primitive_, desc.get()) != dnnl_success) return nullptr;
  if (dnnl_stream_create(&kernel->stream_, engine, dnnl_stream_default_flags) != dnnl_success) return nullptr;
  const auto add = [&](int arg, const dnnl_memory_desc_t& md) {
    dnnl_memory_t memory = nullptr;
    if (dnnl_memory_create(&memory, &md, engine, DNNL_MEMORY_NONE) != dnnl_success) return false;
    kernel->args_.push_back({arg, memory});
    return true;
  };
  for (const Operand& o : operands) {
    if (!add(o.arg, o.md)) return nullptr;
    kernel->bindings_.push_back({o.is_output, o.index});
  }
  const dnnl_memory_desc_t scratchpad = query_md(desc, dnnl_query_scratchpad_md);
  kernel->workspace_bytes = dnnl_memory_desc_get_size(&scratchpad);
  if (kernel->workspace_bytes > 0 && !add(DNNL_ARG_SCRATCHPAD, scratchpad)) return nullptr;
  kernel->desc_ = std::move(desc);
  return kernel;
}

OnednnKernel::~OnednnKernel() {
  for (const dnnl_exec_arg_t& a : args_) dnnl_memory_destroy(a.memory);
  if (stream_) dnnl_stream_destroy(stream_);
  if (primitive_) dnnl_primitive_destroy(primitive_);
}

void OnednnKernel::run(const KernelArgs& args) {
  const OneThread scope(one_thread_);
  for (size_t k = 0; k < args_.size(); ++k) {
    void* const handle = k >= bindings_.size()    ? args.workspace
                         : bindings_[k].is_output ? args.outputs[bindings_[k].index]
                                                  : const_cast<void*>(args.inputs[bindings_[k].index]);
    dnnl_memory_set_data_handle_v2(args_[k].memory, handle, stream_);
  }
  const dnnl_status_t status = dnnl_primitive_execute(primitive_, stream_, static_cast<int>(args_.size()), args_.data());
  DL_CHECK(status == dnnl_success, "oneDNN failed to run " + detail + " (status " + std::to_string(status) + ")");
  dnnl_stream_wait(stream_);
}

}  // namespace dl::cpu
