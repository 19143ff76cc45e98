# Warnings for parley's own programs and tests. Never linked by the library: a user's warnings are the user's.
option(PARLEY_WERROR "Warnings are errors" OFF)

add_library(parley_warnings INTERFACE)
target_compile_options(parley_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow
  # With TSan GCC says of each fence in Asio that TSan does not follow it, though it stands in a system header.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>
  # GCC 12 sees overlaps within std::string's insert, where there are none (its bug 105651). The library itself is
  # compiled with that warning by ci/strict.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  # Clang blames a caller of stable_sort for what libstdc++ 12 does inside; GCC does not.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  $<$<BOOL:${PARLEY_WERROR}>:-Werror>)
