#include "format/protobuf/protobuf_payload.h"

#include <arrow/type.h>

#include "format/protobuf/arrow_schema.h"
#include "format/protobuf/payload_decoder.h"
#include "format/protobuf/payload_encoder.h"
#include "format/protobuf/reader_names.h"
#include "format/protobuf/wire.h"
#include "format/protobuf/writer.h"
#include "net/schema_registry.h"
#include "port/columns_only.h"

namespace sluice {
namespace protobuf {
namespace {

struct Options {
  SchemaPtr declared;                       // columns
  SchemaRef given;                          // schema_file
  std::shared_ptr<PayloadSchemas> schemas;  // null: no registry
  net::SchemaWriting writing;
  std::string message;  // empty: the only one, or the one that the payloads say
  std::string written_name;
  bool refuse_unknown = true;
};

class ProtobufPayloadFormat final : public PayloadFormat {
 public:
  explicit ProtobufPayloadFormat(Options options) : options_(std::move(options)) {}

  Result<SchemaPtr> infer(Context& context, std::span<const Payload> sample) override {
    TRY(find_reader(context, sample));
    if (options_.declared != nullptr) return options_.declared;
    SchemaPtr schema = message_ == nullptr ? nullptr : TRY(to_arrow(*message_));
    if (options_.schemas != nullptr) schema = TRY(with_sample(context, std::move(schema), sample));
    if (schema != nullptr) return schema;
    return user_error(
        "the schema registry {} has no subject {}, and there is no message yet that tells its schema; "
        "give it with schema_file",
        options_.schemas->registry().name(), options_.schemas->subject());
  }

  Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    return plan_columns_only(schema, request);
  }

  Result<std::unique_ptr<PayloadDecoder>> create_decoder(Context& context, const DecoderOptions& options) override {
    if (message_ == nullptr && options_.schemas == nullptr) TRY(find_reader(context, {}));
    PayloadDecoding decoding;
    decoding.schemas = options_.schemas;
    decoding.reader = reader_;
    decoding.message = message_;
    decoding.full = options.schema;
    decoding.planned = TRY(plan(options.schema, options.request)).schema;
    decoding.refuse_unknown = options_.refuse_unknown;
    decoding.collect_rejects = options.collect_rejects;
    return make_payload_decoder(std::move(decoding));
  }

  Result<void> validate_schema(const arrow::Schema& schema) const override {
    if (options_.given == nullptr) {
      TRY(from_arrow(schema, options_.written_name, nullptr));
    } else {
      TRY(MessageWriter::make(options_.given, *TRY(options_.given->message(options_.message)), schema));
    }
    return {};
  }

  Result<std::unique_ptr<PayloadEncoder>> create_encoder(Context& context, const SchemaPtr& schema) override {
    SchemaRef written = options_.given;
    if (written == nullptr) written = TRY(schema_of(context, *schema));
    const auto* message = TRY(written->message(options_.given == nullptr ? options_.written_name : options_.message));
    std::optional<int32_t> id;
    if (options_.schemas != nullptr) {
      id = TRY(options_.schemas->publish(context, options_.writing, written->text(), written->imports()));
    }
    return make_payload_encoder(std::move(written), *message, *schema, id);
  }

 private:
  // The message that rows are read with: the file's, else that of the registry's latest schema.
  Result<void> find_reader(Context& context, std::span<const Payload> sample) {
    reader_ = options_.given;
    message_ = nullptr;
    if (reader_ == nullptr && options_.schemas == nullptr) {
      return user_error("Protobuf messages do not say what they hold: name the schema_registry or a schema_file");
    }
    if (reader_ == nullptr) reader_ = TRY(options_.schemas->latest(context));
    if (reader_ == nullptr) return {};
    if (options_.given != nullptr || !options_.message.empty()) {
      message_ = TRY(reader_->message(options_.message));
      return {};
    }
    // Which of its messages, the payloads say; usually the first one.
    std::vector<int32_t> path = {0};
    for (const auto& payload : sample) {
      auto framed = payload ? net::unframe(*payload) : std::nullopt;
      if (!framed) continue;
      const auto* begin = reinterpret_cast<const uint8_t*>(framed->body.data());
      std::vector<int32_t> found;
      if (get_message_path(begin, begin + framed->body.size(), &found) == nullptr) continue;
      path = std::move(found);
      break;
    }
    message_ = reader_->message_at(path);
    if (message_ == nullptr) reader_ = nullptr;
    return {};
  }

