# SPDX-License-Identifier: Apache-2.0
# One folder, one static library. A library sees the headers of those it links to and no others: the
# include folder of <folder> is <build>/include/<folder>, holding the link harness/<folder> → the source.
# So one spelling, <harness/stack/message.hpp>, works in the tree and installed, and an include against
# the direction of dependence does not compile.

# harness_link_includes(<folder>): makes that link. The include folder is returned in harness_include_dir.
macro(harness_link_includes folder)
  set(harness_include_dir ${PROJECT_BINARY_DIR}/include/${folder})
  file(MAKE_DIRECTORY ${harness_include_dir}/harness)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${harness_include_dir}/harness/${folder} SYMBOLIC)
endmacro()

# harness_led_headers(<variable> <sources> <headers>): those headers that their own .cpp includes first. Each
# is compiled alone there by the builds that precompile none, `fuzz` and `release`.
function(harness_led_headers variable sources headers)
  set(led "")
  foreach(header IN LISTS headers)
    cmake_path(REPLACE_EXTENSION header LAST_ONLY .cpp OUTPUT_VARIABLE source)
    if(${PROJECT_SOURCE_DIR}/${source} IN_LIST sources)
      file(STRINGS ${PROJECT_SOURCE_DIR}/${source} first REGEX "^#include" LIMIT_COUNT 1)
      if(first STREQUAL "#include <harness/${header}>")
        list(APPEND led ${header})
      endif()
    endif()
  endforeach()
  set(${variable} ${led} PARENT_SCOPE)
endfunction()

