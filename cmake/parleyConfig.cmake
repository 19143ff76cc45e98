include(CMakeFindDependencyMacro)
# Asio ships no CMake package, so parley brings its own way to find it.
list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")
find_dependency(Asio 1.22.1)
list(POP_FRONT CMAKE_MODULE_PATH)
include("${CMAKE_CURRENT_LIST_DIR}/parleyTargets.cmake")
