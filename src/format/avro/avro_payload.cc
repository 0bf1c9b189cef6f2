#include "format/avro/avro_payload.h"

#include <set>

#include <arrow/type.h>

#include "avro/arrow_schema.h"
#include "avro/writer.h"
#include "format/avro/payload_decoder.h"
#include "format/avro/payload_encoder.h"
#include "format/avro/reader_names.h"
#include "format/avro/schema_file.h"
#include "net/schema_registry.h"
#include "port/columns_only.h"

namespace sluice {
namespace {

using namespace avro_format_detail;

// A payload may have no bytes (a tombstone): each column may be null.
SchemaPtr nullable(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) fields.push_back(field->WithNullable(true));
  return arrow::schema(std::move(fields));
}

// A name that Avro allows: what registries compare from version to version, so it is the topic's.
std::string record_name_of(const PayloadPlace& place) {
  std::string name;
  for (char c : place.topic) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && name.empty()) name += '_';
    name += letter || digit ? c : '_';
  }
  if (name.empty()) name = "row";
  return place.key ? name + "_key" : name;
}

struct AvroPayloadOptions {
  SchemaPtr declared;                       // columns
  avro::SchemaRef given;                    // schema_file
  std::shared_ptr<PayloadSchemas> schemas;  // null: no registry
  net::SchemaWriting writing;
  std::string record_name;
  bool refuse_unknown = true;
};

class AvroPayloadFormat final : public PayloadFormat {
 public:
  explicit AvroPayloadFormat(AvroPayloadOptions options) : options_(std::move(options)), reader_(options_.given) {}

  Result<SchemaPtr> infer(Context& context, std::span<const Payload> sample) override {
    if (options_.declared != nullptr) return options_.declared;
    if (options_.schemas == nullptr) {
      if (options_.given == nullptr) {
        return user_error(
            "Avro messages do not say what they hold: name the schema_registry, a schema_file or columns");
      }
      return nullable(*TRY(avro::to_arrow(*options_.given)));
    }
    if (options_.given == nullptr) reader_ = TRY(options_.schemas->latest(context));
    SchemaPtr schema = reader_ == nullptr ? nullptr : nullable(*TRY(avro::to_arrow(*reader_)));
    schema = TRY(with_sample(context, std::move(schema), sample));
    if (schema != nullptr) return schema;
    return user_error(
        "the schema registry {} has no subject {}, and there is no message yet that tells its schema; "
        "give it with columns := 'name TYPE, …' or schema_file",
        options_.schemas->registry().name(), options_.schemas->subject());
  }

  Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    return plan_columns_only(schema, request);
  }

  Result<std::unique_ptr<PayloadDecoder>> create_decoder(Context&, const DecoderOptions& options) override {
    PayloadDecoding decoding;
    decoding.schemas = options_.schemas;
    decoding.reader = reader_;
    decoding.full = options.schema;
    decoding.planned = TRY(plan(options.schema, options.request)).schema;
    decoding.refuse_unknown = options_.refuse_unknown;
    decoding.collect_rejects = options.collect_rejects;
    if (decoding.schemas == nullptr && decoding.reader == nullptr) {
      decoding.reader = TRY(avro::from_arrow(*options.schema, "row"));
    }
    return make_payload_decoder(std::move(decoding));
  }

  Result<void> validate_schema(const arrow::Schema& schema) const override {
    TRY(schema_to_write(schema));
    return {};
  }

  Result<std::unique_ptr<PayloadEncoder>> create_encoder(Context& context, const SchemaPtr& schema) override {
    auto avro_schema = TRY(schema_to_write(*schema));
    std::optional<int32_t> id;
    if (options_.schemas != nullptr) {
      net::RegisteredSchema registered{0, net::SchemaKind::avro, avro_schema->json(), {}};
      id = TRY(net::publish_schema(options_.schemas->registry(), options_.writing, options_.schemas->subject(),
                                   registered, context.stop));
    }
    return make_payload_encoder(std::move(avro_schema), *schema, id);
  }

 private:
  // Old messages may have fields that the latest schema has dropped. What cannot be told, or has no common type with
  // what is known, is left to the decoder.
  Result<SchemaPtr> with_sample(Context& context, SchemaPtr schema, std::span<const Payload> sample) {
    std::set<int32_t> seen;
    for (const auto& payload : sample) {
      auto framed = payload ? net::unframe(*payload) : std::nullopt;
      if (!framed || !seen.insert(framed->schema_id).second) continue;
      auto found = TRY(options_.schemas->find(context, framed->schema_id));
      if (found.schema == nullptr) continue;
      auto written = avro::to_arrow(*found.schema);
      if (!written.ok()) continue;
      const bool records = reader_ != nullptr && reader_->root().kind == avro::Kind::record &&
                           found.schema->root().kind == avro::Kind::record;
      if (records) written = avro::to_arrow(*with_dropped_fields(reader_, found.schema, nullptr));
      if (!written.ok()) continue;
      Result<SchemaPtr> both = nullable(*written.value());
      if (schema != nullptr) both = unify(schema, both.value());
      if (both.ok()) schema = std::move(both).value();
    }
    return schema;
  }

  [[nodiscard]] Result<avro::SchemaRef> schema_to_write(const arrow::Schema& schema) const {
    if (options_.given == nullptr) return avro::from_arrow(schema, options_.record_name);
    TRY(avro::RowWriter::make(options_.given, schema));
    return options_.given;
  }

  const AvroPayloadOptions options_;
  avro::SchemaRef reader_;  // what messages are resolved to
};

Result<std::unique_ptr<PayloadFormat>> create(const OptionValues& options, const PayloadPlace& place) {
  AvroPayloadOptions made;
  made.declared = TRY(declared_columns(options));
  made.given = TRY(read_schema_file(options));
  auto registry = TRY(net::SchemaRegistry::create(options));
  if (registry != nullptr) {
    made.schemas = std::make_shared<PayloadSchemas>(std::move(registry), net::subject_of(place.topic, place.key));
  }
  made.writing = net::schema_writing(options);
  const bool named = options.has("record_name") && !options.text("record_name").empty();
  made.record_name = named ? options.text("record_name") : record_name_of(place);
  made.refuse_unknown = options.text("unknown_fields") == "error";
  return std::unique_ptr<PayloadFormat>(std::make_unique<AvroPayloadFormat>(std::move(made)));
}

}  // namespace

PayloadDescriptor avro_payload() {
  PayloadDescriptor descriptor;
  descriptor.name = "avro";
  descriptor.doc = "One Avro record per message, its schema from a schema registry, a file or the columns.";
  descriptor.options = {
      columns_option(),
      {.name = "schema_file",
       .doc = "An Avro schema (JSON, .avsc): read, messages are resolved to it; written, it is theirs."},
      unknown_fields_option(),
      {.name = "record_name",
       .doc = "Name of the root record in the schema that is written; by default made of the topic's.",
       .scope = OptionScope::sink},
  };
  for (auto& option : net::schema_registry_options()) descriptor.options.push_back(std::move(option));
  descriptor.create = create;
  return descriptor;
}

}  // namespace sluice
