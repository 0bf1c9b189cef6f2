#include "format/csv/decoder.h"

#include <algorithm>
#include <array>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <simdjson.h>

#include "batch/arrow_result.h"
#include "format/csv/header.h"
#include "port/unknown_columns.h"

namespace sluice::csv {
namespace {

constexpr size_t kPayloadBytesMax = 64 << 10;  // of a reject

// An error of the stream below, told with the file's name.
Error in_file(const std::string& name, Error error) {
  error.what = fmt::format("{}: {}", name, error.what);
  return error;
}

}  // namespace

Result<SchemaPtr> planned_schema(const SchemaPtr& schema, const ReadRequest& request) {
  arrow::FieldVector fields;
  auto add = [&](const std::shared_ptr<arrow::Field>& field) {
    bool untyped = field->type()->id() == arrow::Type::NA;
    fields.push_back(untyped ? field->WithType(arrow::utf8()) : field);
  };
  if (!request.columns) {
    for (const auto& field : schema->fields()) add(field);
    return SchemaPtr(arrow::schema(std::move(fields), schema->metadata()));
  }
  for (const auto& path : *request.columns) {
    auto field = path.empty() ? nullptr : schema->GetFieldByName(path[0]);
    if (field == nullptr) return bug("column {} was asked of csv, which has none of that name", to_string(path));
    bool known = std::any_of(fields.begin(), fields.end(), [&](const auto& f) { return f->name() == field->name(); });
    if (!known) add(field);
  }
  return SchemaPtr(arrow::schema(std::move(fields), schema->metadata()));
}

CsvDecoder::CsvDecoder(const Dialect& dialect, const DecoderOptions& options, SchemaPtr planned)
    : dialect_(dialect),
      options_(options),
      planned_(std::move(planned)),
      batch_rows_(
          std::max<int64_t>(1, std::min(options.request.batch_rows, options.request.limit.value_or(INT64_MAX)))),
      window_(dialect_) {}

Result<std::unique_ptr<Decoder>> CsvDecoder::create(const Dialect& dialect, const DecoderOptions& options) {
  auto planned = TRY(planned_schema(options.schema, options.request));
  std::unique_ptr<CsvDecoder> decoder(new CsvDecoder(dialect, options, planned));
  for (const auto& field : planned->fields()) {
    decoder->columns_.push_back(TRY(create_column(*field, decoder->dialect_)));
  }
  return std::unique_ptr<Decoder>(std::move(decoder));
}

Result<void> CsvDecoder::open(Context&, Input input) {
  if (!input.at_record_start && dialect_.has_quote()) {
    return bug("{}: a part of a csv file must begin at a record, see Format::next_record_start", input.name);
  }
  input_ = std::move(input);
  std::shared_ptr<arrow::io::InputStream> stream = input_.stream;
  encoded_.reset();
  int64_t bytes = input_.end == INT64_MAX ? INT64_MAX : input_.end - input_.begin;
  if (dialect_.encoding != kUtf8) {
    encoded_ = TRY(open_encoded(dialect_.encoding, {stream, input_.head, input_.tail}));
    stream = encoded_;
    bytes = INT64_MAX;
  }
  const bool at_file_start = input_.begin == 0;
  window_.open({stream, at_file_start, !input_.at_record_start, input_.tail, bytes});
  first_.clear();
  next_ = 0;
  bytes_reported_ = 0;
  position_behind_ = 0;
  at_end_ = false;
  bound_ = false;
  if (at_file_start) return {};
  if (!dialect_.header) return {};
  auto names = read_header(dialect_, input_.head);
  if (!names.ok()) return in_file(input_.name, std::move(names).error());
  return bind_columns(names.value());
}

// With a header, columns are found by name; without one by place.
Result<void> CsvDecoder::bind_columns(const std::vector<std::string>& names) {
  names_ = names;
  width_ = static_cast<uint32_t>(names.size());
  field_of_.clear();
  const auto& schema = *options_.schema;
  bool any = planned_->num_fields() == 0;
  for (const auto& field : planned_->fields()) {
    int32_t at = -1;
    if (dialect_.header) {
      auto found = std::find(names.begin(), names.end(), field->name());
      if (found != names.end()) at = static_cast<int32_t>(found - names.begin());
    } else {
      int32_t place = schema.GetFieldIndex(field->name());
      if (place < static_cast<int32_t>(width_)) at = place;
    }
    any |= at >= 0;
    field_of_.push_back(at);
  }
  bound_ = true;
  bool known = any || std::any_of(names.begin(), names.end(),
                                  [&](const std::string& name) { return schema.GetFieldIndex(name) >= 0; });
  if (!known && dialect_.header) {
    return user_error(
        "{}: none of the columns {} is in its header ({}); has the file a header line, and is the delimiter '{}'?",
        input_.name, fmt::join(schema.field_names(), ", "), fmt::join(names, ", "), dialect_.delimiter);
  }
  if (!options_.refuse_unknown || !dialect_.header) return {};
  arrow::FieldVector fields;
  for (const auto& name : names) fields.push_back(arrow::field(name, arrow::null()));
  return refuse_unknown_columns(options_, input_.name, fields);
}

Result<Decoder::Step> CsvDecoder::step(Context& context) {
  if (context.stop.stop_requested()) return cancelled();
  if (next_ == first_.size() && !at_end_) {
    auto more = advance();
    if (!more.ok()) return std::move(more).error();
    at_end_ = !more.value();
  }
  if (next_ < first_.size()) {
    auto rows =
        static_cast<uint32_t>(std::min<int64_t>(static_cast<int64_t>(first_.size()) - next_, batch_rows_ - rows_));
    TRY(convert(next_, next_ + rows));
  }
  Step step;
  step.position = TRY(position());
  step.bytes_read = window_.bytes_read() - bytes_reported_;
  bytes_reported_ = window_.bytes_read();
  step.at_end = at_end_ && next_ == first_.size();
  int64_t bytes = 0;
  for (const auto& column : columns_) bytes += column->bytes();
  step.full = rows_ >= batch_rows_ || bytes >= options_.request.batch_bytes;
  return step;
}

Result<int64_t> CsvDecoder::position() {
  if (header_pending()) return input_.begin;  // somewhere before the first record: begin again
  int64_t offset = next_ < first_.size() ? window_.offset() + record_begin(next_) : position_behind_;
  if (encoded_ == nullptr) return input_.begin + offset;
  return input_.begin + TRY(to_result(encoded_->encoded_offset(offset)));
}

// The next piece of the input into first_; possibly no record of it.
Result<bool> CsvDecoder::advance() {
  first_.clear();
  next_ = 0;
  if (encoded_ == nullptr && !header_pending() && input_.begin + window_.offset_behind() >= input_.end) return false;
  auto found = window_.advance();
  if (!found.ok()) return in_file(where(0), std::move(found).error());
  switch (found.value()) {
    case Window::Found::end:
      return false;
    case Window::Found::damaged: {
      position_behind_ = window_.offset_behind();
      if (header_pending()) return user_error("{}: the header cannot be read: {}", where(0), window_.damage());
      TRY(refuse(0, window_.damaged_text(), std::string(window_.damage()) + "; quote the value and double its quotes"));
      return true;
    }
    case Window::Found::records:
      break;
  }
  position_behind_ = window_.offset_behind();
  uint32_t used = 0;
  if (!bound_) TRY(bind_first_record(&used));
  TRY(choose_records(used));
  if (!window_.ascii()) TRY(check_text());
  return true;
}

// The header line, or a look at how many fields there are.
Result<void> CsvDecoder::bind_first_record(uint32_t* records_used) {
  // Without a header all records of all files are as wide as the schema: the first one seen here proves nothing.
  if (!dialect_.header) return bind_columns(options_.schema->field_names());
  uint32_t record = first_filled_record(window_);
  *records_used = std::min(record + 1, window_.records());
  if (record == window_.records()) return {};
  bool bad;
  auto names = split_record(dialect_, window_, record, &bad);
  if (bad) return user_error("{}: the header line is not quoted correctly", where(0));
  return bind_columns(unique_names(std::move(names)));
}

Result<void> CsvDecoder::choose_records(uint32_t skip) {
  const uint32_t* record_ends = window_.record_ends();
  padded_ = false;
  counts_.clear();
  const bool bounded = encoded_ == nullptr && input_.end != INT64_MAX;
  const int64_t end = bounded ? input_.end - input_.begin - window_.offset() : INT64_MAX;
  for (uint32_t i = skip; i < window_.records(); ++i) {
    uint32_t first = i == 0 ? 0 : record_ends[i - 1];
    uint32_t fields = record_ends[i] - first;
    const uint32_t begin = window_.ends()[int64_t{first} - 1] + 1;
    // What begins at or behind the end of this part is somebody else's.
    if (begin >= end) {
      position_behind_ = window_.offset() + begin;
      break;
    }
    if (fields == width_) [[likely]] {
      first_.push_back(first);
      if (dialect_.pad) counts_.push_back(fields);
      continue;
    }
    std::string_view text(window_.data() + begin, window_.ends()[first + fields - 1] - begin);
    if (text.empty() || text == "\r") continue;
    if (dialect_.pad && fields < width_) {
      first_.push_back(first);
      counts_.push_back(fields);
      padded_ = true;
      continue;
    }
    TRY(refuse(begin, text,
               fmt::format("{} {} where {} {}{}", fields, fields == 1 ? "field" : "fields",
                           dialect_.header ? "the header has" : "there should be", width_,
                           fields < width_ ? "; set ragged := pad to fill with NULLs" : "")));
  }
  return {};
}

// Text columns are UTF-8 or an error, never a guess.
Result<void> CsvDecoder::check_text() {
  if (first_.empty()) return {};
  uint32_t begin = record_begin(0);
  auto behind = static_cast<uint32_t>(window_.offset_behind() - window_.offset());
  if (simdjson::validate_utf8(window_.data() + begin, behind - begin)) return {};
  uint32_t kept = 0;
  for (uint32_t i = 0; i < first_.size(); ++i) {
    auto text = record_text(i);
    if (!simdjson::validate_utf8(text.data(), text.size())) {
      TRY(refuse(record_begin(i), text, "the text is not valid UTF-8; set encoding to the file's, for example latin1"));
      continue;
    }
    first_[kept] = first_[i];
    if (!counts_.empty()) counts_[kept] = counts_[i];
    ++kept;
  }
  first_.resize(kept);
  if (!counts_.empty()) counts_.resize(kept);
  return {};
}

// Appends records [begin, end) of first_ to the columns.
Result<void> CsvDecoder::convert(uint32_t begin, uint32_t end) {
  std::vector<Failure> failures;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (field_of_[i] < 0) {
      TRY(to_result(columns_[i]->append_nulls(end - begin)));
      continue;
    }
    auto field = static_cast<uint32_t>(field_of_[i]);
    Fields fields{.data = window_.data(),
                  .ends = window_.ends(),
                  .first = first_.data() + begin,
                  .counts = padded_ ? counts_.data() + begin : nullptr,
                  .records = end - begin,
                  .index = field,
                  .last = field + 1 == width_};
    TRY(to_result(columns_[i]->append(fields, &failures)));
  }
  if (!failures.empty()) return reject_failures(begin, std::move(failures));
  rows_ += end - begin;
  next_ = end;
  return {};
}

