#include "format/protobuf/payload_decoder.h"

#include <map>
#include <optional>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/plain.h"
#include "format/protobuf/arrow_schema.h"
#include "format/protobuf/reader.h"
#include "format/protobuf/reader_names.h"
#include "format/protobuf/wire.h"
#include "port/payload_groups.h"

namespace sluice::protobuf {
namespace {

// The first field of `written` that would get lost: neither `reader` (null: there is none) has its number, nor the
// columns its name.
std::optional<std::string> lost_field(const Message& written, const Message* reader, const arrow::FieldVector& known) {
  for (const auto& field : written.fields) {
    const Field* target = reader == nullptr ? nullptr : reader->field(field.number);
    const std::string& name = target == nullptr ? field.name : target->name;
    const auto* type = type_named(known, name);
    if (type == nullptr) return name;
    const Message* inner = field.message;
    const Message* inner_reader = target == nullptr ? nullptr : target->message;
    if (type->id() == arrow::Type::LIST) type = type->field(0)->type().get();
    if (type->id() == arrow::Type::MAP && field.map) {
      type = static_cast<const arrow::MapType&>(*type).item_type().get();
      inner = field.message->fields[1].message;
      inner_reader = inner_reader == nullptr ? nullptr : inner_reader->fields[1].message;
    }
    if (inner == nullptr || inner->known != WellKnown::none || type->id() != arrow::Type::STRUCT) continue;
    if (auto below = lost_field(*inner, inner_reader, type->fields())) return name + "." + *below;
  }
  return std::nullopt;
}

class ProtobufPayloadDecoder final : public PayloadDecoder {
 public:
  explicit ProtobufPayloadDecoder(PayloadDecoding decoding) : plan_(std::move(decoding)) {}

  Result<DecodedPayloads> decode(Context& context, std::span<const Payload> payloads) override {
    for (auto& [key, writer] : writers_) {
      if (writer.reader != nullptr && writer.reader->rows() > 0) TRY(writer.reader->take());
      writer.rows.clear();
      if (writer.again) writer = Writer();
    }
    PayloadGroups groups(plan_.planned, payloads.size(), plan_.collect_rejects);
    Key key;
    Key last;
    Writer* writer = nullptr;
    for (size_t i = 0; i < payloads.size(); ++i) {
      if ((i & 4095) == 0 && context.stop.stop_requested()) return cancelled();
      if (!payloads[i]) {
        groups.add_absent(i);
        continue;
      }
      std::string_view bytes = *payloads[i];
      if (plan_.schemas != nullptr && !unframe(bytes, key)) {
        TRY(groups.add_bad(i,
                           "the message does not begin with a zero byte, a schema id and a message's indexes; leave "
                           "out schema_registry where messages carry none"));
        continue;
      }
      if (writer == nullptr || key != last) writer = &writers_[key];
      last = key;
      if (!writer->prepared) TRY(prepare(context, key, *writer));
      if (writer->reader == nullptr) {
        TRY(groups.add_bad(i, writer->problem, writer->unknown_field));
      } else if (writer->reader->read({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()})) {
        writer->rows.push_back(static_cast<int64_t>(i));
      } else {
        TRY(groups.add_bad(i, writer->reader->problem()));
      }
    }
    for (auto& [_, each] : writers_) {
      if (each.rows.empty()) continue;
      TRY(groups.add_rows(TRY(each.reader->take()), std::exchange(each.rows, {})));
    }
    return groups.finish();
  }

 private:
  // Which schema, and which of its messages.
  struct Key {
    int32_t id = 0;
    std::vector<int32_t> path;
    auto operator<=>(const Key&) const = default;
  };
  struct Writer {
    bool prepared = false;
    bool again = false;  // the registry may know the id next time
    std::unique_ptr<MessageReader> reader;
    std::string problem;  // why there is no reader
    bool unknown_field = false;
    std::vector<int64_t> rows;  // the payloads that the reader's rows came from
  };

  static bool unframe(std::string_view& bytes, Key& key) {
    auto framed = net::unframe(bytes);
    if (!framed) return false;
    const auto* begin = reinterpret_cast<const uint8_t*>(framed->body.data());
    const auto* end = begin + framed->body.size();
    const auto* at = get_message_path(begin, end, &key.path);
    if (at == nullptr) return false;
    key.id = framed->schema_id;
    bytes = {reinterpret_cast<const char*>(at), static_cast<size_t>(end - at)};
    return true;
  }

  Result<void> prepare(Context& context, const Key& key, Writer& writer) {
    PayloadSchemas::Found found{plan_.reader, ""};
    if (plan_.schemas != nullptr) found = TRY(plan_.schemas->find(context, key.id));
    writer.prepared = true;
    writer.again = found.schema == nullptr;
    writer.problem = std::move(found.problem);
    if (found.schema == nullptr) return {};
    const Message* message = plan_.schemas == nullptr ? plan_.message : found.schema->message_at(key.path);
    auto made = message == nullptr ? Result<std::unique_ptr<MessageReader>>(
                                         user_error("there is no message {} in it", fmt::join(key.path, ".")))
                                   : reader_of(found.schema, *message, writer);
    if (made.ok()) {
      writer.reader = std::move(made).value();
    } else {
      writer.problem = plan_.schemas == nullptr ? made.error().what
                                                : fmt::format("written with schema {}: {}", key.id, made.error().what);
    }
    return {};
  }

  Result<std::unique_ptr<MessageReader>> reader_of(const SchemaRef& schema, const Message& message, Writer& writer) {
    if (plan_.message != nullptr && plan_.message->name != message.name) {
      return user_error("it is a {}, and {} is what is read; name the one to read with message", message.name,
                        plan_.message->name);
    }
    if (plan_.refuse_unknown) {
      if (auto path = lost_field(message, plan_.message, plan_.full->fields())) {
        writer.unknown_field = true;
        return user_error("field '{}' is not in the schema that is read with; set unknown_fields := ignore to drop it",
                          *path);
      }
    }
    // Fields are known by their numbers: the reader's names hold, also where the writer had others. Those that it
    // dropped come beside its own where rows are to have them.
    if (plan_.message != nullptr) {
      TRY(to_arrow(*plan_.message));
      const auto read =
          with_dropped_fields({plan_.reader, plan_.message}, {schema, &message}, &plan_.planned->fields());
      return MessageReader::make(read.schema, *read.message, plan_.planned.get());
    }
    return MessageReader::make(schema, message, plan_.planned.get());
  }

  const PayloadDecoding plan_;
  std::map<Key, Writer> writers_;
};

}  // namespace

std::unique_ptr<PayloadDecoder> make_payload_decoder(PayloadDecoding decoding) {
  return std::make_unique<ProtobufPayloadDecoder>(std::move(decoding));
}

}  // namespace sluice::protobuf
