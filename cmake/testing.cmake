# SPDX-License-Identifier: Apache-2.0
# Tests: every case is one ctest entry `<name>/<Suite>.<Case>`, so that a filter, a label or a time limit
# reaches it (cmake/cases.cmake). A folder without sources makes no test.

# harness_time_limit(<variable> <seconds, or ""> <default>): the limit of one ctest entry, as the sanitizers
# slow it down. A limit is there for a test that hangs: none that passes comes near it, on a slow machine
# either.
function(harness_time_limit variable wanted otherwise)
  set(limit_s ${otherwise})
  if(wanted)
    set(limit_s ${wanted})
  endif()
  if(HARNESS_SANITIZE STREQUAL "address")
    math(EXPR limit_s "3 * ${limit_s}")
  elseif(HARNESS_SANITIZE STREQUAL "thread")
    math(EXPR limit_s "6 * ${limit_s}")
  endif()
  set(${variable} ${limit_s} PARENT_SCOPE)
endfunction()

# harness_test_headers(headers …): what every test includes, precompiled for those at -O0 and for the others.
function(harness_test_headers)
  add_library(harness_test_plain OBJECT seed.cpp)
  target_link_libraries(harness_test_plain PRIVATE harness_test_support fmt::fmt)
  harness_plain(harness_test_plain)
  foreach(target IN ITEMS harness_test_support harness_test_plain)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)  # as programs have it
    harness_precompile(${target} ${ARGN})
  endforeach()
endfunction()

# harness_test(<name> [GLOB …] [SOURCES …] [DEPENDS libraries …] [LABELS …] [TIMEOUT_S s] [LONG])
# LONG: it runs for minutes, so it is worth optimising.
function(harness_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LONG" "TIMEOUT_S" "GLOB;SOURCES;DEPENDS;LABELS")
  string(REPLACE "/" "_" target test_${name})
  harness_executable(${target} tests GLOB ${arg_GLOB} SOURCES ${arg_SOURCES}
    DEPENDS ${arg_DEPENDS} harness_test_support GTest::gmock_main)
  if(NOT harness_made)
    return()
  endif()
  if(arg_LONG AND NOT HARNESS_SANITIZE)
    harness_precompiled(${target} harness_test_support)
  else()
    harness_plain(${target})
    harness_precompiled(${target} harness_test_plain)
  endif()
  if(harness_ofi_mock IN_LIST arg_DEPENDS AND TARGET harness_ofi_plugin)
    add_dependencies(${target} harness_ofi_plugin)  # which it loads
  endif()
  harness_time_limit(limit_s "${arg_TIMEOUT_S}" 120)
  set(kind FEW)
  if(arg_LABELS MATCHES "unit|conformance")  # short cases that bear each other in one process
    set(kind MANY)
  endif()
  # What ctest reads before it runs anything; the program need not be there before.
  set(entries ${CMAKE_CURRENT_BINARY_DIR}/${target}_cases.cmake)
  file(GENERATE OUTPUT ${entries} CONTENT "include(${PROJECT_SOURCE_DIR}/cmake/cases.cmake)
harness_cases($<TARGET_FILE:${target}> ${name} ${kind}
  ${PROJECT_SOURCE_DIR}/tests/support/run_part.sh ${PROJECT_BINARY_DIR}/reports
  LABELS \"${arg_LABELS}\" TIMEOUT ${limit_s} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${entries})
endfunction()

# harness_script_test(<name> COMMAND … [LABELS …] [TIMEOUT_S s]): a check that is a script. Exit 77 is a skip.
function(harness_script_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT_S" "COMMAND;LABELS")
  harness_time_limit(limit_s "${arg_TIMEOUT_S}" 300)
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${limit_s} SKIP_RETURN_CODE 77)
endfunction()

# harness_fuzz(libraries … [LOADS <stem> libraries …]): every <stem>.cpp or <stem>_fuzz.cpp here defines
# LLVMFuzzerTestOneInput. With HARNESS_FUZZ it is a libFuzzer program; otherwise the same source is linked to
# a main that replays the corpus and a fixed number of mutations of it, so that every ordinary run covers
# it too.
function(harness_fuzz)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "LOADS")
  add_custom_target(fuzz_targets)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_fuzz$" "" stem ${stem})
    if(HARNESS_FUZZ)
      harness_executable(fuzz_${stem} fuzz SOURCES ${source}
        DEPENDS ${arg_UNPARSED_ARGUMENTS} harness_test_support)
      target_link_options(fuzz_${stem} PRIVATE -fsanitize=fuzzer)
    else()
      harness_executable(fuzz_${stem} fuzz SOURCES ${source} support/replay_main.cpp
        DEPENDS ${arg_UNPARSED_ARGUMENTS} harness_test_support)
    endif()
    add_dependencies(fuzz_targets fuzz_${stem})
    harness_script_test(fuzz/${stem} LABELS fuzz TIMEOUT_S 600
      COMMAND ${PROJECT_SOURCE_DIR}/tests/fuzz/support/run_target.sh
        $<TARGET_FILE:fuzz_${stem}> ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${stem}
        ${CMAKE_CURRENT_BINARY_DIR}/${stem})
  endforeach()
  if(arg_LOADS)
    harness_fuzz_loads(${arg_LOADS})
  endif()
endfunction()

# One that loads our plug-in of its name: what counts coverage is in the program and must be seen from there.
# How often such a target polls differs from run to run, which the entropic schedule takes for news: half of
# the time goes into that.
function(harness_fuzz_loads stem)
  target_link_libraries(fuzz_${stem} PRIVATE ${ARGN})
  set_target_properties(fuzz_${stem} PROPERTIES ENABLE_EXPORTS ON)
  set_property(TEST fuzz/${stem} APPEND PROPERTY ENVIRONMENT HARNESS_FUZZ_FLAGS=-entropic=0)
  if(TARGET harness_${stem}_plugin)
    add_dependencies(fuzz_${stem} harness_${stem}_plugin)
  endif()
endfunction()

# harness_pure_test(<component> patterns …): it needs no symbol of the operating system; the patterns are of
# symbols that it may need besides the common list.
function(harness_pure_test component)
  get_target_property(kind harness_${component} TYPE)
  if(kind STREQUAL "STATIC_LIBRARY")
    harness_script_test(tidy/no_operating_system_in_${component} LABELS tidy
      COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tests/tidy/nm_test.py ${CMAKE_NM}
        $<TARGET_FILE:harness_${component}> ${ARGN})
  endif()
endfunction()
