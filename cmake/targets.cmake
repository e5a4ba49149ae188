# dl_library(NAME LINK public... PRIVATE private...): the static library of lib/NAME, target dl_NAME.
# A folder without sources yet becomes an interface library, so that the dependency list stays in one place.
function(dl_library name)
  cmake_parse_arguments(arg "" "" "LINK;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/${name}/*.cpp)
  if(NOT sources)
    add_library(dl_${name} INTERFACE)
    target_link_libraries(dl_${name} INTERFACE ${arg_LINK})
    return()
  endif()
  add_library(dl_${name} STATIC ${sources})
  target_include_directories(dl_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(dl_${name} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE} dl_flags)
  dl_precompile(dl_${name})
endfunction()

add_library(dl_flags INTERFACE)
target_compile_options(dl_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${DLTOOL_WERROR}>:-Werror> -fno-math-errno -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(dl_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds
    -Wno-stringop-overflow -Wno-stringop-overread)  # GCC bug 105329: false alarms in std::string
endif()
if(DLTOOL_GLIBCXX_ASSERTIONS)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
if(DLTOOL_SANITIZE)
  add_compile_options(-fsanitize=${DLTOOL_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${DLTOOL_SANITIZE})
  if(DLTOOL_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # These two stand before every use of a pointer and take a quarter of the build; null pointers are AddressSanitizer's to find, and the
    # fuzz targets, built by clang, keep both.
    add_compile_options(-fno-sanitize=null,alignment)
  endif()
endif()

# dl_proto_library(NAME FILE): C++ from a .proto file by protoc, as target NAME; include it as "FILE.pb.h". Generated code has no warnings
# to fix, so it is compiled without dl_flags and its header is a system header.
function(dl_proto_library name file)
  get_filename_component(base ${file} NAME_WE)
  get_filename_component(folder ${PROJECT_SOURCE_DIR}/${file} DIRECTORY)
  set(out ${PROJECT_BINARY_DIR}/generated/${name})
  file(MAKE_DIRECTORY ${out})
  add_custom_command(OUTPUT ${out}/${base}.pb.cc ${out}/${base}.pb.h
    COMMAND protobuf::protoc --proto_path=${folder} --cpp_out=${out} ${PROJECT_SOURCE_DIR}/${file}
    DEPENDS ${PROJECT_SOURCE_DIR}/${file} VERBATIM)
  add_library(${name} STATIC ${out}/${base}.pb.cc ${out}/${base}.pb.h)
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf_lite)
endfunction()
