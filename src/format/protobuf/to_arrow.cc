// Protobuf → Arrow.
#include <algorithm>

#include <arrow/type.h>

#include "format/protobuf/arrow_schema.h"

namespace sluice::protobuf {
namespace {

constexpr int kColumnsMax = 50'000;

class Mapper {
 public:
  Result<arrow::FieldVector> fields(const Message& message) {
    if (std::find(above_.begin(), above_.end(), &message) != above_.end()) {
      return user_error("the message {} contains itself, which columns cannot; read it with format := raw",
                        message.name);
    }
    above_.push_back(&message);
    arrow::FieldVector fields;
    for (const auto& field : message.fields) {
      if (++columns_ > kColumnsMax)
        return user_error("the message {} has more than {} fields", message.name, kColumnsMax);
      fields.push_back(arrow::field(field.name, TRY(type(field))));
    }
    above_.pop_back();
    return fields;
  }

 private:
  Result<TypePtr> type(const Field& field) {
    if (field.map) {
      auto key = TRY(value(field.message->fields[0]));
      return arrow::map(std::move(key), TRY(value(field.message->fields[1])));
    }
    auto one = TRY(value(field));
    return field.repeated ? arrow::list(std::move(one)) : one;
  }

  Result<TypePtr> value(const Field& field) {
    switch (field.kind) {
      case Kind::int32:
      case Kind::sint32:
      case Kind::sfixed32:
        return arrow::int32();
      case Kind::int64:
      case Kind::sint64:
      case Kind::sfixed64:
        return arrow::int64();
      case Kind::uint32:
      case Kind::fixed32:
        return arrow::uint32();
      case Kind::uint64:
      case Kind::fixed64:
        return arrow::uint64();
      case Kind::float32:
        return arrow::float32();
      case Kind::float64:
        return arrow::float64();
      case Kind::boolean:
        return arrow::boolean();
      case Kind::string:
      case Kind::enumeration:
        return arrow::utf8();
      case Kind::bytes:
        return arrow::binary();
      case Kind::message:
      case Kind::group:
        return message(*field.message);
    }
    return bug("a protobuf field of no kind");
  }

  Result<TypePtr> message(const Message& message) {
    switch (message.known) {
      case WellKnown::timestamp:
        return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
      case WellKnown::duration:
        return arrow::month_day_nano_interval();
      case WellKnown::wrapper:
        return value(message.fields[0]);
      case WellKnown::json:
        return arrow::utf8();
      case WellKnown::none:
        break;
    }
    return arrow::struct_(TRY(fields(message)));
  }

  std::vector<const Message*> above_;
  int columns_ = 0;
};

}  // namespace

Result<SchemaPtr> to_arrow(const Message& message) { return arrow::schema(TRY(Mapper().fields(message))); }

}  // namespace sluice::protobuf
