#include "sql/input.h"

#include <cstring>

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include "batch/arrow_result.h"
#include "sql/lexer.h"

namespace sluice::sql {
namespace {

constexpr const char* kFunction = "sluice_input";

InputColumn::Path path_of(const arrow::DataType& type, int* width) {
  using arrow::Type;
  switch (type.id()) {
    case Type::BOOL:
      return InputColumn::Path::boolean;
    case Type::STRING:
    case Type::BINARY:
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return InputColumn::Path::text;
    case Type::INT8:
    case Type::UINT8:
      *width = 1;
      return InputColumn::Path::copy;
    case Type::INT16:
    case Type::UINT16:
      *width = 2;
      return InputColumn::Path::copy;
    case Type::INT32:
    case Type::UINT32:
    case Type::FLOAT:
    case Type::DATE32:
      *width = 4;
      return InputColumn::Path::copy;
    case Type::INT64:
    case Type::UINT64:
    case Type::DOUBLE:
      *width = 8;
      return InputColumn::Path::copy;
    case Type::TIMESTAMP: {
      // TIMESTAMP WITH TIME ZONE is microseconds in DuckDB; the others have a type per unit.
      const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
      if (!timestamp.timezone().empty() && timestamp.unit() != arrow::TimeUnit::MICRO)
        return InputColumn::Path::convert;
      *width = 8;
      return InputColumn::Path::copy;
    }
    default:
      return InputColumn::Path::convert;
  }
}

// One running scan of an input.
struct Scan {
  Input* input = nullptr;
  std::vector<size_t> columns;  // of the input, in the order DuckDB wants them
  BatchPtr batch;
  BatchPtr previous;  // vectors of the last chunk may still point into it
  int64_t row = 0;
};

struct Bound {
  Input* input = nullptr;
};

template <typename T>
void destroy_as(void* pointer) {
  delete static_cast<T*>(pointer);
}

void bind_input(duckdb_bind_info info) {
  const auto& api = loaded_duckdb();
  auto* engine = static_cast<Engine*>(api.bind_get_extra_info(info));
  Owned<duckdb_value> number(api.bind_get_parameter(info, 0), api.destroy_value);
  Input* input = engine->find(api.get_int64(number.get()));
  if (input == nullptr) return api.bind_set_error(info, "sluice_input: no such input");
  for (const auto& column : input->columns()) {
    api.bind_add_result_column(info, column.name.c_str(), column.duck_type.get());
  }
  api.bind_set_bind_data(info, new Input*(input), destroy_as<Input*>);
}

void init_scan(duckdb_init_info info) {
  const auto& api = loaded_duckdb();
  auto scan = std::make_unique<Scan>();
  scan->input = *static_cast<Input**>(api.init_get_bind_data(info));
  idx_t count = api.init_get_column_count(info);
  for (idx_t i = 0; i < count; ++i) scan->columns.push_back(api.init_get_column_index(info, i));
  api.init_set_max_threads(info, 1);
  auto begun = scan->input->begin_scan();
  if (!begun.ok()) {
    api.init_set_error(info, begun.error().what.c_str());
    scan->input->fail(std::move(begun).error());
    return;
  }
  api.init_set_init_data(info, scan.release(), destroy_as<Scan>);
}

Result<int64_t> fill_chunk(Scan& scan, duckdb_data_chunk chunk) {
  const auto& api = loaded_duckdb();
  while (scan.batch == nullptr || scan.row == scan.batch->num_rows()) {
    scan.previous = std::move(scan.batch);
    scan.batch = TRY(scan.input->next());
    scan.row = 0;
    if (scan.batch == nullptr) return 0;
  }
  auto rows = std::min<int64_t>(static_cast<int64_t>(api.vector_size()), scan.batch->num_rows() - scan.row);
  for (size_t i = 0; i < scan.columns.size(); ++i) {
    size_t column = scan.columns[i];
    if (column >= scan.input->columns().size()) continue;  // the row id count(*) asks for: its values are not looked at
    TRY(fill_vector(*scan.input, scan.input->columns()[column], *scan.batch->column(static_cast<int>(column)), scan.row,
                    rows, api.data_chunk_get_vector(chunk, i)));
  }
  scan.row += rows;
  return rows;
}

void scan_input(duckdb_function_info info, duckdb_data_chunk chunk) {
  const auto& api = loaded_duckdb();
  auto& scan = *static_cast<Scan*>(api.function_get_init_data(info));
  auto rows = fill_chunk(scan, chunk);
  if (!rows.ok()) {
    api.function_set_error(info, rows.error().message().c_str());
    scan.input->fail(std::move(rows).error());
    api.data_chunk_set_size(chunk, 0);
    return;
  }
  api.data_chunk_set_size(chunk, static_cast<idx_t>(*rows));
}

void copy_validity(const arrow::Array& array, int64_t from, int64_t rows, duckdb_vector vector) {
  const auto& api = loaded_duckdb();
  if (array.null_count() == 0) return;
  api.vector_ensure_validity_writable(vector);
  uint64_t* valid = api.vector_get_validity(vector);
  if (array.null_bitmap_data() == nullptr) {  // an array of type null
    std::memset(valid, 0, static_cast<size_t>((rows + 63) / 64) * 8);
    return;
  }
  arrow::internal::CopyBitmap(array.null_bitmap_data(), array.offset() + from, rows, reinterpret_cast<uint8_t*>(valid),
                              0);
}

void fill_booleans(const arrow::Array& array, int64_t from, int64_t rows, void* out) {
  const uint8_t* bits = array.data()->buffers[1]->data();
  auto* values = static_cast<uint8_t*>(out);
  int64_t begin = array.offset() + from;
  for (int64_t i = 0; i < rows; ++i) values[i] = arrow::bit_util::GetBit(bits, begin + i) ? 1 : 0;
}

// duckdb_string_t: up to 12 bytes inside, else length, the first 4 bytes and a pointer.
template <typename Offset>
void fill_texts(const arrow::Array& array, int64_t from, int64_t rows, void* out) {
  const auto& data = *array.data();
  const auto* offsets = data.GetValues<Offset>(1) + from;
  const char* bytes = data.buffers[2] != nullptr ? reinterpret_cast<const char*>(data.buffers[2]->data()) : "";
  auto* values = static_cast<duckdb_string_t*>(out);
  for (int64_t i = 0; i < rows; ++i) {
    const char* text = bytes + offsets[i];
    auto length = static_cast<uint32_t>(offsets[i + 1] - offsets[i]);
    auto& value = values[i].value;
    if (length <= 12) {
      std::memset(&value, 0, sizeof(value));
      value.inlined.length = length;
      std::memcpy(value.inlined.inlined, text, length);
    } else {
      value.pointer.length = length;
      std::memcpy(value.pointer.prefix, text, 4);
      value.pointer.ptr = const_cast<char*>(text);
    }
  }
}

Error duck_error(duckdb_error_data data, const InputColumn& column) {
  Owned<duckdb_error_data> owned(data, loaded_duckdb().destroy_error_data);
  auto failure = parse_duck_error(loaded_duckdb().error_data_message(data));
  return user_error("column '{}' of type {} cannot be used in SQL: {}", column.name, type_name(*column.type),
                    failure.message);
}

// A struct array of one child, as duckdb_data_chunk_from_arrow wants it. It keeps the whole array alive through the
// first column only, so every column travels alone.
struct OneColumn {
  ArrowArray array{};
  ArrowArray child{};
  ArrowArray* children[1] = {&child};
  const void* buffers[1] = {nullptr};
};

void release_one_column(ArrowArray* array) {
  auto* owner = static_cast<OneColumn*>(array->private_data);
  if (owner->child.release != nullptr) owner->child.release(&owner->child);
  array->release = nullptr;
  delete owner;
}

Result<Owned<duckdb_data_chunk>> to_chunk(duckdb_connection connection, const InputColumn& column,
                                          const arrow::Array& values) {
  const auto& api = loaded_duckdb();
  auto owner = std::make_unique<OneColumn>();
  TRY(to_result(arrow::ExportArray(values, &owner->child)));
  auto* one = owner.release();
  one->array.length = values.length();
  one->array.n_buffers = 1;
  one->array.n_children = 1;
  one->array.buffers = one->buffers;
  one->array.children = one->children;
  one->array.release = release_one_column;
  one->array.private_data = one;
  ArrowArray array = one->array;
  Owned<duckdb_data_chunk> chunk(api.destroy_data_chunk);
  auto error = api.data_chunk_from_arrow(connection, &array, column.converted.get(), chunk.out());
  if (array.release != nullptr) array.release(&array);
  if (error != nullptr) return duck_error(error, column);
  return chunk;
}

}  // namespace

Result<void> fill_vector(const Input& input, const InputColumn& column, const arrow::Array& array, int64_t from,
                         int64_t rows, duckdb_vector vector) {
  const auto& api = loaded_duckdb();
  if (column.path == InputColumn::Path::convert) {
    auto chunk = TRY(to_chunk(input.connection(), column, *array.Slice(from, rows)));
    api.vector_reference_vector(vector, api.data_chunk_get_vector(chunk.get(), 0));
    return {};
  }
  copy_validity(array, from, rows, vector);
  void* out = api.vector_get_data(vector);
  bool large = column.type->id() == arrow::Type::LARGE_STRING || column.type->id() == arrow::Type::LARGE_BINARY;
  if (column.path == InputColumn::Path::boolean) {
    fill_booleans(array, from, rows, out);
  } else if (column.path == InputColumn::Path::copy) {
    const uint8_t* values = array.data()->buffers[1]->data() + (array.offset() + from) * column.width;
    std::memcpy(out, values, static_cast<size_t>(rows * column.width));
  } else if (large) {
    fill_texts<int64_t>(array, from, rows, out);
  } else {
    fill_texts<int32_t>(array, from, rows, out);
  }
  return {};
}

Result<std::unique_ptr<Input>> Input::make(Connection& connection, const SchemaPtr& schema) {
  std::unique_ptr<Input> input(new Input(connection));
  for (const auto& field : schema->fields()) {
    for (const auto& earlier : input->columns_) {
      if (!equals_ignoring_case(earlier.name, field->name())) continue;
      return user_error(
          "columns '{}' and '{}' differ by case only, which SQL expressions cannot tell apart; pick columns by name or "
          "with *, without expressions",
          earlier.name, field->name());
    }
    TRY(input->add_column(*field));
  }
  input->id_ = input->engine_.add(input.get());
  return input;
}

Input::~Input() { engine_.remove(id_); }

Result<void> Input::begin_scan() {
  if (!once_.empty() && scanned_) {
    return user_error(
        "{} is read more than once by this query; write WITH t AS MATERIALIZED (SELECT … FROM {}) and read t", once_,
        once_);
  }
  scanned_ = true;
  return {};
}

Result<void> Input::add_column(const arrow::Field& field) {
  InputColumn column;
  column.name = field.name();
  column.type = field.type();
  column.path = path_of(*field.type(), &column.width);
  column.converted = Owned<duckdb_arrow_converted_schema>(api().destroy_arrow_converted_schema);
  ArrowSchema schema{};
  TRY(to_result(arrow::ExportSchema(*arrow::schema({arrow::field(field.name(), field.type())}), &schema)));
  auto error = api().schema_from_arrow(connection_, &schema, column.converted.out());
  if (schema.release != nullptr) schema.release(&schema);
  if (error != nullptr) return duck_error(error, column);
  // The type is not to be had from the converted schema itself; a chunk of no rows has it.
  auto none = TRY(to_result(arrow::MakeEmptyArray(field.type())));
  auto chunk = TRY(to_chunk(connection_, column, *none));
  column.duck_type = Owned<duckdb_logical_type>(
      api().vector_get_column_type(api().data_chunk_get_vector(chunk.get(), 0)), api().destroy_logical_type);
  columns_.push_back(std::move(column));
  return {};
}

Result<void> register_input_function(Connection& connection) {
  const auto& api = connection.api();
  Owned<duckdb_table_function> function(api.create_table_function(), api.destroy_table_function);
  Owned<duckdb_logical_type> number(api.create_logical_type(DUCKDB_TYPE_BIGINT), api.destroy_logical_type);
  api.table_function_set_name(function.get(), kFunction);
  api.table_function_add_parameter(function.get(), number.get());
  api.table_function_set_extra_info(function.get(), &connection.engine(), nullptr);
  api.table_function_set_bind(function.get(), bind_input);
  api.table_function_set_init(function.get(), init_scan);
  api.table_function_set_function(function.get(), scan_input);
  api.table_function_supports_projection_pushdown(function.get(), true);
  if (api.register_table_function(connection.handle(), function.get()) != DuckDBSuccess) {
    return bug("DuckDB refuses the table function {}", kFunction);
  }
  return {};
}

}  // namespace sluice::sql
