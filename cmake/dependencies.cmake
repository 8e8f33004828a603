# Looks up every library and program that the build needs, and says in one message which are missing.
find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)

set(missing)
if(NOT PkgConfig_FOUND)
  list(APPEND missing pkg-config)
endif()

# The imported target PkgConfig::NAME.
macro(connectordb_library name module)
  if(PkgConfig_FOUND)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
    if(NOT ${name}_FOUND)
      list(APPEND missing ${module})
    endif()
  endif()
endmacro()

connectordb_library(CRYPTO libcrypto)
connectordb_library(SSL libssl)
connectordb_library(CURL libcurl)
connectordb_library(JANSSON jansson)
connectordb_library(MSGPACK msgpack)
connectordb_library(PCRE2 libpcre2-8)
connectordb_library(SQLITE sqlite3)
connectordb_library(URING liburing)
connectordb_library(XCRYPT libxcrypt)
connectordb_library(XXHASH libxxhash)
connectordb_library(ZLIB zlib)
connectordb_library(ZSTD libzstd)
find_library(CIVETWEB_LIBRARY civetweb) # has no pkg-config file
find_path(CIVETWEB_INCLUDE civetweb.h)
if(NOT CIVETWEB_LIBRARY OR NOT CIVETWEB_INCLUDE)
  list(APPEND missing civetweb)
endif()
if(missing)
  list(JOIN missing ", " missing)
  message(FATAL_ERROR "Missing: ${missing}.\nThis installs everything that the build needs (Debian 12):\n"
    "  ./tools/install-dependencies build")
endif()

# Tests: ON needs what they need; AUTO builds them when it is there, decided anew at each configuration.
set(CONNECTORDB_TESTS AUTO CACHE STRING
  "Build tests, fuzz targets and benches: ON, OFF, or AUTO (if cmocka and python3 are installed)")
set_property(CACHE CONNECTORDB_TESTS PROPERTY STRINGS AUTO ON OFF)
set(CONNECTORDB_BUILD_TESTS ${CONNECTORDB_TESTS})
if(CONNECTORDB_TESTS)
  connectordb_library(CMOCKA cmocka)
  find_program(PYTHON3 python3)
  if(NOT PYTHON3)
    list(APPEND missing python3)
  endif()
  list(JOIN missing ", " missing)
  if(CONNECTORDB_TESTS STREQUAL "AUTO" AND missing)
    set(CONNECTORDB_BUILD_TESTS OFF)
    message(STATUS "Tests are not built: ${missing} missing. ./tools/install-dependencies test installs it.")
  elseif(missing)
    message(FATAL_ERROR "Missing for the tests: ${missing}.\n"
      "This installs everything that the tests need (Debian 12):\n"
      "  ./tools/install-dependencies test\nWithout tests: cmake -DCONNECTORDB_TESTS=OFF ...")
  endif()
endif()
unset(missing)
