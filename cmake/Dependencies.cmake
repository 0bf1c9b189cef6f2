# Every third-party target, found where the distribution or tools/deps put it.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(ArrowWheel REQUIRED)   # Arrow::arrow, Arrow::compute, Arrow::parquet, Arrow::dataset, Arrow::acero, Arrow::s3
find_package(DuckDBHeaders REQUIRED)  # DuckDB::headers
find_package(fmt REQUIRED)          # fmt::fmt
find_package(simdjson REQUIRED)     # simdjson::simdjson
find_package(nlohmann_json REQUIRED)  # nlohmann_json::nlohmann_json
find_package(yaml-cpp REQUIRED)     # yaml-cpp
find_package(Boost 1.81 REQUIRED)   # Boost::headers
find_package(CURL REQUIRED)         # CURL::libcurl
find_package(SQLite3 REQUIRED)      # SQLite::SQLite3
find_package(OpenSSL REQUIRED)      # OpenSSL::SSL, OpenSSL::Crypto
find_package(ZLIB REQUIRED)         # ZLIB::ZLIB
find_package(BZip2 REQUIRED)        # BZip2::BZip2
find_package(GTest REQUIRED)        # GTest::gtest_main, GTest::gmock

pkg_check_modules(Zstd REQUIRED IMPORTED_TARGET GLOBAL libzstd)       # PkgConfig::Zstd
pkg_check_modules(Lz4 REQUIRED IMPORTED_TARGET GLOBAL liblz4)         # PkgConfig::Lz4
pkg_check_modules(Snappy REQUIRED IMPORTED_TARGET GLOBAL snappy)      # PkgConfig::Snappy
pkg_check_modules(Deflate REQUIRED IMPORTED_TARGET GLOBAL libdeflate) # PkgConfig::Deflate
pkg_check_modules(Pq REQUIRED IMPORTED_TARGET GLOBAL libpq)           # PkgConfig::Pq
pkg_check_modules(Lzma REQUIRED IMPORTED_TARGET GLOBAL liblzma)      # PkgConfig::Lzma

# librdkafka's headers only: kafka/api loads the library when it is first needed.
pkg_check_modules(Rdkafka REQUIRED rdkafka)
add_library(Rdkafka::headers INTERFACE IMPORTED GLOBAL)
target_include_directories(Rdkafka::headers INTERFACE ${Rdkafka_INCLUDE_DIRS})

# libprotobuf, statically: its shared library would cost every start of the program, and only its parser of .proto files
# is wanted.
find_library(SLUICE_PROTOBUF_ARCHIVE libprotobuf.a REQUIRED)
pkg_check_modules(Protobuf REQUIRED protobuf)
add_library(Protobuf::archive INTERFACE IMPORTED GLOBAL)
target_include_directories(Protobuf::archive INTERFACE ${Protobuf_INCLUDE_DIRS})
target_link_libraries(Protobuf::archive INTERFACE ${SLUICE_PROTOBUF_ARCHIVE} ZLIB::ZLIB)
