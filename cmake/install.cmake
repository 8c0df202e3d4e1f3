# SPDX-License-Identifier: Apache-2.0
# `cmake --install`: headers, static libraries, find_package(harness) and pkg-config. tests/install builds a
# consumer by both ways. Filled from the components that exist.
include(CMakePackageConfigHelpers)

function(harness_install)
  get_property(components GLOBAL PROPERTY HARNESS_COMPONENTS)
  add_library(harness_all INTERFACE)
  add_library(harness::all ALIAS harness_all)
  list(TRANSFORM components PREPEND harness_ OUTPUT_VARIABLE targets)
  target_link_libraries(harness_all INTERFACE ${targets})
  set_target_properties(harness_all PROPERTIES EXPORT_NAME all)

  install(TARGETS ${targets} harness_all EXPORT harness-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILE_SET led_headers DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
  set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/harness)
  install(EXPORT harness-targets NAMESPACE harness:: DESTINATION ${config_dir} COMPONENT development)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/harness-config.cmake.in
    ${PROJECT_BINARY_DIR}/harness-config.cmake INSTALL_DESTINATION ${config_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/harness-config-version.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/harness-config.cmake ${PROJECT_BINARY_DIR}/harness-config-version.cmake
    DESTINATION ${config_dir} COMPONENT development)

  # A static library comes before those it needs: the components were added from the bottom up.
  get_property(HARNESS_PC_LIBS GLOBAL PROPERTY HARNESS_OPTIONAL_LIBS)
  foreach(component IN LISTS components)
    get_target_property(kind harness_${component} TYPE)
    if(kind STREQUAL "STATIC_LIBRARY")
      string(PREPEND HARNESS_PC_LIBS "-lharness_${component} ")
    endif()
  endforeach()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/harness.pc.in ${PROJECT_BINARY_DIR}/harness.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/harness.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endfunction()