# harness_component(<folder> [SUBFOLDERS …] [WITHOUT subfolder] [DEPENDS harness folders …] [PRIVATE
# libraries …] [NO_INSTALL]) makes harness::<folder> from every .cpp below the folder (or only below
# SUBFOLDERS, or not below WITHOUT, which is a plug-in's); PRIVATE libraries are seen by the .cpp files alone.
# Without any .cpp it is an interface library.
function(harness_component folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_INSTALL" "WITHOUT" "SUBFOLDERS;DEPENDS;PRIVATE")
  set(roots ${folder})
  if(arg_SUBFOLDERS)
    list(TRANSFORM arg_SUBFOLDERS PREPEND ${folder}/ OUTPUT_VARIABLE roots)
  endif()
  foreach(root IN LISTS roots)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${root}/*.cpp)
    list(APPEND sources ${found})
    file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
      ${PROJECT_SOURCE_DIR}/${root}/*.hpp ${PROJECT_SOURCE_DIR}/${root}/*.h)
    list(APPEND headers ${found})
  endforeach()

  if(arg_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${folder}/${arg_WITHOUT}/")
    list(FILTER headers EXCLUDE REGEX "^${folder}/${arg_WITHOUT}/")
  endif()

  harness_link_includes(${folder})
  harness_led_headers(led "${sources}" "${headers}")
  if(led)
    list(REMOVE_ITEM headers ${led})
  endif()
  list(TRANSFORM headers PREPEND ${harness_include_dir}/harness/)
  list(TRANSFORM led PREPEND ${harness_include_dir}/harness/)
  list(TRANSFORM arg_DEPENDS PREPEND harness_)
  set(kind STATIC)
  set(scope PUBLIC)
  if(NOT sources)
    set(kind INTERFACE)
    set(scope INTERFACE)
    set(arg_PRIVATE "")
  endif()

  add_library(harness_${folder} ${kind} ${sources})
  add_library(harness::${folder} ALIAS harness_${folder})
  target_sources(harness_${folder} ${scope}
    FILE_SET HEADERS BASE_DIRS ${harness_include_dir} FILES ${headers}
    FILE_SET led_headers TYPE HEADERS BASE_DIRS ${harness_include_dir} FILES ${led})
  target_compile_features(harness_${folder} ${scope} cxx_std_20)
  target_link_libraries(harness_${folder} ${scope} ${arg_DEPENDS})
  if(arg_PRIVATE)
    target_link_libraries(harness_${folder} PRIVATE ${arg_PRIVATE})
  endif()
  set_target_properties(harness_${folder} PROPERTIES EXPORT_NAME ${folder}
    INTERFACE_HEADER_SETS_TO_VERIFY HEADERS)
  if(NOT arg_NO_INSTALL)
    set_property(GLOBAL APPEND PROPERTY HARNESS_COMPONENTS ${folder})
  endif()
endfunction()

# harness_config_header(<component>): the generated <harness/config.hpp>, carried by the lowest component.
function(harness_config_header folder)
  set(HARNESS_ASSERTS_FULL false)
  if(HARNESS_ASSERTS STREQUAL "full")
    set(HARNESS_ASSERTS_FULL true)
  endif()
  set(dir ${PROJECT_BINARY_DIR}/include/config)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/config.hpp.in ${dir}/harness/config.hpp @ONLY)
  get_target_property(kind harness_${folder} TYPE)
  set(scope PUBLIC)
  if(kind STREQUAL "INTERFACE_LIBRARY")
    set(scope INTERFACE)
  endif()
  target_sources(harness_${folder} ${scope}
    FILE_SET HEADERS BASE_DIRS ${dir} FILES ${dir}/harness/config.hpp)
endfunction()

# harness_executable(<target> <output folder> [SOURCES …|GLOB …] [DEPENDS libraries …]): the common part of
# programs, examples, bench and tests. Sets harness_made to the target, or to "" when there is no source yet.
function(harness_executable target output)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;GLOB;DEPENDS")
  if(arg_GLOB)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${arg_GLOB})
    list(APPEND arg_SOURCES ${found})
  endif()
  set(harness_made "" PARENT_SCOPE)
  if(NOT arg_SOURCES)
    return()
  endif()
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_DEPENDS})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${output})
  set(harness_made ${target} PARENT_SCOPE)
endfunction()

add_custom_target(programs)  # what ./run builds

# harness_program(<name>): <build>/bin/<name> from every .cpp in the folder of that name, once there is a
# main.cpp.
function(harness_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS")
  file(GLOB main CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/main.cpp)
  if(main)
    harness_executable(${name} bin GLOB ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp DEPENDS ${arg_DEPENDS})
    add_dependencies(programs ${name})
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
  endif()
endfunction()

# harness_examples(libraries …): <build>/examples/<stem> for every .cpp of this folder.
function(harness_examples)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM stem)
    harness_executable(example_${stem} examples SOURCES ${source} DEPENDS ${ARGN})
    add_dependencies(programs example_${stem})
    set_target_properties(example_${stem} PROPERTIES OUTPUT_NAME ${stem})
  endforeach()
endfunction()

# harness_bench_support(libraries …): what the benchmarks share, <harness/bench/support/….hpp>.
function(harness_bench_support)
  harness_link_includes(bench)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/support/*.cpp)
  add_library(harness_bench_support STATIC ${sources})
  target_include_directories(harness_bench_support PUBLIC ${harness_include_dir})
  target_link_libraries(harness_bench_support PUBLIC ${ARGN})
  set_target_properties(harness_bench_support PROPERTIES POSITION_INDEPENDENT_CODE OFF)  # as programs have it
  harness_precompile(harness_bench_support <fmt/format.h> <harness/stack/node.hpp>)
endfunction()

# harness_bench(<subfolder> libraries … [WITHOUT file]): <build>/bench/<subfolder> from the .cpp files below
# it. WITHOUT: not that one.
function(harness_bench name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "WITHOUT" "")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  if(arg_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/${arg_WITHOUT}$")
  endif()
  harness_executable(bench_${name} bench SOURCES ${sources} DEPENDS ${arg_UNPARSED_ARGUMENTS})
  if(harness_made)
    if(harness_bench_support IN_LIST arg_UNPARSED_ARGUMENTS)
      harness_precompiled(bench_${name} harness_bench_support)
    endif()
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name})
  endif()
endfunction()

# harness_unity(<target> <batch> [stems …]): compiles that many of its files as one, which pays where headers
# like CLI11's and nlohmann-json's are most of the work (420 of 1,055 thread-seconds before, 60 after). A file
# whose private names are also another's is named, and stays by itself. In a batch no .cpp proves its header.
function(harness_unity target batch)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${batch}
    INTERFACE_HEADER_SETS_TO_VERIFY "")
  list(TRANSFORM ARGN APPEND .cpp OUTPUT_VARIABLE alone)
  set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# harness_precompile(<owner> headers …): headers that most files of the owner include, read once; other
# targets of the same flags take them over by harness_precompiled(<target> <owner>). The release build does
# without, so that a file which forgets an include is seen.
function(harness_precompile owner)
  target_precompile_headers(${owner} PRIVATE <algorithm> <array> <cstdint> <cstring> <functional> <map>
    <memory> <optional> <set> <span> <string> <string_view> <utility> <vector> ${ARGN})
endfunction()

function(harness_precompiled target owner)
  get_target_property(independent ${owner} POSITION_INDEPENDENT_CODE)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ${independent})
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

# harness_plain(<targets> …): -O0 in builds for developers, for tests and programs: what is compiled often and
# runs little. The libraries below them stay at -O1.
function(harness_plain)
  if(HARNESS_FUZZ)
    return()  # there it is fuzzed, as fast as it goes
  endif()
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O0>)
  endforeach()
endfunction()

# harness_bench_peers(<subfolder> libraries …): the bench program that alone links peers, those that are here.
function(harness_bench_peers name)
  pkg_check_modules(zmq IMPORTED_TARGET libzmq)
  if(TARGET PkgConfig::zmq)
    harness_bench(${name} ${ARGN} PkgConfig::zmq WITHOUT no_zmq.cpp)
  else()
    harness_bench(${name} ${ARGN} WITHOUT zmq.cpp)
  endif()
endfunction()

# harness_bench_driver(<name> <source> <compiler> FOR <bench programs …>): <build>/bench/<name>, a program
# of ours for a peer, built beside those that run it by the peer's own compiler, where that is installed.
function(harness_bench_driver name source compiler)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "FOR")
  find_program(HARNESS_COMPILER_${name} ${compiler})
  if(HARNESS_COMPILER_${name})
    set(driver ${PROJECT_BINARY_DIR}/bench/${name})
    add_custom_command(OUTPUT ${driver} DEPENDS ${source}
      COMMAND ${HARNESS_COMPILER_${name}} -std=c++20 -O3 -o ${driver} ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    add_custom_target(bench_${name} DEPENDS ${driver})
    foreach(program IN LISTS arg_FOR)
      add_dependencies(bench_${program} bench_${name})
    endforeach()
  endif()
endfunction()

# harness_bench_fabric(<subfolder> libraries … [FOR bench programs …]): <build>/bench/<subfolder> over
# libfabric, where that is installed, with our transport over it; and those programs run it.
function(harness_bench_fabric name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FOR")
  if(TARGET PkgConfig::fabric)
    harness_bench(${name} ${arg_UNPARSED_ARGUMENTS} PkgConfig::fabric)
    add_dependencies(bench_${name} harness_ofi_plugin)
    foreach(program IN LISTS arg_FOR)
      add_dependencies(bench_${program} bench_${name})
    endforeach()
  endif()
endfunction()

# harness_plugin(<name> <subfolder> DEPENDS harness folders … PRIVATE libraries …): <build>/lib/harness/
# libharness_<name>.so from the .cpp files below the subfolder, loaded on demand and installed in the folder
# of the libraries. What it links of ours is inside it and seen by nobody else: it exports what its sources
# say.
function(harness_plugin name subfolder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "DEPENDS;PRIVATE")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${subfolder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/${subfolder}/mock/")  # what stands in for its libraries in tests
  add_library(harness_${name}_plugin MODULE ${sources})
  target_link_libraries(harness_${name}_plugin PRIVATE ${arg_DEPENDS} ${arg_PRIVATE})
  target_link_options(harness_${name}_plugin PRIVATE -Wl,--exclude-libs,ALL)
  set_target_properties(harness_${name}_plugin PROPERTIES OUTPUT_NAME harness_${name}
    CXX_VISIBILITY_PRESET hidden LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/harness)
  add_dependencies(programs harness_${name}_plugin)
  install(TARGETS harness_${name}_plugin
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/harness COMPONENT runtime)
endfunction()
