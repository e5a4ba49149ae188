# lib/backend/cpu/*_isa.cpp once more per instruction set, with DL_ISA set to its name (lib/backend/cpu/isa.h). The baseline copy is part of
# dl_backend as any other source. -fno-trapping-math: floating-point exceptions are not looked at, so selects may become blends.
file(GLOB isa_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/backend/cpu/*_isa.cpp)
set_source_files_properties(${isa_sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
  COMPILE_OPTIONS "-fno-trapping-math;$<$<CONFIG:Release>:-O3>;$<$<CONFIG:None>:-O1>")
function(dl_isa_variant name)
  add_library(dl_backend_${name} OBJECT ${isa_sources})
  target_include_directories(dl_backend_${name} PRIVATE ${PROJECT_SOURCE_DIR}/lib)
  target_compile_definitions(dl_backend_${name} PRIVATE DL_ISA=${name})
  target_compile_options(dl_backend_${name} PRIVATE ${ARGN})
  target_link_libraries(dl_backend_${name} PRIVATE dl_flags)
  target_sources(dl_backend PRIVATE $<TARGET_OBJECTS:dl_backend_${name}>)
endfunction()
dl_isa_variant(avx2 -march=x86-64-v3)
dl_isa_variant(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
