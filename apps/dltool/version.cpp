#include "version.h"

#include <H5public.h>
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/cpu_info.h"
#include "git_id.h"

namespace dl::app {
namespace {

const char* onednn_isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "amx";
    default:
      return "other";
  }
}

}  // namespace

std::string short_version() { return DLTOOL_VERSION; }

std::string version_id() { return fmt::format("{} ({})", DLTOOL_VERSION, DLTOOL_GIT_ID); }

void cap_onednn_isa() {
  if (active_isa() == detected_isa()) return;
  static constexpr const char* kWords[] = {"SSE41", "AVX2", "AVX512_CORE_VNNI", "AVX512_CORE_BF16", "AVX512_CORE_AMX"};
  setenv("ONEDNN_MAX_CPU_ISA", kWords[static_cast<size_t>(active_isa())], 0);
}

std::string version_text(bool json) {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  const dnnl_version_t* onednn = dnnl::version();
  std::string hdf5_version = fmt::format("{}.{}.{}", major, minor, release);
  std::string onednn_version = fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch);
  if (!json)
    return fmt::format("dltool {}\ncompiler  {}\noneDNN    {}\nHDF5      {}\nCPU       {}\nISA       {} (oneDNN: {})\n", version_id(),
                       DLTOOL_COMPILER, onednn_version, hdf5_version, cpu_name(), name_of(active_isa()), onednn_isa());
  nlohmann::ordered_json object;
  object["version"] = DLTOOL_VERSION;
  object["commit"] = DLTOOL_GIT_ID;
  object["compiler"] = DLTOOL_COMPILER;
  object["onednn"] = onednn_version;
  object["hdf5"] = hdf5_version;
  object["cpu"] = cpu_name();
  object["isa"] = name_of(active_isa());
  object["onednn_isa"] = onednn_isa();
  return object.dump() + "\n";
}

}  // namespace dl::app