// Takes the slice back out of the columns and its bad records out of first_; the next step converts what is left.
Result<void> CsvDecoder::reject_failures(uint32_t begin, std::vector<Failure> failures) {
  std::sort(failures.begin(), failures.end(), [](const Failure& a, const Failure& b) {
    return std::pair(a.record, a.field) < std::pair(b.record, b.field);
  });
  for (auto& column : columns_) column->truncate(rows_);
  uint32_t kept = begin;
  size_t at = 0;
  for (uint32_t i = begin; i < first_.size(); ++i) {
    if (at == failures.size() || failures[at].record != i - begin) {
      first_[kept] = first_[i];
      if (!counts_.empty()) counts_[kept] = counts_[i];
      ++kept;
      continue;
    }
    const auto& failure = failures[at];
    TRY(refuse(record_begin(i), record_text(i), fmt::format("column '{}': {}", names_[failure.field], failure.reason)));
    while (at < failures.size() && failures[at].record == i - begin) ++at;
  }
  first_.resize(kept);
  if (!counts_.empty()) counts_.resize(kept);
  return {};
}

// One record cannot be used: an error, or a reject when those are collected.
Result<void> CsvDecoder::refuse(uint32_t at, std::string_view raw, std::string reason) {
  if (!options_.collect_rejects) return user_error("{}: {}", where(at), reason);
  while (raw.ends_with('\n') || raw.ends_with('\r')) raw.remove_suffix(1);
  rejects_.push_back({std::string(raw.substr(0, kPayloadBytesMax)), std::move(reason), where(at), {}});
  return {};
}

