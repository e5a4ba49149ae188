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
endfunction()

add_library(dl_flags INTERFACE)
target_compile_options(dl_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  $<$<BOOL:${DLTOOL_WERROR}>:-Werror> -fno-math-errno -ffp-contract=off)
if(DLTOOL_SANITIZE)
  add_compile_options(-fsanitize=${DLTOOL_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${DLTOOL_SANITIZE})
endif()
