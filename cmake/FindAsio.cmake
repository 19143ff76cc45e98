# Finds standalone Asio, which ships no CMake package of its own: Asio_FOUND, Asio_VERSION, Asio::asio.
# -DAsio_ROOT=DIR looks in DIR/include before anywhere else.
include(FindPackageHandleStandardArgs)

find_package(Threads QUIET)
find_path(Asio_INCLUDE_DIR asio.hpp)
mark_as_advanced(Asio_INCLUDE_DIR)

# One number in the header, 102201 for 1.22.1.
unset(Asio_VERSION)
if(EXISTS "${Asio_INCLUDE_DIR}/asio/version.hpp")
  file(STRINGS "${Asio_INCLUDE_DIR}/asio/version.hpp" Asio_VERSION REGEX "^#define ASIO_VERSION [0-9]+")
  string(REGEX REPLACE "^#define ASIO_VERSION ([0-9]+).*" "\\1" Asio_VERSION "${Asio_VERSION}")
  math(EXPR major "${Asio_VERSION} / 100000")
  math(EXPR minor "${Asio_VERSION} / 100 % 1000")
  math(EXPR patch "${Asio_VERSION} % 100")
  set(Asio_VERSION ${major}.${minor}.${patch})
endif()

find_package_handle_standard_args(Asio REQUIRED_VARS Asio_INCLUDE_DIR Threads_FOUND VERSION_VAR Asio_VERSION)

if(Asio_FOUND AND NOT TARGET Asio::asio)
  add_library(Asio::asio INTERFACE IMPORTED)
  target_include_directories(Asio::asio INTERFACE "${Asio_INCLUDE_DIR}")
  target_compile_definitions(Asio::asio INTERFACE ASIO_STANDALONE)
  target_link_libraries(Asio::asio INTERFACE Threads::Threads)
  # Before 1.26 Asio does not see that Clang has coroutines.
  if(Asio_VERSION VERSION_LESS 1.26)
    target_compile_definitions(Asio::asio INTERFACE $<$<CXX_COMPILER_ID:Clang,AppleClang>:ASIO_HAS_CO_AWAIT=1>)
  endif()
endif()
