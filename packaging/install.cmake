# What `cmake --install` gives: the headers, libforebay.a with its CMake package and its pkg-config file, the program and
# its service. The archive's dependencies are Debian packages, found again on the machine that links it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

function(forebay_install)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/forebay)

  install(TARGETS forebay EXPORT forebay ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/forebay DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
  install(EXPORT forebay NAMESPACE forebay:: FILE forebayTargets.cmake DESTINATION ${package_dir})
  configure_package_config_file(${PROJECT_SOURCE_DIR}/packaging/forebayConfig.cmake.in
    ${PROJECT_BINARY_DIR}/forebayConfig.cmake INSTALL_DESTINATION ${package_dir})
  # Before 1.0 a minor version may change the interface.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/forebayConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/forebayConfig.cmake ${PROJECT_BINARY_DIR}/forebayConfigVersion.cmake
    DESTINATION ${package_dir})

  # Relative, so that the prefix chosen by `cmake --install --prefix` is the one that pkg-config reports.
  file(RELATIVE_PATH FOREBAY_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  configure_file(${PROJECT_SOURCE_DIR}/packaging/forebay.pc.in ${PROJECT_BINARY_DIR}/forebay.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/forebay.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

  install(TARGETS forebay_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  configure_file(${PROJECT_SOURCE_DIR}/packaging/forebay.service.in ${PROJECT_BINARY_DIR}/forebay.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/forebay.service DESTINATION lib/systemd/system)
endfunction()