std::string CsvDecoder::where(uint32_t at) const {
  // In another encoding a line feed may be other bytes than those that are counted.
  const auto before = encoded_ == nullptr || input_.begin == 0 ? input_.lines_before() : std::nullopt;
  if (before.has_value()) return fmt::format("{}:{}", input_.name, *before + window_.line_feeds_before(at) + 1);
  return fmt::format("{} (byte {})", input_.name, input_.begin + window_.offset() + at);
}

uint32_t CsvDecoder::record_begin(uint32_t index) const { return window_.ends()[int64_t{first_[index]} - 1] + 1; }

std::string_view CsvDecoder::record_text(uint32_t index) const {
  uint32_t begin = record_begin(index);
  const uint32_t* record_ends = window_.record_ends();
  const uint32_t* behind = std::upper_bound(record_ends, record_ends + window_.records(), first_[index]);
  return {window_.data() + begin, window_.ends()[*behind - 1] - begin};
}

Result<BatchPtr> CsvDecoder::take(std::vector<Reject>* rejects) {
  if (rejects != nullptr) std::move(rejects_.begin(), rejects_.end(), std::back_inserter(*rejects));
  rejects_.clear();
  if (rows_ == 0) return BatchPtr();
  int64_t rows = std::exchange(rows_, 0);
  arrow::ArrayVector arrays;
  for (auto& column : columns_) arrays.push_back(TRY(to_result(column->finish())));
  return BatchPtr(arrow::RecordBatch::Make(planned_, rows, std::move(arrays)));
}

}  // namespace sluice::csv
