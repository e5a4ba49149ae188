#include "version.h"

#include <H5public.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>

#include "git_id.h"

namespace dl::app {
namespace {

const char* isa_name() {
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

std::string version_text(bool json) {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  const dnnl_version_t* onednn = dnnl::version();
  std::string hdf5_version = fmt::format("{}.{}.{}", major, minor, release);
  std::string onednn_version = fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch);
  if (!json)
    return fmt::format("dltool {}\ncompiler  {}\noneDNN    {}\nHDF5      {}\nCPU ISA   {}\n", version_id(), DLTOOL_COMPILER, onednn_version,
                       hdf5_version, isa_name());
  nlohmann::ordered_json object = {{"version", DLTOOL_VERSION}, {"commit", DLTOOL_GIT_ID}, {"compiler", DLTOOL_COMPILER},
                                   {"onednn", onednn_version},  {"hdf5", hdf5_version},    {"isa", isa_name()}};
  return object.dump() + "\n";
}

}  // namespace dl::app
