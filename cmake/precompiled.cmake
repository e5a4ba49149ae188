# The standard headers that most files include, parsed once: more than half of the build time otherwise. Every file still includes what
# it uses; the debug preset builds without, which shows where one does not.
add_library(dl_precompiled STATIC ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
target_link_libraries(dl_precompiled PRIVATE dl_flags fmt::fmt OpenMP::OpenMP_CXX spdlog_headers)
target_precompile_headers(dl_precompiled PRIVATE <algorithm> <cmath> <cstdint> <functional> <map> <memory> <optional> <set> <span> <string>
  <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)

# For targets that compile with the flags of dl_library.
function(dl_precompile target)
  target_precompile_headers(${target} REUSE_FROM dl_precompiled)
endfunction()
