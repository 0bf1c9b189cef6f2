#include "cli/terminal_sink.h"

#include <arrow/api.h>
#include <arrow/io/interfaces.h>

#include <algorithm>

#include "batch/arrow_result.h"
#include "port/registry.h"

namespace sluice {
namespace {

constexpr size_t kWidthMax = 48;

// Terminal columns of UTF-8 text, counting code points: good enough for everything but wide scripts.
size_t display_width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// {"k": 1, "l": [1, 2]} without quotes around keys: to be looked at, not parsed.
std::string value_text(const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) return "NULL";
  if (column.type_id() == arrow::Type::STRUCT) {
    const auto& structs = static_cast<const arrow::StructArray&>(column);
    std::string text;
    for (int i = 0; i < structs.num_fields(); ++i) {
      text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", column.type()->field(i)->name(),
                          value_text(*structs.field(i), row));
    }
    return "{" + text + "}";
  }
  if (column.type_id() == arrow::Type::LIST) {
    const auto& lists = static_cast<const arrow::ListArray&>(column);
    std::string text;
    for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i) {
      text += (text.empty() ? "" : ", ") + value_text(*lists.values(), i);
    }
    return "[" + text + "]";
  }
  auto scalar = column.GetScalar(row);
  return scalar.ok() ? (*scalar)->ToString() : "?";
}

// Cut to kWidthMax code points, control characters made visible as spaces.
std::string cell_text(const arrow::Array& column, int64_t row) {
  std::string text = value_text(column, row);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  if (display_width(text) <= kWidthMax) return text;
  size_t shown = 0;
  size_t at = 0;
  for (; at < text.size() && shown < kWidthMax; ++at) shown += (text[at] & 0xC0) != 0x80 ? 1 : 0;
  return text.substr(0, at - 1) + "…";
}

class TableWriter final : public Writer {
 public:
  TableWriter(SchemaPtr schema, std::FILE* out) : schema_(std::move(schema)), out_(out) {}

  Result<WriteAck> write(Context&, const Rows& rows) override {
    const auto& batch = *rows.batch;
    std::vector<std::vector<std::string>> cells(static_cast<size_t>(batch.num_rows()));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      for (int column = 0; column < batch.num_columns(); ++column) {
        cells[static_cast<size_t>(row)].push_back(cell_text(*batch.column(column), row));
      }
    }
    if (widths_.empty()) begin(cells);
    for (const auto& line : cells) print(line);
    std::fflush(out_);
    return WriteAck{};
  }
  Result<std::vector<Prepared>> prepare(Context&, Epoch) override {
    if (widths_.empty()) begin({});  // no row came: the columns are told all the same
    std::fflush(out_);
    return std::vector<Prepared>{};
  }

 private:
  void begin(const std::vector<std::vector<std::string>>& cells) {
    if (schema_->num_fields() == 0) return;
    std::vector<std::string> names;
    for (int column = 0; column < schema_->num_fields(); ++column) {
      names.push_back(schema_->field(column)->name());
      size_t width = display_width(names.back());
      for (const auto& line : cells) width = std::max(width, display_width(line[static_cast<size_t>(column)]));
      widths_.push_back(std::min(width, kWidthMax));
      right_.push_back(arrow::is_numeric(schema_->field(column)->type()->id()));
    }
    print(names);
    std::string rule;
    for (size_t width : widths_) {
      if (!rule.empty()) rule += "─┼─";
      for (size_t i = 0; i < width; ++i) rule += "─";
    }
    std::fprintf(out_, "%s\n", rule.c_str());
  }

  void print(const std::vector<std::string>& line) {
    std::string text;
    for (size_t column = 0; column < line.size(); ++column) {
      size_t width = display_width(line[column]);
      std::string padding(widths_[column] > width ? widths_[column] - width : 0, ' ');
      if (column > 0) text += " │ ";
      text += right_[column] ? padding + line[column] : line[column] + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    std::fprintf(out_, "%s\n", text.c_str());
  }

  SchemaPtr schema_;
  std::FILE* out_;
  std::vector<size_t> widths_;
  std::vector<bool> right_;
};

