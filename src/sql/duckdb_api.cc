#include "sql/duckdb_api.h"

#include <dlfcn.h>

#include <atomic>
#include <mutex>

#include "base/symbols.h"

namespace sluice::sql {
namespace {

constexpr const char* kLibrary = "libduckdb.so";

std::mutex mutex;
DuckApi table;
std::atomic<bool> loaded{false};

void load_database(Symbols& load, DuckApi& api) {
  load(api.open_ext, "duckdb_open_ext");
  load(api.close, "duckdb_close");
  load(api.connect, "duckdb_connect");
  load(api.disconnect, "duckdb_disconnect");
  load(api.interrupt, "duckdb_interrupt");
  load(api.create_config, "duckdb_create_config");
  load(api.set_config, "duckdb_set_config");
  load(api.destroy_config, "duckdb_destroy_config");
  load(api.free, "duckdb_free");
  load(api.vector_size, "duckdb_vector_size");
}

void load_queries(Symbols& load, DuckApi& api) {
  load(api.query, "duckdb_query");
  load(api.prepare, "duckdb_prepare");
  load(api.destroy_prepare, "duckdb_destroy_prepare");
  load(api.prepare_error, "duckdb_prepare_error");
  load(api.prepared_statement_column_count, "duckdb_prepared_statement_column_count");
  load(api.prepared_statement_column_name, "duckdb_prepared_statement_column_name");
  load(api.prepared_statement_column_logical_type, "duckdb_prepared_statement_column_logical_type");
  load(api.pending_prepared_streaming, "duckdb_pending_prepared_streaming");
  load(api.execute_pending, "duckdb_execute_pending");
  load(api.pending_error, "duckdb_pending_error");
  load(api.destroy_pending, "duckdb_destroy_pending");
  load(api.fetch_chunk, "duckdb_fetch_chunk");
  load(api.result_error, "duckdb_result_error");
  load(api.destroy_result, "duckdb_destroy_result");
}

void load_chunks_and_vectors(Symbols& load, DuckApi& api) {
  load(api.destroy_data_chunk, "duckdb_destroy_data_chunk");
  load(api.data_chunk_get_size, "duckdb_data_chunk_get_size");
  load(api.data_chunk_set_size, "duckdb_data_chunk_set_size");
  load(api.data_chunk_get_vector, "duckdb_data_chunk_get_vector");
  load(api.vector_get_data, "duckdb_vector_get_data");
  load(api.vector_get_validity, "duckdb_vector_get_validity");
  load(api.vector_ensure_validity_writable, "duckdb_vector_ensure_validity_writable");
  load(api.vector_get_column_type, "duckdb_vector_get_column_type");
  load(api.vector_reference_vector, "duckdb_vector_reference_vector");
}

void load_types_and_arrow(Symbols& load, DuckApi& api) {
  load(api.destroy_logical_type, "duckdb_destroy_logical_type");
  load(api.get_type_id, "duckdb_get_type_id");
  load(api.list_type_child_type, "duckdb_list_type_child_type");
  load(api.array_type_child_type, "duckdb_array_type_child_type");
  load(api.map_type_key_type, "duckdb_map_type_key_type");
  load(api.map_type_value_type, "duckdb_map_type_value_type");
  load(api.struct_type_child_count, "duckdb_struct_type_child_count");
  load(api.struct_type_child_type, "duckdb_struct_type_child_type");
  load(api.union_type_member_count, "duckdb_union_type_member_count");
  load(api.union_type_member_type, "duckdb_union_type_member_type");
  load(api.connection_get_arrow_options, "duckdb_connection_get_arrow_options");
  load(api.destroy_arrow_options, "duckdb_destroy_arrow_options");
  load(api.to_arrow_schema, "duckdb_to_arrow_schema");
  load(api.data_chunk_to_arrow, "duckdb_data_chunk_to_arrow");
  load(api.schema_from_arrow, "duckdb_schema_from_arrow");
  load(api.data_chunk_from_arrow, "duckdb_data_chunk_from_arrow");
  load(api.destroy_arrow_converted_schema, "duckdb_destroy_arrow_converted_schema");
  load(api.error_data_message, "duckdb_error_data_message");
  load(api.destroy_error_data, "duckdb_destroy_error_data");
  load(api.create_logical_type, "duckdb_create_logical_type");
  load(api.get_int64, "duckdb_get_int64");
  load(api.destroy_value, "duckdb_destroy_value");
}

void load_table_functions(Symbols& load, DuckApi& api) {
  load(api.create_table_function, "duckdb_create_table_function");
  load(api.destroy_table_function, "duckdb_destroy_table_function");
  load(api.table_function_set_name, "duckdb_table_function_set_name");
  load(api.table_function_add_parameter, "duckdb_table_function_add_parameter");
  load(api.table_function_set_extra_info, "duckdb_table_function_set_extra_info");
  load(api.table_function_set_bind, "duckdb_table_function_set_bind");
  load(api.table_function_set_init, "duckdb_table_function_set_init");
  load(api.table_function_set_function, "duckdb_table_function_set_function");
  load(api.table_function_supports_projection_pushdown, "duckdb_table_function_supports_projection_pushdown");
  load(api.register_table_function, "duckdb_register_table_function");
  load(api.bind_get_extra_info, "duckdb_bind_get_extra_info");
  load(api.bind_add_result_column, "duckdb_bind_add_result_column");
  load(api.bind_get_parameter, "duckdb_bind_get_parameter");
  load(api.bind_set_bind_data, "duckdb_bind_set_bind_data");
  load(api.bind_set_error, "duckdb_bind_set_error");
  load(api.init_get_bind_data, "duckdb_init_get_bind_data");
  load(api.init_set_init_data, "duckdb_init_set_init_data");
  load(api.init_get_column_count, "duckdb_init_get_column_count");
  load(api.init_get_column_index, "duckdb_init_get_column_index");
  load(api.init_set_error, "duckdb_init_set_error");
  load(api.init_set_max_threads, "duckdb_init_set_max_threads");
  load(api.function_get_bind_data, "duckdb_function_get_bind_data");
  load(api.function_get_init_data, "duckdb_function_get_init_data");
  load(api.function_set_error, "duckdb_function_set_error");
}

}  // namespace

Result<const DuckApi*> load_duckdb() {
  std::lock_guard lock(mutex);
  if (loaded) return &table;
  void* library = dlopen(kLibrary, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    return refused("SQL needs DuckDB, which cannot be loaded ({}); run `make deps`, or put {} on LD_LIBRARY_PATH",
                   dlerror(), kLibrary);
  }
  Symbols load(library);
  load_database(load, table);
  load_queries(load, table);
  load_chunks_and_vectors(load, table);
  load_types_and_arrow(load, table);
  load_table_functions(load, table);
  if (load.missing() != nullptr) {
    return refused("{} lacks {}: DuckDB 1.5.6 or newer is needed; run `make deps`", kLibrary, load.missing());
  }
  loaded = true;
  return &table;
}

const DuckApi& loaded_duckdb() {
  CHECK(loaded);
  return table;
}

}  // namespace sluice::sql
