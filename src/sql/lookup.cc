#include "sql/lookup.h"

#include <arrow/api.h>
#include <arrow/util/byte_size.h>

#include "batch/arrow_result.h"

namespace sluice::sql {
namespace {

constexpr Millis kPatience{1000};

Result<void> read_splits(Context& context, Source& source, const SchemaPtr& schema, const std::vector<Split>& splits,
                         arrow::RecordBatchVector& out) {
  auto reader = TRY(create_paced_reader(context, source, splits));
  while (true) {
    if (context.stop.stop_requested()) return cancelled();
    auto event = TRY(reader->next(context, context.clock.steady() + kPatience));
    if (std::holds_alternative<End>(event)) return {};
    auto* rows = std::get_if<Rows>(&event);
    if (rows == nullptr) continue;
    if (!rows->rejects.empty()) return user_error("{} ({})", rows->rejects[0].reason, rows->rejects[0].where);
    if (rows->batch == nullptr || rows->batch->num_rows() == 0) continue;
    out.push_back(TRY(conform(rows->batch, schema)));
  }
}

Result<arrow::RecordBatchVector> read_all(Context& context, Source& source, const SchemaPtr& schema) {
  arrow::RecordBatchVector out;
  TRY(source.start(context, {}));
  while (true) {
    if (context.stop.stop_requested()) return cancelled();
    auto events = TRY(source.poll_splits(context, context.clock.steady() + kPatience));
    if (!events.added.empty()) TRY(read_splits(context, source, schema, events.added, out));
    if (events.finished) return out;
  }
}

}  // namespace

Result<SchemaPtr> lookup_schema(Context& context, const Endpoint& endpoint) {
  auto source = TRY(context.registry.create_source(endpoint.request));
  if (!source->supports_batch()) {
    return user_error("{}: {} never ends and cannot be the right side of a lookup JOIN", endpoint.request.where,
                      endpoint.text);
  }
  return source->fetch_schema(context);
}

Result<std::shared_ptr<const LookupTable>> LookupTable::load(Context& context, const Request& request) {
  auto source = TRY(context.registry.create_source(request.endpoint->request));
  TRY(source->fetch_schema(context));
  ReadRequest read;
  if (!request.all_columns) {
    read.columns = request.columns;
    for (const auto& key : request.keys) {
      ColumnPath path{key};
      if (std::find(read.columns->begin(), read.columns->end(), path) == read.columns->end()) {
        read.columns->push_back(path);
      }
    }
  }
  if (source->rate_limit() != nullptr) source->rate_limit()->shape(&read);
  auto planned = TRY(source->plan(context, read));
  auto batches =
      TRY(read_all(context, *source, planned.schema).while_doing("loading lookup " + request.endpoint->text));
  auto table = std::make_shared<LookupTable>();
  if (batches.empty()) {
    table->rows_ = TRY(to_result(arrow::RecordBatch::MakeEmpty(planned.schema)));
  } else {
    table->rows_ = batches.size() == 1 ? batches[0] : TRY(to_result(arrow::ConcatenateRecordBatches(batches)));
  }
  int64_t bytes = arrow::util::TotalBufferSize(*table->rows_) + table->rows_->num_rows() * 64;
  auto memory = context.memory.try_reserve(bytes);
  if (!memory || table->rows_->num_rows() > INT32_MAX) {
    return refused("{}: lookup {} has {} rows of {} and does not fit into --memory; select fewer columns or raise it",
                   request.endpoint->request.where, request.endpoint->text, table->rows_->num_rows(),
                   format_bytes(bytes));
  }
  table->memory_ = std::move(*memory);
  TRY(table->index(request));
  return std::shared_ptr<const LookupTable>(std::move(table));
}

Result<void> LookupTable::index(const Request& request) {
  arrow::ArrayVector columns;
  for (const auto& key : request.keys) columns.push_back(rows_->GetColumnByName(key));
  auto keys = TRY(KeyColumns::make(columns, request.key_types));
  auto rows = static_cast<int32_t>(rows_->num_rows());
  next_.assign(static_cast<size_t>(rows), -1);
  if (keys.is_one_integer())
    first_of_integer_.reserve(static_cast<size_t>(rows));
  else
    first_.reserve(static_cast<size_t>(rows));
  std::string key;
  for (int32_t row = rows - 1; row >= 0; --row) {  // backwards: chains then run in the source's order
    int32_t* first = nullptr;
    if (keys.is_one_integer()) {
      if (auto integer = keys.integer(row)) first = &first_of_integer_.slot(*integer);
    } else if (keys.encode(row, key)) {
      first = &first_.try_emplace(key, -1).first->second;
    }
    if (first == nullptr) continue;
    if (*first >= 0) unique_ = false;
    next_[static_cast<size_t>(row)] = std::exchange(*first, row);
  }
  return {};
}

int32_t LookupTable::find(const KeyColumns& keys, int64_t row, std::string& scratch) const {
  if (keys.is_one_integer()) {
    auto integer = keys.integer(row);
    return integer ? first_of_integer_.find(*integer) : -1;
  }
  if (!keys.encode(row, scratch)) return -1;
  auto found = first_.find(std::string_view(scratch));
  return found == first_.end() ? -1 : found->second;
}

void IntegerIndex::reserve(size_t keys) {
  int bits = 1;
  while ((size_t{1} << bits) < keys * 2) ++bits;
  entries_.assign(size_t{1} << bits, Entry{});
  shift_ = 64 - bits;
}

int32_t& IntegerIndex::slot(int64_t key) {
  size_t at = start(key);
  while (entries_[at].row >= 0 && entries_[at].key != key) at = (at + 1) & (entries_.size() - 1);
  entries_[at].key = key;
  return entries_[at].row;
}

int32_t IntegerIndex::find(int64_t key) const {
  size_t at = start(key);
  while (entries_[at].row >= 0 && entries_[at].key != key) at = (at + 1) & (entries_.size() - 1);
  return entries_[at].row;
}

Result<LookupTable::Matches> LookupTable::match(const KeyColumns& keys, int64_t rows, bool keep_unmatched) const {
  arrow::Int32Builder left;
  arrow::Int32Builder right;
  TRY(to_result(left.Reserve(rows)));
  TRY(to_result(right.Reserve(rows)));
  bool identity = true;
  std::string key;
  for (int64_t row = 0; row < rows; ++row) {
    int32_t first = find(keys, row, key);
    if (first < 0) {
      identity = identity && keep_unmatched;
      if (!keep_unmatched) continue;
      TRY(to_result(left.Append(static_cast<int32_t>(row))));
      TRY(to_result(right.AppendNull()));
      continue;
    }
    identity = identity && next_[static_cast<size_t>(first)] < 0;
    for (int32_t match = first; match >= 0; match = next_[static_cast<size_t>(match)]) {
      TRY(to_result(left.Append(static_cast<int32_t>(row))));
      TRY(to_result(right.Append(match)));
    }
  }
  return Matches{TRY(to_result(left.Finish())), TRY(to_result(right.Finish())), identity};
}

}  // namespace sluice::sql
