# SPDX-License-Identifier: Apache-2.0
# Read by ctest, not by CMake: adds the entries of one program of tests, from the list that it prints. An
# entry is a case, `<name>/<Suite>.<Case>`. With HARNESS_CASES_A_PROCESS=25 in the environment a program of
# MANY short cases runs about as many in one process, `<name>/<Suite>.1of4`: under a sanitizer the start of a
# process costs more than most cases do. tests/support/run_part.sh runs such an entry and keeps its report.

# harness_cases(<program> <name> <MANY or FEW> <run_part.sh> <folder of reports> <properties> …)
function(harness_cases program name kind runner reports)
  if(NOT EXISTS ${program})
    add_test(${name}/not_built ${program})  # an entry that fails, and says what is missing
    return()
  endif()
  execute_process(COMMAND ${program} --gtest_list_tests TIMEOUT 180
    OUTPUT_VARIABLE output ERROR_VARIABLE error RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "error: ${name} does not list its cases\nbecause: ${result} ${error}\n"
      "try: ${program} --gtest_list_tests")
  endif()
  set(part_cases 0)
  if(kind STREQUAL "MANY" AND "$ENV{HARNESS_CASES_A_PROCESS}" MATCHES "^[1-9][0-9]*$")
    set(part_cases $ENV{HARNESS_CASES_A_PROCESS})
  endif()
  string(REGEX REPLACE " +#[^\n]*" "" output "${output}")  # what the parameters are
  string(REGEX MATCHALL "[^\n]+" lines "${output}")
  foreach(line IN LISTS lines)
    if(line MATCHES "^[^ ]+\\.$")
      set(suite ${line})
      list(APPEND suites ${suite})
      set(cases_${suite} 0)
    elseif(line MATCHES "^  ([^ ]+)$")
      set(case ${CMAKE_MATCH_1})
      math(EXPR cases_${suite} "${cases_${suite}} + 1")
      if(NOT part_cases)
        add_test(${name}/${suite}${case} ${program} --gtest_filter=${suite}${case})
        set_tests_properties(${name}/${suite}${case} PROPERTIES
          SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]" ${ARGN})
      endif()
    endif()
  endforeach()
  if(NOT part_cases)
    return()
  endif()
  foreach(suite IN LISTS suites)
    math(EXPR parts "(${cases_${suite}} + ${part_cases} - 1) / ${part_cases}")
    foreach(part RANGE 1 ${parts})
      set(entry ${name}/${suite}${part}of${parts})
      string(REPLACE / _ report ${entry})
      add_test(${entry} ${runner} ${reports}/${report} ${part} ${parts} ${program} --gtest_filter=${suite}*)
      set_tests_properties(${entry} PROPERTIES ${ARGN})
    endforeach()
  endforeach()
endfunction()
