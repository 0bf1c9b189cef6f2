#include "format/csv/csv.h"

#include <arrow/type.h>

#include "format/csv/decoder.h"
#include "format/csv/dialect.h"
#include "format/csv/encoder.h"
#include "format/csv/infer.h"
#include "format/csv/record_start.h"

namespace sluice {
namespace {

using csv::Dialect;

class CsvFormat final : public Format {
 public:
  explicit CsvFormat(Dialect dialect) : dialect_(std::move(dialect)) {}

  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    traits.line_based = true;
    traits.quoted_newlines = true;
    traits.needs_head = true;  // the header, and the byte order of utf-16
    return traits;
  }
  Result<SchemaPtr> infer(Context& context, Input input) override {
    return csv::infer_schema(context, dialect_, input);
  }
  Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    Planned planned;
    planned.schema = TRY(csv::planned_schema(schema, request));
    planned.pushed.columns = request.columns.has_value();
    planned.pushed.filter_exact.assign(request.filter.size(), false);
    for (const auto& field : planned.schema->fields()) TRY(csv::create_column(*field, dialect_));
    return planned;
  }
  Result<std::unique_ptr<Decoder>> create_decoder(Context&, const DecoderOptions& options) override {
    return csv::CsvDecoder::create(dialect_, options);
  }
  Result<std::unique_ptr<Encoder>> create_encoder(Context&, const SchemaPtr& schema,
                                                  std::shared_ptr<arrow::io::OutputStream> out) override {
    return csv::CsvEncoder::create(dialect_, schema, std::move(out));
  }
  Result<int64_t> next_record_start(Context& context, arrow::io::RandomAccessFile& file, int64_t record_start,
                                    int64_t at_least) const override {
    return csv::next_record_start(context, dialect_, file, record_start, at_least);
  }

 private:
  const Dialect dialect_;
};

Result<std::unique_ptr<Format>> create(const OptionValues& options) {
  return std::unique_ptr<Format>(std::make_unique<CsvFormat>(TRY(csv::parse_dialect(options))));
}

std::vector<OptionSpec> options_with(std::string_view delimiter) {
  using enum OptionKind;
  using enum OptionScope;
  return {
      {.name = "header", .kind = boolean, .default_value = "true", .doc = "The first line holds the column names."},
      {.name = "delimiter",
       .default_value = delimiter,
       .doc = "The character between two values; tab or \\t is a tab."},
      {.name = "quote", .default_value = "\"", .doc = "The character around quoted values; empty: no value is quoted."},
      {.name = "escape", .doc = "What stands before a quote inside a quoted value (default: the quote, doubled)."},
      {.name = "null", .doc = "The unquoted text that means NULL (default: nothing at all)."},
      {.name = "encoding",
       .default_value = "utf-8",
       .doc = "The text's encoding: utf-8, latin1, utf-16, windows-1252 or another that iconv knows. What is written "
              "is UTF-8.",
       .scope = source},
      {.name = "skip_rows",
       .kind = integer,
       .default_value = "0",
       .doc = "Lines to leave out at the beginning of each file, before the header.",
       .scope = source,
       .min = 0},
      {.name = "sample_rows",
       .kind = integer,
       .default_value = "20480",
       .doc = "Rows of each file from which column types are inferred.",
       .scope = source,
       .min = 1},
      {.name = "all_varchar",
       .kind = boolean,
       .default_value = "false",
       .doc = "Infer no types: every column is VARCHAR.",
       .scope = source},
      {.name = "ragged",
       .kind = choice,
       .default_value = "error",
       .doc = "What to do with a row that has too few values: stop, or fill it up with NULLs.",
       .scope = source,
       .choices = {"error", "pad"}},
  };
}

}  // namespace

FormatDescriptor csv_format() {
  FormatDescriptor format;
  format.name = "csv";
  format.doc = "Comma-separated values (RFC 4180), with a header line unless told otherwise.";
  format.extensions = {".csv"};
  format.options = options_with(",");
  format.create = create;
  return format;
}

FormatDescriptor tsv_format() {
  FormatDescriptor format;
  format.name = "tsv";
  format.doc = "Tab-separated values: csv with another delimiter.";
  format.extensions = {".tsv", ".tab"};
  format.options = options_with("\\t");
  format.create = create;
  return format;
}

}  // namespace sluice
