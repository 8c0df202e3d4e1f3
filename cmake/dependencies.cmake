# SPDX-License-Identifier: Apache-2.0
# What we stand on. Each missing piece is named with the Debian package that has it (packages.txt).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

function(harness_need_header header package)
  string(MAKE_C_IDENTIFIER "HARNESS_FOUND_${header}" found)
  find_path(${found} ${header})
  mark_as_advanced(${found})
  if(NOT ${found})
    message(FATAL_ERROR "error: the header <${header}> is missing\n"
      "because: it was looked for in the system include folders\n"
      "try: apt-get install ${package}, or ./run, which installs what is missing")
  endif()
endfunction()

harness_need_header(tl/expected.hpp libexpected-dev)
harness_need_header(boost/intrusive/list.hpp libboost-dev)
harness_need_header(nlohmann/json.hpp nlohmann-json3-dev)
harness_need_header(CLI/CLI.hpp libcli11-dev)
harness_need_header(toml++/toml.h libtomlplusplus-dev)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(fabric IMPORTED_TARGET libfabric)  # transport ofi, a shared object of its own
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)

# harness_optional_library(<component> <NAME> <header> <library> <package>): uses a library that a Debian user
# may have or not; the .cpp files see HARNESS_<NAME>. -DHARNESS_WITH_<NAME>=OFF leaves it out.
function(harness_optional_library component name header library package)
  option(HARNESS_WITH_${name} "use ${library} where it is installed (${package})" ON)
  find_path(HARNESS_${name}_HEADER ${header})
  find_library(HARNESS_${name}_LIBRARY ${library})
  mark_as_advanced(HARNESS_${name}_HEADER HARNESS_${name}_LIBRARY)
  if(HARNESS_WITH_${name} AND HARNESS_${name}_HEADER AND HARNESS_${name}_LIBRARY)
    target_compile_definitions(harness_${component} PRIVATE HARNESS_${name})
    target_link_libraries(harness_${component} PRIVATE ${library})
    set_property(GLOBAL APPEND_STRING PROPERTY HARNESS_OPTIONAL_LIBS "-l${library} ")
  endif()
endfunction()

# AUTO is settled here: a user who only builds the programs needs neither test nor bench packages.
find_package(GTest QUIET)
find_package(benchmark QUIET)
function(harness_settle part package debian)
  if(HARNESS_${part} STREQUAL "ON" AND NOT ${package}_FOUND)
    message(FATAL_ERROR "error: HARNESS_${part} is ON but ${package} is missing\n"
      "because: no CMake package of that name is installed\n"
      "try: apt-get install ${debian}, or ./test, which installs what is missing")
  endif()
  if(HARNESS_${part} STREQUAL "AUTO")
    set(settled OFF)
    if(HARNESS_DEVELOPER AND ${package}_FOUND)
      set(settled ON)
    endif()
    set(HARNESS_${part} ${settled} PARENT_SCOPE)
    message(STATUS "HARNESS_${part}: ${settled} (AUTO)")
  endif()
endfunction()
harness_settle(TESTS GTest libgmock-dev)
harness_settle(BENCH benchmark libbenchmark-dev)
