# SPDX-License-Identifier: Apache-2.0
# Options and flags. Everything that changes what the compiler sees is decided in this file; what the
# sources may read of it stands in the generated <harness/config.hpp>, so no source needs an #ifdef.
option(HARNESS_DEVELOPER "warnings are errors; tests, bench and examples" ${PROJECT_IS_TOP_LEVEL})
set(HARNESS_TESTS AUTO CACHE STRING "ON, OFF, or AUTO: when a developer has GoogleTest")
set(HARNESS_BENCH AUTO CACHE STRING "ON, OFF, or AUTO: when a developer has Google Benchmark")
set(HARNESS_SANITIZE "" CACHE STRING "empty, address (with undefined), or thread")
set(HARNESS_ASSERTS full CACHE STRING "full: also the expensive checks; fast: the cheap ones")
option(HARNESS_COVERAGE "instrument for gcovr" OFF)
option(HARNESS_FUZZ "fuzz targets are libFuzzer programs (clang) instead of replays" OFF)
set_property(CACHE HARNESS_TESTS HARNESS_BENCH PROPERTY STRINGS AUTO ON OFF)
set_property(CACHE HARNESS_SANITIZE PROPERTY STRINGS "" address thread)
set_property(CACHE HARNESS_ASSERTS PROPERTY STRINGS full fast)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ${HARNESS_DEVELOPER})
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(GNUInstallDirs)

if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(HARNESS_CCACHE ccache)
  mark_as_advanced(HARNESS_CCACHE)
  if(HARNESS_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CURRENT_LIST_DIR}/cached.sh ${HARNESS_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_C_COMPILER_LAUNCHER})
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endif()

find_program(HARNESS_GOLD ld.gold)  # links in a third of the time; it comes with the default linker
mark_as_advanced(HARNESS_GOLD)
if(HARNESS_DEVELOPER AND HARNESS_GOLD)
  add_link_options($<$<CONFIG:Debug>:-fuse-ld=gold>)
endif()

if(HARNESS_DEVELOPER)
  add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef
    -Wcast-align -Wformat=2 -Wvla -Werror
    -Wno-missing-field-initializers  # {.name = "x"} leaves the rest at its default, on purpose
    "$<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor;-Woverloaded-virtual;-Wextra-semi;-Wredundant-move>")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Each of these is wrong about correct code in GCC 12 once it inlines (GCC bugs 105329, 105562, 105651);
    # the first about every `"text" + string`.
    add_compile_options(-Wno-restrict -Wno-error=array-bounds -Wno-error=stringop-overflow
      -Wno-error=stringop-overread -Wno-error=maybe-uninitialized)
  endif()
endif()
if(HARNESS_ASSERTS STREQUAL "full")
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
if(HARNESS_SANITIZE STREQUAL "address")
  # The address sanitizer reports by itself who reads or writes through a null pointer or past an object; to
  # check both twice is a quarter of the time that the libraries take to compile.
  set(harness_sanitize -fsanitize=address,undefined -fno-sanitize=null,object-size -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
elseif(HARNESS_SANITIZE STREQUAL "thread")
  set(harness_sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(HARNESS_SANITIZE)
  message(FATAL_ERROR "error: HARNESS_SANITIZE is '${HARNESS_SANITIZE}'\n"
    "because: the sanitizers are 'address' (with undefined) and 'thread'\n"
    "try: cmake --preset asan, or cmake --preset tsan")
endif()
add_compile_options(${harness_sanitize})
add_link_options(${harness_sanitize})
if(HARNESS_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(HARNESS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
