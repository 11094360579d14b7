# Debian 12 packages only; docs/dependencies.md has a sentence on why each is here.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json context)
find_package(SQLite3 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_path(MARIADB_INCLUDE_DIR mysql.h PATH_SUFFIXES mariadb REQUIRED)
find_library(MARIADB_LIBRARY mariadb REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(JEMALLOC_LIBRARY jemalloc)
# The program only: TLS, and the hashes of passwords.
find_package(OpenSSL 3.0 REQUIRED)
# The program only: scripts.
find_path(LUAJIT_INCLUDE_DIR luajit.h PATH_SUFFIXES luajit-2.1 REQUIRED)
find_library(LUAJIT_LIBRARY luajit-5.1 REQUIRED)
find_library(LUA_CJSON_LIBRARY lua5.1-cjson REQUIRED)
# The program only: traces of `forebay simulate`.
find_path(ZSTD_INCLUDE_DIR zstd.h REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
