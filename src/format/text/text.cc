#include "format/text/text.h"

#include <arrow/type.h>

#include "codec/encoding.h"
#include "format/text/decoder.h"
#include "format/text/encoder.h"

namespace sluice {
namespace {

using text::LineFeeds;
using text::Settings;

Result<Settings> parse_settings(const OptionValues& options) {
  Settings settings;
  settings.column = options.text("column");
  settings.column_given = options.is_given("column");
  settings.encoding = TRY(normal_encoding(options.text("encoding")).while_doing("reading the option encoding"));
  const std::string& line_feeds = options.text("line_feeds");
  settings.line_feeds = line_feeds == "keep"    ? LineFeeds::keep
                        : line_feeds == "space" ? LineFeeds::space
                                                : LineFeeds::error;
  if (settings.column.empty()) return user_error("{}: column must not be empty", options.where("column"));
  return settings;
}

Result<SchemaPtr> planned_schema(const SchemaPtr& schema, const ReadRequest& request) {
  if (schema->num_fields() > 1 ||
      (schema->num_fields() == 1 && schema->field(0)->type()->id() != arrow::Type::STRING)) {
    return user_error("text is read as one VARCHAR column, not as {}", schema->ToString());
  }
  bool wanted = !request.columns.has_value() || !request.columns->empty();
  return wanted ? schema : SchemaPtr(arrow::schema(arrow::FieldVector{}));
}

class TextFormat final : public Format {
 public:
  explicit TextFormat(Settings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    // In other encodings a line feed is not always one byte 0x0a, and the byte order stands at the beginning.
    traits.line_based = settings_.encoding == kUtf8;
    traits.needs_head = settings_.encoding != kUtf8;
    return traits;
  }
  Result<bool> splittable(Context&, Input) override { return true; }
  Result<SchemaPtr> infer(Context&, Input) override {
    return SchemaPtr(arrow::schema({arrow::field(settings_.column, arrow::utf8(), /*nullable=*/false)}));
  }
  Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    Planned planned;
    planned.schema = TRY(planned_schema(schema, request));
    planned.pushed.columns = request.columns.has_value();
    planned.pushed.filter_exact.assign(request.filter.size(), false);
    return planned;
  }
  Result<std::unique_ptr<Decoder>> create_decoder(Context&, const DecoderOptions& options) override {
    auto planned = TRY(planned_schema(options.schema, options.request));
    return std::unique_ptr<Decoder>(std::make_unique<text::TextDecoder>(settings_, options, std::move(planned)));
  }
  Result<std::unique_ptr<Encoder>> create_encoder(Context&, const SchemaPtr& schema,
                                                  std::shared_ptr<arrow::io::OutputStream> out) override {
    return text::TextEncoder::create(settings_, schema, std::move(out));
  }

 private:
  const Settings settings_;
};

Result<std::unique_ptr<Format>> create(const OptionValues& options) {
  return std::unique_ptr<Format>(std::make_unique<TextFormat>(TRY(parse_settings(options))));
}

}  // namespace

FormatDescriptor text_format() {
  FormatDescriptor format;
  format.name = "text";
  format.doc = "Lines of text as one VARCHAR column.";
  format.extensions = {".txt", ".log"};
  format.options = {
      {.name = "column",
       .default_value = "line",
       .doc = "The column that holds the lines; writing takes the only column unless one is named."},
      {.name = "encoding",
       .default_value = "utf-8",
       .doc = "The text's encoding: utf-8, latin1, utf-16, windows-1252 or another that iconv knows. What is written "
              "is UTF-8.",
       .scope = OptionScope::source},
      {.name = "line_feeds",
       .kind = OptionKind::choice,
       .default_value = "error",
       .doc = "A value with a line feed in it: stop, write a space instead, or keep it (it becomes several lines).",
       .scope = OptionScope::sink,
       .choices = {"error", "space", "keep"}},
  };
  format.create = create;
  return format;
}

}  // namespace sluice
