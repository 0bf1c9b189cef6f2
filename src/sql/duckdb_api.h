// DuckDB's C API, loaded when SQL is first needed: opening libduckdb.so costs about 8 ms and 40 MB, which `cp` and
// `--help` do not pay.
#pragma once

#include <utility>

#include <duckdb.h>

#include "base/result.h"

namespace sluice::sql {

// Pointers to the functions in use, named as in duckdb.h without "duckdb_". Never unloaded: DuckDB keeps thread-locals.
struct DuckApi {
  // database
  decltype(&duckdb_open_ext) open_ext = nullptr;
  decltype(&duckdb_close) close = nullptr;
  decltype(&duckdb_connect) connect = nullptr;
  decltype(&duckdb_disconnect) disconnect = nullptr;
  decltype(&duckdb_interrupt) interrupt = nullptr;
  decltype(&duckdb_create_config) create_config = nullptr;
  decltype(&duckdb_set_config) set_config = nullptr;
  decltype(&duckdb_destroy_config) destroy_config = nullptr;
  decltype(&duckdb_free) free = nullptr;
  decltype(&duckdb_vector_size) vector_size = nullptr;
  // queries
  decltype(&duckdb_query) query = nullptr;
  decltype(&duckdb_prepare) prepare = nullptr;
  decltype(&duckdb_destroy_prepare) destroy_prepare = nullptr;
  decltype(&duckdb_prepare_error) prepare_error = nullptr;
  decltype(&duckdb_prepared_statement_column_count) prepared_statement_column_count = nullptr;
  decltype(&duckdb_prepared_statement_column_name) prepared_statement_column_name = nullptr;
  decltype(&duckdb_prepared_statement_column_logical_type) prepared_statement_column_logical_type = nullptr;
  decltype(&duckdb_pending_prepared_streaming) pending_prepared_streaming = nullptr;
  decltype(&duckdb_execute_pending) execute_pending = nullptr;
  decltype(&duckdb_pending_error) pending_error = nullptr;
  decltype(&duckdb_destroy_pending) destroy_pending = nullptr;
  decltype(&duckdb_fetch_chunk) fetch_chunk = nullptr;
  decltype(&duckdb_result_error) result_error = nullptr;
  decltype(&duckdb_destroy_result) destroy_result = nullptr;
  // chunks and vectors
  decltype(&duckdb_destroy_data_chunk) destroy_data_chunk = nullptr;
  decltype(&duckdb_data_chunk_get_size) data_chunk_get_size = nullptr;
  decltype(&duckdb_data_chunk_set_size) data_chunk_set_size = nullptr;
  decltype(&duckdb_data_chunk_get_vector) data_chunk_get_vector = nullptr;
  decltype(&duckdb_vector_get_data) vector_get_data = nullptr;
  decltype(&duckdb_vector_get_validity) vector_get_validity = nullptr;
  decltype(&duckdb_vector_ensure_validity_writable) vector_ensure_validity_writable = nullptr;
  decltype(&duckdb_vector_get_column_type) vector_get_column_type = nullptr;
  decltype(&duckdb_vector_reference_vector) vector_reference_vector = nullptr;
  // types and Arrow
  decltype(&duckdb_destroy_logical_type) destroy_logical_type = nullptr;
  decltype(&duckdb_get_type_id) get_type_id = nullptr;
  decltype(&duckdb_list_type_child_type) list_type_child_type = nullptr;
  decltype(&duckdb_array_type_child_type) array_type_child_type = nullptr;
  decltype(&duckdb_map_type_key_type) map_type_key_type = nullptr;
  decltype(&duckdb_map_type_value_type) map_type_value_type = nullptr;
  decltype(&duckdb_struct_type_child_count) struct_type_child_count = nullptr;
  decltype(&duckdb_struct_type_child_type) struct_type_child_type = nullptr;
  decltype(&duckdb_union_type_member_count) union_type_member_count = nullptr;
  decltype(&duckdb_union_type_member_type) union_type_member_type = nullptr;
  decltype(&duckdb_connection_get_arrow_options) connection_get_arrow_options = nullptr;
  decltype(&duckdb_destroy_arrow_options) destroy_arrow_options = nullptr;
  decltype(&duckdb_to_arrow_schema) to_arrow_schema = nullptr;
  decltype(&duckdb_data_chunk_to_arrow) data_chunk_to_arrow = nullptr;
  decltype(&duckdb_schema_from_arrow) schema_from_arrow = nullptr;
  decltype(&duckdb_data_chunk_from_arrow) data_chunk_from_arrow = nullptr;
  decltype(&duckdb_destroy_arrow_converted_schema) destroy_arrow_converted_schema = nullptr;
  decltype(&duckdb_error_data_message) error_data_message = nullptr;
  decltype(&duckdb_destroy_error_data) destroy_error_data = nullptr;
  decltype(&duckdb_create_logical_type) create_logical_type = nullptr;
  decltype(&duckdb_get_int64) get_int64 = nullptr;
  decltype(&duckdb_destroy_value) destroy_value = nullptr;
  // table functions
  decltype(&duckdb_create_table_function) create_table_function = nullptr;
  decltype(&duckdb_destroy_table_function) destroy_table_function = nullptr;
  decltype(&duckdb_table_function_set_name) table_function_set_name = nullptr;
  decltype(&duckdb_table_function_add_parameter) table_function_add_parameter = nullptr;
  decltype(&duckdb_table_function_set_extra_info) table_function_set_extra_info = nullptr;
  decltype(&duckdb_table_function_set_bind) table_function_set_bind = nullptr;
  decltype(&duckdb_table_function_set_init) table_function_set_init = nullptr;
  decltype(&duckdb_table_function_set_function) table_function_set_function = nullptr;
  decltype(&duckdb_table_function_supports_projection_pushdown) table_function_supports_projection_pushdown = nullptr;
  decltype(&duckdb_register_table_function) register_table_function = nullptr;
  decltype(&duckdb_bind_get_extra_info) bind_get_extra_info = nullptr;
  decltype(&duckdb_bind_add_result_column) bind_add_result_column = nullptr;
  decltype(&duckdb_bind_get_parameter) bind_get_parameter = nullptr;
  decltype(&duckdb_bind_set_bind_data) bind_set_bind_data = nullptr;
  decltype(&duckdb_bind_set_error) bind_set_error = nullptr;
  decltype(&duckdb_init_get_bind_data) init_get_bind_data = nullptr;
  decltype(&duckdb_init_set_init_data) init_set_init_data = nullptr;
  decltype(&duckdb_init_get_column_count) init_get_column_count = nullptr;
  decltype(&duckdb_init_get_column_index) init_get_column_index = nullptr;
  decltype(&duckdb_init_set_error) init_set_error = nullptr;
  decltype(&duckdb_init_set_max_threads) init_set_max_threads = nullptr;
  decltype(&duckdb_function_get_bind_data) function_get_bind_data = nullptr;
  decltype(&duckdb_function_get_init_data) function_get_init_data = nullptr;
  decltype(&duckdb_function_set_error) function_set_error = nullptr;
};

// The library is found through the executable's RUNPATH or LD_LIBRARY_PATH. The table is as global as the library it
// points into.
Result<const DuckApi*> load_duckdb();
// For callbacks from DuckDB, which get handles only: loaded by then.
const DuckApi& loaded_duckdb();

// Owns one of DuckDB's handles; destroyed by the C function it was made with.
template <typename T>
class Owned {
 public:
  Owned() = default;
  explicit Owned(void (*destroy)(T*)) : destroy_(destroy) {}
  Owned(T handle, void (*destroy)(T*)) : handle_(handle), destroy_(destroy) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, T{})), destroy_(other.destroy_) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(destroy_, other.destroy_);
    return *this;
  }
  ~Owned() {
    if (destroy_ != nullptr) destroy_(&handle_);
  }
  [[nodiscard]] T get() const { return handle_; }
  T* out() { return &handle_; }

 private:
  T handle_{};
  void (*destroy_)(T*) = nullptr;
};

}  // namespace sluice::sql
