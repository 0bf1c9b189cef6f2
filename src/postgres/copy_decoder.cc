#include "postgres/decode.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "postgres/bytes.h"

namespace sluice::postgres {
namespace {

// What is decoded together stays in a near cache.
constexpr size_t kGatheredRows = 512;
constexpr size_t kKeptBytes = 128 << 10;

// Arrays whose elements have no binary form that is known here: selected as they are printed.
Result<void> append_texts(ColumnDecoder& decoder, std::span<const WireValue> values, size_t* appended) {
  for (const auto& value : values) {
    if (value.is_null()) {
      decoder.append_null();
    } else {
      TRY(decoder.append_text(value.view()));
    }
    ++*appended;
  }
  return {};
}

}  // namespace

std::shared_ptr<arrow::Schema> schema_of(const std::vector<Column>& columns, const TypePolicy& policy) {
  arrow::FieldVector fields;
  for (const auto& column : columns) {
    fields.push_back(arrow::field(column.name, arrow_type(column.type, policy), !column.not_null));
  }
  return arrow::schema(std::move(fields));
}

Result<CopyDecoder> CopyDecoder::create(std::vector<Column> columns, const TypePolicy& policy) {
  CopyDecoder out;
  out.schema_ = schema_of(columns, policy);
  for (const auto& column : columns) {
    out.decoders_.push_back(TRY(create_decoder(column.type, policy)));
    out.is_list_text_.push_back(column.type.kind == Kind::array && !policy.arrays_as_text &&
                                !has_binary_form(column.type, policy));
  }
  out.gathered_.assign(columns.size(), std::vector<WireValue>(kGatheredRows));
  out.kept_ = std::make_unique<char[]>(kKeptBytes);
  out.columns_ = std::move(columns);
  return out;
}

std::string printed(const Column& column) {
  return fmt::format("CASE num_nulls({0}) WHEN 0 THEN concat({0}) END", quote(column.name));
}

std::string CopyDecoder::select_list(const std::vector<Column>& columns, const TypePolicy& policy) {
  std::string out;
  for (const auto& column : columns) {
    if (!out.empty()) out += ", ";
    out += has_binary_form(column.type, policy) ? quote(column.name)
                                                : fmt::format("{} AS {}", printed(column), quote(column.name));
  }
  return out;
}

// https://www.postgresql.org/docs/current/sql-copy.html: signature, flags, length of the extension.
Result<std::string_view> CopyDecoder::behind_header(std::string_view piece) const {
  constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);
  if (!piece.starts_with(kSignature) || piece.size() < 19) return user_error("no binary COPY data from the server");
  const auto extension = load_be<uint32_t>(piece.data() + 15);
  if (piece.size() - 19 < extension) return user_error("a binary COPY header that is cut short");
  return piece.substr(19 + size_t{extension});
}

Result<void> CopyDecoder::add(std::string_view piece) {
  bytes_ += static_cast<int64_t>(piece.size());
  if (!header_seen_) {
    piece = TRY(behind_header(piece));
    header_seen_ = true;
  }
  if (piece.size() > kKeptBytes - kept_bytes_ || gathered_rows_ >= kGatheredRows) TRY(decode_gathered());
  if (piece.size() > kKeptBytes) {
    TRY(split(piece));
    return decode_gathered();
  }
  char* kept = kept_.get() + kept_bytes_;
  std::memcpy(kept, piece.data(), piece.size());
  kept_bytes_ += piece.size();
  return split({kept, piece.size()});
}

// Whole rows: where each of their values lies.
Result<void> CopyDecoder::split(std::string_view rows) {
  const char* at = rows.data();
  const char* end = at + rows.size();
  while (at < end) {
    if (end - at < 2) return user_error("a row of COPY data is cut short");
    const auto fields = load_be<int16_t>(at);
    at += 2;
    if (fields == -1) return {};  // the trailer
    if (static_cast<size_t>(fields) != decoders_.size()) {
      return user_error("a row of {} columns where {} were asked for", fields, decoders_.size());
    }
    for (auto& column : gathered_) {
      if (end - at < 4) return user_error("a row of COPY data is cut short");
      const auto size = load_be<int32_t>(at);
      at += 4;
      if (size > end - at) return user_error("a row of COPY data is cut short");
      if (gathered_rows_ == column.size()) column.resize(2 * gathered_rows_);
      column[gathered_rows_] = {at, size};
      at += std::max(size, 0);
    }
    ++gathered_rows_;
    ++rows_;
  }
  return {};
}

Result<void> CopyDecoder::decode_gathered() {
  const size_t rows = std::exchange(gathered_rows_, 0);
  kept_bytes_ = 0;
  for (size_t i = 0; i < decoders_.size(); ++i) {
    size_t appended = 0;
    const auto values = std::span(gathered_[i]).first(rows);
    auto done = is_list_text_[i] ? append_texts(*decoders_[i], values, &appended)
                                 : decoders_[i]->append_binaries(values, &appended);
    if (done.ok()) continue;
    Error error = std::move(done).error();
    const size_t row = static_cast<size_t>(rows_) - rows + appended + 1;
    error.what = fmt::format("column '{}', row {} of this batch: {}", columns_[i].name, row, error.what);
    return error;
  }
  return {};
}

Result<std::shared_ptr<arrow::RecordBatch>> CopyDecoder::take() {
  TRY(decode_gathered());
  arrow::ArrayVector arrays;
  for (auto& decoder : decoders_) arrays.push_back(TRY(decoder->finish()));
  const int64_t rows = std::exchange(rows_, 0);
  bytes_ = 0;
  return arrow::RecordBatch::Make(schema_, rows, std::move(arrays));
}

}  // namespace sluice::postgres
