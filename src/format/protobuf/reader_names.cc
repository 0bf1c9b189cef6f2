#include "format/protobuf/reader_names.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <arrow/type.h>

#include "batch/plain.h"

namespace sluice::protobuf {
namespace {

// Messages made of those of two schemas, which live as long.
struct JoinedMessages {
  SchemaRef reader;
  SchemaRef written;
  std::deque<Message> made;
};

// The fields of the messages that a column's values are; null: they are none.
const arrow::FieldVector* fields_below(const arrow::DataType& column) {
  const auto* type = &column;
  if (type->id() == arrow::Type::LIST) type = type->field(0)->type().get();
  if (type->id() == arrow::Type::MAP) type = static_cast<const arrow::MapType&>(*type).item_type().get();
  return type->id() == arrow::Type::STRUCT ? &type->fields() : nullptr;
}

bool same_bytes(const Field& a, const Field& b) {
  return wire_type(a.kind) == wire_type(b.kind) && a.repeated == b.repeated && a.map == b.map &&
         (a.message == nullptr) == (b.message == nullptr);
}

class MessageJoiner {
 public:
  explicit MessageJoiner(JoinedMessages& joined) : joined_(joined) {}

  // `reader`, or a copy that has more.
  const Message* join(const Message& written, const Message& reader, const arrow::FieldVector* wanted, bool all) {
    if (written.known != WellKnown::none || reader.known != WellKnown::none || (!all && wanted == nullptr)) {
      return &reader;
    }
    Message made = reader;
    bool same = true;
    for (const auto& field : written.fields) {
      auto at = std::find_if(made.fields.begin(), made.fields.end(),
                             [&](const Field& own) { return own.number == field.number; });
      const bool known = at != made.fields.end();
      const auto* type = all ? nullptr : type_named(*wanted, known ? at->name : field.name);
      if (!all && type == nullptr) continue;
      if (known) {
        same = !adapt(field, type == nullptr ? nullptr : fields_below(*type), all, *at) && same;
        continue;
      }
      Field own = field;
      own.oneof = oneof_of(field, written, reader);
      at = std::find_if(made.fields.begin(), made.fields.end(),
                        [&](const Field& other) { return other.name == field.name; });
      if (at == made.fields.end()) {
        made.fields.push_back(std::move(own));
      } else if (written.field(at->number) == nullptr) {
        *at = std::move(own);
      } else {
        continue;
      }
      same = false;
    }
    return same ? &reader : &joined_.made.emplace_back(std::move(made));
  }

 private:
  // `own`, of the same number, becomes what `written` can be read with; false: it was that.
  bool adapt(const Field& written, const arrow::FieldVector* wanted, bool all, Field& own) {
    if (!same_bytes(written, own)) {
      if (all) return false;  // asked for what the columns are
      const std::string name = own.name;
      own = written;
      own.name = name;
      own.oneof = -1;
      return true;
    }
    if (own.message == nullptr) return false;
    const Message* before = own.message;
    own.message =
        own.map ? entries(*written.message, *before, wanted, all) : join(*written.message, *before, wanted, all);
    return own.message != before;
  }

  const Message* entries(const Message& written, const Message& reader, const arrow::FieldVector* wanted, bool all) {
    Message made = reader;
    return adapt(written.fields[1], wanted, all, made.fields[1]) ? &joined_.made.emplace_back(std::move(made))
                                                                 : &reader;
  }

  // A field that the reader lacks is one of the reader's oneof where another one of the writer's is.
  static int32_t oneof_of(const Field& field, const Message& written, const Message& reader) {
    if (field.oneof < 0) return -1;
    int32_t free = 0;
    for (const auto& own : reader.fields) free = std::max(free, own.oneof + 1);
    for (const auto& other : written.fields) {
      const auto* own = other.oneof == field.oneof ? reader.field(other.number) : nullptr;
      if (own != nullptr && own->oneof >= 0) return own->oneof;
    }
    return free + field.oneof;
  }

  JoinedMessages& joined_;
};

}  // namespace

OwnedMessage with_dropped_fields(const OwnedMessage& reader, const OwnedMessage& written,
                                 const arrow::FieldVector* wanted) {
  auto joined = std::make_shared<JoinedMessages>(JoinedMessages{reader.schema, written.schema, {}});
  const auto* message = MessageJoiner(*joined).join(*written.message, *reader.message, wanted, wanted == nullptr);
  return {SchemaRef(joined, reader.schema.get()), message};
}

}  // namespace sluice::protobuf
