# WinnowInstall.cmake - what `cmake --install` puts where, beside the command and the plugins (which install themselves):
# the SDK (headers, toolkit, CMake package, pkg-config files) and the data that specs name (pebble, configs).

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/winnow)
set_target_properties(winnow-sdk PROPERTIES EXPORT_NAME sdk)
set_target_properties(winnow-nn PROPERTIES EXPORT_NAME nn)
install(TARGETS winnow-sdk winnow-nn EXPORT winnow-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT winnow-targets NAMESPACE winnow:: DESTINATION ${package_dir})
configure_package_config_file(sdk/cmake/winnow-config.cmake.in ${CMAKE_BINARY_DIR}/winnow-config.cmake
                              INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/winnow-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/winnow-config.cmake ${CMAKE_BINARY_DIR}/winnow-config-version.cmake
        DESTINATION ${package_dir})

foreach(pc winnow-sdk winnow-nn)
  configure_file(sdk/cmake/${pc}.pc.in ${CMAKE_BINARY_DIR}/${pc}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

install(DIRECTORY sdk/include/winnow DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY sdk/nn/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/winnow-nn FILES_MATCHING PATTERN "*.h")

set(data_dir ${CMAKE_INSTALL_DATADIR}/winnow)
install(DIRECTORY examples/pebble DESTINATION ${data_dir}/models PATTERN train EXCLUDE)
install(DIRECTORY configs sdk/template DESTINATION ${data_dir})
install(DIRECTORY sdk/python/winnow_worker DESTINATION ${data_dir}/python PATTERN __pycache__ EXCLUDE)
