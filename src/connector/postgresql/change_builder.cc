#include "connector/postgresql/change_builder.h"

#include <algorithm>
#include <array>

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/util/key_value_metadata.h>

#include "batch/arrow_result.h"
#include "batch/old_rows.h"

namespace sluice::postgresql {
namespace {

using postgres::pgoutput::Tuple;
using postgres::pgoutput::Value;

constexpr std::array<std::string_view, 5> kOps = {"insert", "update", "delete", "snapshot", "before"};

TypePtr commit_time_type() { return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"); }

// Sixteen and eight digits; fmt takes four times as long, and this is done for every row.
constexpr size_t kPosLength = 25;
std::array<char, kPosLength> pos_digits(const ChangePlace& place) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::array<char, kPosLength> out;
  for (size_t i = 0; i < 16; ++i) out[15 - i] = kHex[(place.lsn >> (4 * i)) & 15];
  out[16] = '-';
  for (size_t i = 0; i < 8; ++i) out[24 - i] = kHex[(place.ordinal >> (4 * i)) & 15];
  return out;
}

// The server makes one of an UPDATE that brings a row into the publication's filter, we of one that changes a key.
Error without_value(const std::string& column) {
  return refused(
      "an UPDATE changed the key of a row, or made the publication's filter (where) take it in, and carries no value "
      "for column '{}', which is stored out of line and did not change; ALTER TABLE … REPLICA IDENTITY FULL before "
      "rows change so, or say WHERE in the statement, and 'sluice reset' the pipeline",
      column);
}

// Of a partition that came later, or that another session altered: what it was to be with is checked at each start.
Error without_old_row(const std::string& column) {
  return refused(
      "the server sent neither the value of column '{}', which the UPDATE left as it was, nor the old row that REPLICA "
      "IDENTITY FULL promises: a partition has another identity; ALTER TABLE … REPLICA IDENTITY FULL for each of them, "
      "and 'sluice reset' the pipeline to copy the table again",
      column);
}

}  // namespace

std::string pos_text(const ChangePlace& place) {
  const auto digits = pos_digits(place);
  return {digits.data(), digits.size()};
}

bool may_be_left_out(const postgres::Type& type) {
  using postgres::Kind;
  switch (type.kind) {
    case Kind::text:
    case Kind::bytea:
    case Kind::jsonb:
    case Kind::numeric:
    case Kind::array:
    case Kind::other:
      return true;
    default:
      return false;
  }
}

std::shared_ptr<arrow::Field> unchanged_field() { return arrow::field(std::string(kUnchangedColumn), arrow::utf8()); }

bool is_delivered(const postgres::Column& column) { return !column.generated; }

SchemaPtr change_schema(const Table& table, const postgres::TypePolicy& policy) {
  arrow::FieldVector fields;
  bool leaves_out = false;
  for (const auto& column : table.columns) {
    if (!is_delivered(column)) continue;
    const bool in_identity = table.identity != ReplicaIdentity::full &&
                             std::find(table.identity_columns.begin(), table.identity_columns.end(), column.name) !=
                                 table.identity_columns.end();
    const bool is_full = table.identity == ReplicaIdentity::full;
    const bool never_null = column.not_null && (is_full ? column.in_key : in_identity);
    fields.push_back(arrow::field(column.name, postgres::arrow_type(column.type, policy), !never_null));
    leaves_out = leaves_out || (!in_identity && may_be_left_out(column.type));
  }
  const auto old_rows = table.identity == ReplicaIdentity::full ? kOldRowsFull : kOldRowsKey;
  fields.push_back(arrow::field(std::string(kOpColumn), arrow::utf8(), false,
                                arrow::key_value_metadata({std::string(kOldRows)}, {std::string(old_rows)})));
  fields.push_back(arrow::field(std::string(kTsColumn), commit_time_type(), false));
  fields.push_back(arrow::field(std::string(kPosColumn), arrow::utf8(), false));
  if (leaves_out && table.identity != ReplicaIdentity::full) {
    fields.push_back(unchanged_field());
  }
  return arrow::schema(std::move(fields));
}

struct StampColumns::Builders {
  arrow::StringBuilder op;
  arrow::TimestampBuilder ts{commit_time_type(), arrow::default_memory_pool()};
  arrow::StringBuilder pos;
  arrow::StringBuilder unchanged;
};

StampColumns::StampColumns() : builders_(std::make_unique<Builders>()) {}
StampColumns::~StampColumns() = default;
StampColumns::StampColumns(StampColumns&&) noexcept = default;
StampColumns& StampColumns::operator=(StampColumns&&) noexcept = default;

Result<void> StampColumns::add(Op op, const Stamp& stamp, std::string_view unchanged) {
  const auto digits = pos_digits(stamp.place);
  auto status = builders_->op.Append(kOps[static_cast<size_t>(op)]);
  if (status.ok()) status = builders_->ts.Append(stamp.commit_time);
  if (status.ok()) status = builders_->pos.Append(std::string_view(digits.data(), digits.size()));
  if (status.ok())
    status = unchanged.empty() ? builders_->unchanged.AppendNull() : builders_->unchanged.Append(unchanged);
  return to_result(status);
}

Result<void> StampColumns::finish(const arrow::Schema& schema, arrow::FieldVector* fields, arrow::ArrayVector* arrays) {
  const std::array<std::pair<std::string_view, arrow::ArrayBuilder*>, 4> all = {
      {{kOpColumn, &builders_->op},
       {kTsColumn, &builders_->ts},
       {kPosColumn, &builders_->pos},
       {kUnchangedColumn, &builders_->unchanged}}};
  for (const auto& [name, builder] : all) {
    auto array = TRY(to_result(builder->Finish()));
    auto field = schema.GetFieldByName(std::string(name));
    if (field == nullptr) continue;
    fields->push_back(std::move(field));
    arrays->push_back(std::move(array));
  }
  return {};
}

Result<ChangeBuilder> ChangeBuilder::create(const postgres::pgoutput::Relation& relation,
                                            const std::vector<postgres::Type>& types, SchemaPtr schema,
                                            const postgres::TypePolicy& policy) {
  ChangeBuilder out;
  for (size_t i = 0; i < relation.columns.size(); ++i) {
    Column column;
    column.name = relation.columns[i].name;
    if (auto field = schema->GetFieldByName(column.name); field != nullptr) {
      column.decoder = TRY(postgres::create_decoder(types[i], policy));
      auto type = postgres::arrow_type(types[i], policy);
      out.fields_.push_back(type->Equals(field->type()) ? field : arrow::field(column.name, type));
    }
    out.columns_.push_back(std::move(column));
  }
  out.has_unchanged_ = schema->GetFieldIndex(std::string(kUnchangedColumn)) >= 0;
  out.schema_ = std::move(schema);
  return out;
}

Result<void> ChangeBuilder::append(Column& column, const Value& value) {
  auto appended = [&]() -> Result<void> {
    switch (value.form) {
      case 'b':
        return column.decoder->append_binary(value.bytes);
      case 't':
        return column.decoder->append_text(value.bytes);
      default:
        column.decoder->append_null();
        return {};
    }
  }();
  if (appended.ok()) return appended;
  Error error = std::move(appended).error();
  error.what = fmt::format("column '{}': {}", column.name, error.what);
  return error;
}

Result<void> ChangeBuilder::add(Op op, const Stamp& stamp, Tuple row, std::optional<Tuple> old) {
  if (row.columns() != static_cast<int>(columns_.size())) {
    return refused("the server sent a row of {} columns for a table that it described with {}", row.columns(),
                   columns_.size());
  }
  unchanged_.clear();
  for (auto& column : columns_) {
    Value value = row.next();
    const Value before = old ? old->next() : Value{};
    if (value.form == 'u' && old) value = before;
    if (column.decoder == nullptr) continue;
    if (value.form == 'u') {
      if (op == Op::insert) return without_value(column.name);
      if (!has_unchanged_) return without_old_row(column.name);
      append_name(column.name, &unchanged_);
    }
    TRY(append(column, value));
  }
  TRY(stamps_.add(op, stamp, unchanged_));
  ++rows_;
  return {};
}

Result<BatchPtr> ChangeBuilder::take() {
  arrow::FieldVector fields = fields_;
  arrow::ArrayVector arrays;
  for (auto& column : columns_) {
    if (column.decoder != nullptr) arrays.push_back(TRY(column.decoder->finish()));
  }
  TRY(stamps_.finish(*schema_, &fields, &arrays));
  const int64_t rows = std::exchange(rows_, 0);
  auto batch = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows, std::move(arrays));
  return conform(batch, schema_);
}

}  // namespace sluice::postgresql
