#include "sql/lane_query.h"

#include <algorithm>

#include <arrow/api.h>

#include "batch/arrow_result.h"
#include "batch/change.h"
#include "sql/names.h"

namespace sluice::sql {
namespace {

// Streaming: a materialized result would copy every row twice.
Result<Owned<duckdb_result>> start(const DuckApi& api, duckdb_prepared_statement statement, std::string* complaint) {
  Owned<duckdb_pending_result> pending(api.destroy_pending);
  Owned<duckdb_result> result(api.destroy_result);
  if (api.pending_prepared_streaming(statement, pending.out()) != DuckDBSuccess) {
    *complaint = api.pending_error(pending.get());
    return result;
  }
  if (api.execute_pending(pending.get(), result.out()) != DuckDBSuccess) {
    const char* text = api.result_error(result.out());
    *complaint = text != nullptr ? text : "DuckDB failed without a message";
  }
  return result;
}

bool is_about_a_value(const std::string& kind) {
  return kind == "Conversion" || kind == "Invalid Input" || kind == "Out of Range" || kind == "Mismatch Type" ||
         kind == "Decimal" || kind == "Divide by Zero" || kind == "Invalid type" || kind == "Invalid";
}

std::vector<std::string> riding_columns(const arrow::Schema& schema, const SelectInfo& info) {
  std::vector<std::string> out;
  for (auto name : kChangeColumns) {
    bool named = std::any_of(info.items.begin(), info.items.end(), [&](const SelectItem& item) {
      bool whole = item.kind == SelectItem::Kind::star || item.kind == SelectItem::Kind::opaque;
      return whole || item.alias == name || (item.alias.empty() && !item.column.empty() && item.column.back() == name);
    });
    if (schema.GetFieldIndex(std::string(name)) >= 0 && !named) out.emplace_back(name);
  }
  return out;
}

SchemaPtr with_row_column(const arrow::Schema& schema) {
  auto fields = schema.fields();
  fields.push_back(arrow::field(std::string(Assembly::kRowColumn), arrow::int32()));
  return arrow::schema(std::move(fields));
}

}  // namespace

Result<std::unique_ptr<LaneQuery>> LaneQuery::make(const std::shared_ptr<Engine>& engine,
                                                   std::shared_ptr<const Select> select,
                                                   const std::vector<SchemaPtr>& inputs,
                                                   const std::vector<SchemaPtr>& full, const Assembly* reduced) {
  auto connection = TRY(engine->connect());
  std::unique_ptr<LaneQuery> lane(new LaneQuery(select, std::move(connection)));
  std::vector<std::string> calls;
  lane->current_.resize(inputs.size());
  lane->numbers_rows_ = reduced != nullptr && reduced->numbers_rows();
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto schema = inputs[i];
    if (i > 0 && schema->num_fields() == 0) {
      calls.emplace_back();
      continue;
    }
    if (i == 0 && lane->numbers_rows_) schema = with_row_column(*schema);
    auto input = TRY(Input::make(*lane->connection_, schema).while_doing(select->info.inputs[i].endpoint.text));
    input->set_next([slot = &lane->current_[i]]() -> Result<BatchPtr> { return std::exchange(*slot, nullptr); });
    calls.push_back(input->call());
    lane->inputs_.push_back(std::move(input));
  }
  lane->spliced_.emplace(*lane->select_,
                         TRY(splice_row_wise(*select, calls, riding_columns(*inputs[0], select->info), reduced)));
  DuckError failure;
  auto statement = lane->connection_->prepare(lane->spliced_->text(), &failure);
  if (!statement.ok()) {
    failure.message = with_candidates(failure.message, full.empty() ? inputs : full);
    return lane->spliced_->explain(failure);
  }
  lane->statement_ = std::move(*statement);
  lane->output_.emplace(TRY(OutputColumns::make(*lane->connection_, lane->statement_.get())));
  lane->schema_ = lane->output_->schema();
  return lane;
}

void LaneQuery::failed(const char* message, Failure* failure) {
  for (auto& input : inputs_) {
    if (auto error = input->take_error()) {
      *failure = {std::move(*error), false};
      return;
    }
  }
  auto duck = parse_duck_error(message);
  *failure = {spliced_->explain(duck), is_about_a_value(duck.kind)};
}

Result<BatchPtr> LaneQuery::run(const std::vector<BatchPtr>& batches, Failure* failure) {
  const auto& api = connection_->api();
  current_ = batches;
  if (numbers_rows_) current_[0] = TRY(with_row_numbers(batches[0]));
  std::string complaint;
  auto result = TRY(start(api, statement_.get(), &complaint));
  arrow::RecordBatchVector out;
  while (complaint.empty()) {
    Owned<duckdb_data_chunk> chunk(api.fetch_chunk(result.get()), api.destroy_data_chunk);
    if (chunk.get() == nullptr || api.data_chunk_get_size(chunk.get()) == 0) {
      const char* error = api.result_error(result.out());
      if (error != nullptr && *error != 0) complaint = error;
      break;
    }
    out.push_back(TRY(output_->convert(chunk.get())));
  }
  if (!complaint.empty()) {
    failed(complaint.c_str(), failure);
    return failure->error;
  }
  return output_->join(out);
}

Result<BatchPtr> LaneQuery::with_row_numbers(const BatchPtr& batch) {
  int64_t rows = batch->num_rows();
  if (numbers_ == nullptr || numbers_->length() < rows) {
    arrow::Int32Builder builder;
    TRY(to_result(builder.Reserve(rows)));
    for (int64_t i = 0; i < rows; ++i) builder.UnsafeAppend(static_cast<int32_t>(i));
    numbers_ = TRY(to_result(builder.Finish()));
  }
  auto columns = batch->columns();
  columns.push_back(numbers_->Slice(0, rows));
  return arrow::RecordBatch::Make(with_row_column(*batch->schema()), rows, std::move(columns));
}

Result<std::string> LaneQuery::row_as_json(BatchPtr row) {
  if (json_statement_.get() == nullptr) {
    DuckError failure;
    std::string row_number = numbers_rows_ ? fmt::format(" EXCLUDE ({})", Assembly::kRowColumn) : "";
    json_statement_ = TRY(connection_->prepare(
        fmt::format("SELECT to_json(r) FROM (SELECT *{} FROM {}) AS r", row_number, inputs_[0]->call()), &failure));
  }
  current_[0] = numbers_rows_ ? TRY(with_row_numbers(row)) : std::move(row);
  std::string complaint;
  auto result = TRY(start(connection_->api(), json_statement_.get(), &complaint));
  if (!complaint.empty()) return user_error("{}", parse_duck_error(complaint.c_str()).message);
  Owned<duckdb_data_chunk> chunk(connection_->api().fetch_chunk(result.get()), connection_->api().destroy_data_chunk);
  if (chunk.get() == nullptr) return bug("a row has no JSON form");
  return text_at(connection_->api(), chunk.get(), 0);
}

}  // namespace sluice::sql
