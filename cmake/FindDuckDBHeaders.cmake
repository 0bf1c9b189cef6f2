# DuckDB::headers. The library itself is opened with dlopen("libduckdb.so") when SQL needs it, so nothing links it;
# the executables carry its folder in their RUNPATH.
include(FindPackageHandleStandardArgs)
find_path(DuckDBHeaders_INCLUDE_DIR duckdb.h HINTS "${PROJECT_SOURCE_DIR}/.deps/duckdb")
find_package_handle_standard_args(DuckDBHeaders
  REASON_FAILURE_MESSAGE "run tools/deps (or make deps)" REQUIRED_VARS DuckDBHeaders_INCLUDE_DIR)
mark_as_advanced(DuckDBHeaders_INCLUDE_DIR)
add_library(DuckDB::headers INTERFACE IMPORTED GLOBAL)
set_target_properties(DuckDB::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${DuckDBHeaders_INCLUDE_DIR}")
