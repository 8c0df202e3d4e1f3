# SPDX-License-Identifier: Apache-2.0
# Targets for a person at work, when the tools are installed (packages.txt [optional]):
#   format    the C++ files that differ from main, by .clang-format; format_all: every one
#   lint      reads them by .clang-tidy
#   coverage  in build/coverage: runs the tests, writes coverage/index.html there and prints a summary
function(harness_tools)
  find_program(HARNESS_CLANG_FORMAT NAMES clang-format-19)
  find_program(HARNESS_RUN_CLANG_TIDY NAMES run-clang-tidy-14 run-clang-tidy)
  mark_as_advanced(HARNESS_CLANG_FORMAT HARNESS_RUN_CLANG_TIDY)
  if(HARNESS_CLANG_FORMAT)
    set(script ${PROJECT_SOURCE_DIR}/tests/tidy/format.sh)
    add_custom_target(format COMMAND ${script} ${HARNESS_CLANG_FORMAT} VERBATIM)
    add_custom_target(format_all COMMAND ${script} ${HARNESS_CLANG_FORMAT} --all VERBATIM)
  endif()
  if(HARNESS_RUN_CLANG_TIDY)
    # GCC's flags that clang does not know must not drown what it finds, nor may it read what GCC precompiled.
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/lint)
    add_custom_target(lint WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM
      COMMAND sed "s/-include [^ ]*cmake_pch.hxx//" ${PROJECT_BINARY_DIR}/compile_commands.json
        > ${PROJECT_BINARY_DIR}/lint/compile_commands.json
      COMMAND ${HARNESS_RUN_CLANG_TIDY} -quiet -p ${PROJECT_BINARY_DIR}/lint
        -extra-arg=-Wno-unknown-warning-option
        "${PROJECT_SOURCE_DIR}/(stack|layers|transports|policies|kernel|apps)/.*\\.cpp$")
  endif()
  find_program(HARNESS_GCOVR gcovr)
  mark_as_advanced(HARNESS_GCOVR)
  if(HARNESS_COVERAGE AND HARNESS_GCOVR)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/coverage)
    add_custom_target(coverage WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM
      COMMAND ${CMAKE_CTEST_COMMAND} --preset coverage
      COMMAND ${HARNESS_GCOVR} --root . --filter "(stack|layers|transports|policies|kernel|apps)/"
        --exclude-throw-branches --exclude-unreachable-branches --print-summary
        --html-details ${PROJECT_BINARY_DIR}/coverage/index.html ${PROJECT_BINARY_DIR})
  endif()
endfunction()