// A FILE as Arrow's output stream, for the json and csv encoders.
class FileStream final : public arrow::io::OutputStream {
 public:
  explicit FileStream(std::FILE* out) : out_(out) { set_mode(arrow::io::FileMode::WRITE); }
  arrow::Status Close() override { return arrow::Status::OK(); }
  [[nodiscard]] bool closed() const override { return false; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return written_; }
  arrow::Status Write(const void* data, int64_t bytes) override {
    if (std::fwrite(data, 1, static_cast<size_t>(bytes), out_) != static_cast<size_t>(bytes)) {
      return arrow::Status::IOError("cannot write to the terminal or pipe");
    }
    written_ += bytes;
    return arrow::Status::OK();
  }
  using arrow::io::OutputStream::Write;

 private:
  std::FILE* out_;
  int64_t written_ = 0;
};

class EncodedWriter final : public Writer {
 public:
  EncodedWriter(std::unique_ptr<Format> format, SchemaPtr schema, std::FILE* out)
      : format_(std::move(format)), schema_(std::move(schema)), stream_(std::make_shared<FileStream>(out)), out_(out) {}

  Result<WriteAck> write(Context& context, const Rows& rows) override {
    TRY(begin(context));
    TRY(encoder_->write(*rows.batch));
    return WriteAck{};
  }
  Result<std::vector<Prepared>> prepare(Context& context, Epoch) override {
    TRY(begin(context));  // no row came: a CSV header tells the columns all the same
    TRY(encoder_->finish());
    encoder_.reset();
    std::fflush(out_);
    return std::vector<Prepared>{};
  }

 private:
  Result<void> begin(Context& context) {
    if (encoder_ == nullptr) encoder_ = TRY(format_->create_encoder(context, schema_, stream_));
    return {};
  }

  std::unique_ptr<Format> format_;
  SchemaPtr schema_;
  std::shared_ptr<FileStream> stream_;
  std::FILE* out_;
  std::unique_ptr<Encoder> encoder_;
};

class NothingToCommit final : public Committer {
 public:
  Result<std::optional<Positions>> fence_and_load(Context&, Generation) override { return std::optional<Positions>(); }
  Result<void> commit(Context&, std::span<const Prepared>, const Positions&, const Positions&) override { return {}; }
  Result<Outcome> resume(Context&, std::span<const Prepared>) override { return Outcome::nothing_to_do; }
  Result<void> discard(Context&, std::span<const Prepared>) override { return {}; }
};

class TerminalSink final : public Sink {
 public:
  TerminalSink(const FormatDescriptor* format, std::FILE* out) : format_(format), out_(out) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.decision = Decision::none;
    traits.single_writer = true;
    return traits;
  }
  Result<void> validate_schema(Context&, const arrow::Schema&) override { return {}; }
  Result<void> probe(Context&) override { return {}; }
  Result<void> open(Context&, const arrow::Schema& schema, bool) override {
    schema_ = arrow::schema(schema.fields());
    return {};
  }
  Result<std::unique_ptr<Writer>> create_writer(Context&, const WriterId&) override {
    if (format_ == nullptr) return std::unique_ptr<Writer>(std::make_unique<TableWriter>(schema_, out_));
    auto options = TRY(OptionValues::parse(format_->name, format_->options, OptionScope::sink, {}));
    return std::unique_ptr<Writer>(std::make_unique<EncodedWriter>(TRY(format_->create(options)), schema_, out_));
  }
  Result<std::unique_ptr<Committer>> create_committer(Context&) override {
    return std::unique_ptr<Committer>(std::make_unique<NothingToCommit>());
  }

 private:
  const FormatDescriptor* format_;  // null: an aligned table
  std::FILE* out_;
  SchemaPtr schema_;
};

}  // namespace

Result<std::unique_ptr<Sink>> terminal_sink(Context& context, const std::string& style, std::FILE* out) {
  const FormatDescriptor* format = nullptr;
  if (style != "table") format = TRY(context.registry.format(style));
  return std::unique_ptr<Sink>(std::make_unique<TerminalSink>(format, out));
}

}  // namespace sluice
