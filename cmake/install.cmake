# What find_package(parley) finds, under share/ because nothing of it depends on the machine.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/parley)
# While the version is 0.x, a change of the minor number may break a program.
write_basic_package_version_file(parleyConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(TARGETS parley EXPORT parleyTargets FILE_SET HEADERS)
install(EXPORT parleyTargets NAMESPACE parley:: DESTINATION ${package_dir})
install(FILES "${PROJECT_SOURCE_DIR}/cmake/parleyConfig.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindAsio.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/parleyConfigVersion.cmake"
        DESTINATION ${package_dir})

if(PARLEY_BUILD_APPS)
  foreach(program IN ITEMS server client)
    install(FILES "${PROJECT_SOURCE_DIR}/docs/parley.1" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 RENAME parley-${program}.1)
  endforeach()
endif()
