#include "format/json/json_payload.h"

#include "format/json/connect.h"
#include "format/json/decoder.h"
#include "format/json/infer.h"
#include "format/json/json_schema.h"
#include "format/json/payload_decoder.h"
#include "format/json/payload_encoder.h"
#include "format/json/row_encoder.h"
#include "format/json/value_options.h"

namespace sluice {
namespace json {
namespace {

struct Options {
  SchemaPtr declared;  // columns
  PayloadDecodeOptions decode;
  EncodeOptions encode;
  bool timestamps = true;
  net::SchemaWriting writing;
  std::string title;
};

class JsonPayloadFormat : public PayloadFormat {
 public:
  explicit JsonPayloadFormat(Options options) : options_(std::move(options)) {}

  Result<SchemaPtr> infer(Context& context, std::span<const Payload> sample) override {
    if (options_.declared != nullptr) return options_.declared;
    if (auto schema = TRY(registered(context))) return schema;
    std::vector<std::string> padded;  // with what parsers want to find behind a text
    padded.reserve(sample.size());
    std::vector<std::string_view> records;
    for (const auto& payload : sample) {
      if (!payload) continue;
      std::string_view body = *payload;
      if (frames().registry != nullptr) {
        auto framed = net::unframe(body);
        if (!framed) continue;
        body = framed->body;
      }
      auto& text = padded.emplace_back(body);
      text.append(static_cast<size_t>(kPadding), '\0');
      auto inside = options_.decode.unwrap_connect
                        ? connect_payload(kBaselineParser, text.data(), text.data() + body.size())
                        : std::nullopt;
      if (inside != "null") records.push_back(inside.value_or(std::string_view(text).substr(0, body.size())));
    }
    if (records.empty()) return no_message_to_infer_from();
    return json::infer(records, options_.timestamps);
  }
  Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    auto planned = TRY(json::plan(schema, request));
    planned.pushed.limit = false;
    return planned;
  }
  Result<std::unique_ptr<PayloadDecoder>> create_decoder(Context&, const DecoderOptions& options) override {
    return create_payload_decoder(options_.decode, options);
  }
  Result<void> validate_schema(const arrow::Schema& schema) const override {
    return RowEncoder(options_.encode).prepare(schema);
  }
  Result<std::unique_ptr<PayloadEncoder>> create_encoder(Context& context, const SchemaPtr& schema) override {
    std::string frame;
    if (frames().registry != nullptr) {
      net::RegisteredSchema made{0, net::SchemaKind::json, to_json_schema(*schema, options_.title), {}};
      const auto id =
          TRY(net::publish_schema(*frames().registry, options_.writing, frames().subject, made, context.stop));
      net::append_frame(id, frame);
    }
    return create_payload_encoder(options_.encode, schema, std::move(frame));
  }

 private:
  [[nodiscard]] const PayloadFrames& frames() const { return options_.decode.frames; }

  // What the registry's latest schema says; null where there is none, or it does not say it simply.
  Result<SchemaPtr> registered(Context& context) {
    if (frames().registry == nullptr) return SchemaPtr();
    auto latest = TRY(frames().registry->latest(frames().subject, context.stop));
    if (latest == nullptr || latest->kind != net::SchemaKind::json) return SchemaPtr();
    return from_json_schema(latest->text).value_or(nullptr);
  }

  const Options options_;
};

Result<std::unique_ptr<PayloadFormat>> create(const OptionValues& options, const PayloadPlace& place) {
  Options made;
  made.declared = TRY(declared_columns(options));
  made.decode.refuse_unknown = refuse_unknown(options);
  made.decode.unwrap_connect = options.text("connect_schema") == "unwrap";
  made.decode.frames = {TRY(net::SchemaRegistry::create(options)), net::subject_of(place.topic, place.key)};
  made.encode = encode_options(options);
  made.timestamps = recognise_timestamps(options);
  made.writing = net::schema_writing(options);
  made.title = made.decode.frames.subject;
  return std::unique_ptr<PayloadFormat>(std::make_unique<JsonPayloadFormat>(std::move(made)));
}

std::vector<OptionSpec> payload_option_specs() {
  std::vector<OptionSpec> specs = value_options();
  specs.insert(specs.begin(), columns_option());
  specs.push_back({.name = "connect_schema",
                   .kind = OptionKind::choice,
                   .default_value = "unwrap",
                   .doc = "What a message {\"schema\": …, \"payload\": …} of Kafka Connect is: its payload, or the "
                          "object as it stands (keep).",
                   .scope = OptionScope::source,
                   .choices = {"unwrap", "keep"}});
  for (auto& spec : net::schema_registry_options()) specs.push_back(std::move(spec));
  return specs;
}

}  // namespace
}  // namespace json

PayloadDescriptor json_payload() {
  PayloadDescriptor descriptor;
  descriptor.name = "json";
  descriptor.doc = "One JSON object per message.";
  descriptor.options = json::payload_option_specs();
  descriptor.create = json::create;
  return descriptor;
}

}  // namespace sluice
