#include "format/json/json_format.h"

#include "codec/encoding.h"
#include "format/json/decoder.h"
#include "format/json/encoded.h"
#include "format/json/encoder.h"
#include "format/json/infer.h"
#include "format/json/value_options.h"

namespace sluice {
namespace json {
namespace {

class JsonFormat : public Format {
 public:
  JsonFormat(DecodeOptions decode, InferOptions infer, EncodeOptions encode, std::string encoding)
      : decode_(std::move(decode)), infer_(std::move(infer)), encode_(encode), encoding_(std::move(encoding)) {}

  // `automatic` counts as line-based: a connector that cuts a file into ranges asks splittable() about that file.
  [[nodiscard]] FormatTraits traits() const override {
    FormatTraits traits;
    // In other encodings a line feed is not always one byte 0x0a, and the byte order stands at the beginning.
    traits.line_based =
        decode_.records.layout != Layout::documents && decode_.records.records_path.empty() && encoding_ == kUtf8;
    traits.needs_head = encoding_ != kUtf8;
    return traits;
  }
  Result<bool> splittable(Context& context, Input sample) override {
    if (decode_.records.layout == Layout::documents || !decode_.records.records_path.empty()) return false;
    if (encoding_ != kUtf8) sample = TRY(as_utf8(encoding_, std::move(sample)));
    Column root;
    Records records(decode_.records, kBaselineParser.rows, kBaselineParser);
    records.parse().root = &root;
    TRY(records.open(context, std::move(sample)));
    return records.by_line();
  }
  Result<SchemaPtr> infer(Context& context, Input input) override {
    if (encoding_ != kUtf8) input = TRY(as_utf8(encoding_, std::move(input)));
    return json::infer(context, infer_, std::move(input));
  }
  Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    return json::plan(schema, request);
  }
  Result<std::unique_ptr<Decoder>> create_decoder(Context&, const DecoderOptions& options) override {
    auto decoder = TRY(json::create_decoder(decode_, options));
    return encoding_ == kUtf8 ? std::move(decoder) : decode_encoded(encoding_, std::move(decoder));
  }
  Result<std::unique_ptr<Encoder>> create_encoder(Context&, const SchemaPtr& schema,
                                                  std::shared_ptr<arrow::io::OutputStream> out) override {
    return json::create_encoder(encode_, schema, std::move(out));
  }

 private:
  DecodeOptions decode_;
  InferOptions infer_;
  EncodeOptions encode_;
  const std::string encoding_;  // of files that are read
};

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= path.size();) {
    size_t dot = std::min(path.find('.', begin), path.size());
    parts.push_back(path.substr(begin, dot - begin));
    begin = dot + 1;
  }
  return parts;
}

Result<std::unique_ptr<Format>> create(const OptionValues& options) {
  DecodeOptions decode;
  InferOptions infer;
  EncodeOptions encode = encode_options(options);
  const std::string& layout = options.text("layout");
  if (layout == "ndjson") decode.records.layout = Layout::lines;
  if (layout == "array" || layout == "documents") decode.records.layout = Layout::documents;
  encode.array = layout == "array";
  if (options.has("records_path") && !options.text("records_path").empty()) {
    decode.records.records_path = split_path(options.text("records_path"));
    if (layout == "ndjson") {
      return user_error("{}: records_path looks into whole documents; leave out layout := ndjson",
                        options.where("records_path"));
    }
  }
  decode.records.record_bytes_max = options.bytes("record_bytes_max");
  decode.refuse_unknown = refuse_unknown(options);
  infer.records = decode.records;
  infer.sample_rows = options.integer("sample_rows");
  if (options.is_given("sample_rows")) infer.sample_bytes = INT64_MAX;
  infer.timestamps = recognise_timestamps(options);
  auto encoding = TRY(normal_encoding(options.text("encoding")).while_doing("reading the option encoding"));
  return std::make_unique<JsonFormat>(std::move(decode), std::move(infer), encode, std::move(encoding));
}

std::vector<OptionSpec> format_option_specs() {
  std::vector<OptionSpec> specs;
  auto add = [&specs](OptionSpec spec) { specs.push_back(std::move(spec)); };
  add({.name = "layout",
       .kind = OptionKind::choice,
       .default_value = "auto",
       .doc = "How records are laid out: ndjson is one a line, array one top-level array of them, documents one after "
              "another over any number of lines; auto looks at the file's beginning when reading and writes ndjson.",
       .choices = {"auto", "ndjson", "array", "documents"}});
  add({.name = "records_path",
       .doc = "Where a wrapping document keeps its array of records, for example Records or response.items.",
       .scope = OptionScope::source});
  add({.name = "sample_rows",
       .kind = OptionKind::integer,
       .default_value = "20480",
       .doc = "How many records the schema is inferred from (by default within the first 4 MB).",
       .scope = OptionScope::source,
       .min = 1});
  add({.name = "record_bytes_max",
       .kind = OptionKind::bytes,
       .default_value = "256MB",
       .doc = "The longest record that is accepted.",
       .scope = OptionScope::source,
       .min = 1024,
       .max = int64_t{1} << 30});
  add({.name = "encoding",
       .default_value = "utf-8",
       .doc = "The files' encoding: utf-8, utf-16, latin1, windows-1252 or another that iconv knows. What is written "
              "is UTF-8.",
       .scope = OptionScope::source});
  for (auto& spec : value_options()) add(std::move(spec));
  return specs;
}

}  // namespace
}  // namespace json

FormatDescriptor json_format() {
  FormatDescriptor descriptor;
  descriptor.name = "json";
  descriptor.doc = "JSON records, one a line, in an array or in wrapping documents.";
  descriptor.extensions = {".jsonl", ".ndjson", ".json"};
  descriptor.options = json::format_option_specs();
  descriptor.create = json::create;
  return descriptor;
}

}  // namespace sluice
