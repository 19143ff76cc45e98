# What parley builds on: the installed package where there is one, else its source at a pinned commit.
# Only declared here; who needs one says FetchContent_MakeAvailable. (SYSTEM comes first because CMake 3.25
# takes a word after the commit for a part of it.)
include(FetchContent)

FetchContent_Declare(Asio
  GIT_REPOSITORY https://github.com/chriskohlhoff/asio.git
  GIT_TAG 12e0ce9e0500bf0f247dbd1ae894272656456079 # asio-1-30-2
  FIND_PACKAGE_ARGS 1.22.1 MODULE)
FetchContent_Declare(CLI11 SYSTEM
  GIT_REPOSITORY https://github.com/CLIUtils/CLI11.git
  GIT_TAG 6c7b07a878ad834957b98d0f9ce1dbe0cb204fc9 # v2.4.2
  FIND_PACKAGE_ARGS 2.1 CONFIG)
FetchContent_Declare(nlohmann_json SYSTEM
  GIT_REPOSITORY https://github.com/nlohmann/json.git
  GIT_TAG 9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03 # v3.11.3
  FIND_PACKAGE_ARGS 3.11 CONFIG)
FetchContent_Declare(Catch2 SYSTEM
  GIT_REPOSITORY https://github.com/catchorg/Catch2.git
  GIT_TAG fa43b77429ba76c462b1898d6cd2f2d7a9416b14 # v3.7.1
  FIND_PACKAGE_ARGS 3.3 CONFIG)

# The targets found must be known to a project that holds parley in a subdirectory. (Set above the
# declarations, this trips over a fault of FetchContent in CMake 3.25.)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
FetchContent_MakeAvailable(Asio)
if(NOT TARGET Asio::asio) # its source has no CMakeLists.txt, so it is found where it was put
  set(Asio_INCLUDE_DIR "${asio_SOURCE_DIR}/asio/include" CACHE PATH "" FORCE)
  find_package(Asio 1.22.1 MODULE REQUIRED)
endif()