  // Old messages may have fields that the latest schema has dropped. What cannot be told, or has no common type with
  // what is known, is left to the decoder.
  Result<SchemaPtr> with_sample(Context& context, SchemaPtr schema, std::span<const Payload> sample) {
    std::vector<std::pair<int32_t, std::vector<int32_t>>> seen;
    for (const auto& payload : sample) {
      auto framed = payload ? net::unframe(*payload) : std::nullopt;
      if (!framed) continue;
      std::pair<int32_t, std::vector<int32_t>> key{framed->schema_id, {}};
      const auto* begin = reinterpret_cast<const uint8_t*>(framed->body.data());
      if (get_message_path(begin, begin + framed->body.size(), &key.second) == nullptr) continue;
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
      seen.push_back(key);
      auto found = TRY(options_.schemas->find(context, key.first));
      const Message* message = found.schema == nullptr ? nullptr : found.schema->message_at(key.second);
      if (message == nullptr || (message_ != nullptr && message_->name != message->name)) continue;
      auto written = to_arrow(*message);
      if (!written.ok()) continue;
      // A field that only has another name now is no other field.
      if (message_ != nullptr) {
        written = to_arrow(*with_dropped_fields({reader_, message_}, {found.schema, message}, nullptr).message);
      }
      if (written.ok() && schema != nullptr) written = unify(schema, written.value());
      if (written.ok()) schema = std::move(written).value();
    }
    return schema;
  }

  // A file made for the columns, which goes on with the numbers that the registry's latest schema has.
  Result<SchemaRef> schema_of(Context& context, const arrow::Schema& schema) {
    const Message* previous = nullptr;
    SchemaRef latest;
    if (options_.schemas != nullptr) latest = TRY(options_.schemas->latest(context));
    if (latest != nullptr) {
      auto same = latest->message(options_.written_name);
      previous = same.ok() ? same.value() : nullptr;
    }
    auto text = TRY(from_arrow(schema, options_.written_name, previous));
    return Schema::parse({options_.written_name + ".proto", std::move(text)}, {});
  }

  const Options options_;
  SchemaRef reader_;
  const Message* message_ = nullptr;  // of reader_
};

// A name that Protobuf allows, made of the topic's.
std::string name_of(const PayloadPlace& place) {
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

Result<std::unique_ptr<PayloadFormat>> create(const OptionValues& options, const PayloadPlace& place) {
  Options made;
  made.declared = TRY(declared_columns(options));
  if (options.has("message")) made.message = options.text("message");
  if (options.has("schema_file") && !options.text("schema_file").empty()) {
    auto file = Schema::read_file(options.text("schema_file"));
    if (!file.ok()) return user_error("{}: {}", options.where("schema_file"), file.error().what);
    made.given = std::move(file).value();
    auto message = made.given->message(made.message);
    if (!message.ok()) {
      const auto& where = options.where(made.message.empty() ? "schema_file" : "message");
      return user_error("{}: {}", where, message.error().what);
    }
  }
  auto registry = TRY(net::SchemaRegistry::create(options));
  if (registry != nullptr) {
    made.schemas = std::make_shared<PayloadSchemas>(std::move(registry), net::subject_of(place.topic, place.key));
  }
  made.writing = net::schema_writing(options);
  made.written_name = made.message.empty() ? name_of(place) : made.message;
  made.refuse_unknown = options.text("unknown_fields") == "error";
  return std::unique_ptr<PayloadFormat>(std::make_unique<ProtobufPayloadFormat>(std::move(made)));
}

}  // namespace
}  // namespace protobuf

PayloadDescriptor protobuf_payload() {
  PayloadDescriptor descriptor;
  descriptor.name = "protobuf";
  descriptor.doc = "One Protobuf message per message, its schema from a schema registry or a .proto file.";
  descriptor.options = {
      columns_option(),
      {.name = "schema_file", .doc = "A .proto file; what it imports lies beside it or in a folder above."},
      {.name = "message",
       .doc = "Which message of the schema it is, by full or last name; by default the only one, or the one that the "
              "payloads name. Written without schema_file, the name of the message that is made."},
      unknown_fields_option(),
  };
  for (auto& option : net::schema_registry_options()) descriptor.options.push_back(std::move(option));
  descriptor.create = protobuf::create;
  return descriptor;
}

}  // namespace sluice
