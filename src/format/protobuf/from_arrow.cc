// Arrow → a .proto file.
#include <algorithm>
#include <set>

#include <arrow/type.h>

#include "batch/plain.h"
#include "format/protobuf/arrow_schema.h"

namespace sluice::protobuf {
namespace {

using arrow::Type;

// Numbers that protobuf keeps for itself.
constexpr int32_t kInternalFirst = 19'000;
constexpr int32_t kInternalLast = 19'999;

bool is_name(const std::string& name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c); });
}

// What stands before a field's name, without optional and repeated.
struct FieldType {
  std::string text;    // "int64", "map<string, double>"
  bool scalar = true;  // optional says whether it is there
  bool repeated = false;
  arrow::FieldVector nested;  // of a message that has to be defined: `text` is to be its name
};

// The same of a field that is there already; "message" for one of its own.
std::string type_text(const Field& field) {
  if (field.map) {
    const auto& entry = field.message->fields;
    return fmt::format("map<{}, {}>", to_string(entry[0].kind), type_text(entry[1]));
  }
  if (field.message == nullptr) return std::string(to_string(field.kind));
  return field.message->known == WellKnown::none ? "message" : field.message->name;
}

class FileText {
 public:
  Result<std::string> file(const arrow::Schema& schema, const std::string& name, const Message* previous) {
    std::string body = TRY(message(schema.fields(), name, previous, ""));
    std::string out = "syntax = \"proto3\";\n";
    if (timestamps_) out += "import \"google/protobuf/timestamp.proto\";\n";
    return out + body;
  }

 private:
  Result<std::string> message(const arrow::FieldVector& fields, const std::string& name, const Message* previous,
                              const std::string& indent) {
    std::set<std::string> names;
    for (const auto& field : fields) {
      if (!is_name(field->name())) {
        return user_error("column '{}' has a name that protobuf does not allow; rename it (SELECT … AS …)",
                          field->name());
      }
      names.insert(field->name());
    }
    Numbers numbers(previous);
    std::string below = indent + "  ";
    std::string out = fmt::format("{}message {} {{\n", indent, name);
    for (const auto& field : fields) {
      auto mapped = type(*field->type());
      if (!mapped.ok()) return user_error("column '{}': {}", field->name(), mapped.error().what);
      FieldType type = std::move(mapped).value();
      const Field* before = previous == nullptr ? nullptr : previous->field(std::string_view(field->name()));
      const std::string wanted = type.nested.empty() ? type.text : type.text.empty() ? "message" : type.text;
      if (before != nullptr && (type_text(*before) != wanted || before->repeated != (type.repeated || is_map(type)))) {
        before = nullptr;  // another type under the old name is another field
      }
      if (!type.nested.empty()) {
        std::string nested = field->name();
        nested[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(nested[0])));
        while (!names.insert(nested).second) nested += '_';
        const Message* nested_before = before == nullptr ? nullptr : before->message;
        if (is_map(type)) {
          nested_before = nested_before == nullptr ? nullptr : nested_before->fields[1].message;
          type.text.replace(type.text.find("message"), 7, nested);
        } else {
          type.text = nested;
        }
        out += TRY(message(type.nested, nested, nested_before, below));
      }
      const char* label = type.repeated ? "repeated " : type.scalar && field->nullable() ? "optional " : "";
      out += fmt::format("{}{}{} {} = {};\n", below, label, type.text, field->name(), numbers.of(before));
    }
    for (const auto& gone : numbers.gone()) out += fmt::format("{}reserved {};\n", below, gone);
    return out + indent + "}\n";
  }

  static bool is_map(const FieldType& type) { return type.text.starts_with("map<"); }

  // Hands out field numbers: the old ones to the fields that have them, unused ones to others.
  class Numbers {
   public:
    explicit Numbers(const Message* previous) : previous_(previous) {
      if (previous == nullptr) return;
      for (const auto& field : previous->fields) next_ = std::max(next_, field.number + 1);
      for (const auto& [first, last] : previous->reserved) next_ = std::max(next_, last + 1);
    }
    int32_t of(const Field* before) {
      if (before != nullptr) {
        kept_.insert(before->number);
        return before->number;
      }
      if (next_ >= kInternalFirst && next_ <= kInternalLast) next_ = kInternalLast + 1;
      return next_++;
    }
    [[nodiscard]] std::vector<std::string> gone() const {
      std::vector<std::string> all;
      if (previous_ == nullptr) return all;
      for (const auto& field : previous_->fields) {
        if (!kept_.contains(field.number)) all.push_back(fmt::format("{}", field.number));
      }
      for (const auto& [first, last] : previous_->reserved) {
        all.push_back(first == last ? fmt::format("{}", first) : fmt::format("{} to {}", first, last));
      }
      return all;
    }

   private:
    const Message* previous_;
    int32_t next_ = 1;
    std::set<int32_t> kept_;
  };

  Result<FieldType> type(const arrow::DataType& type) {
    switch (type.id()) {
      case Type::LIST: {
        auto element = TRY(this->type(*type.field(0)->type()));
        if (element.repeated || is_map(element)) {
          return user_error("protobuf has no lists of lists or maps; make the inner one a struct");
        }
        element.repeated = true;
        return element;
      }
      case Type::MAP: {
        const auto& map = static_cast<const arrow::MapType&>(type);
        auto key = TRY(scalar(*map.key_type()));
        if (key == "float" || key == "double" || key == "bytes") {
          return user_error("protobuf has no maps with keys of type {}", type_name(*map.key_type()));
        }
        auto value = TRY(this->type(*map.item_type()));
        if (value.repeated || is_map(value)) return user_error("protobuf has no maps of lists or maps");
        return FieldType{fmt::format("map<{}, {}>", key, value.nested.empty() ? value.text : "message"), false, false,
                         std::move(value.nested)};
      }
      case Type::STRUCT:
        if (type.num_fields() == 0) return user_error("a struct without fields cannot be written");
        return FieldType{"", false, false, type.fields()};
      case Type::TIMESTAMP:
        timestamps_ = true;
        return FieldType{"google.protobuf.Timestamp", false, false, {}};
      default:
        return FieldType{TRY(scalar(type)), true, false, {}};
    }
  }

  static Result<std::string> scalar(const arrow::DataType& type) {
    switch (type.id()) {
      case Type::BOOL:
        return std::string("bool");
      case Type::INT8:
      case Type::INT16:
      case Type::INT32:
        return std::string("int32");
      case Type::INT64:
        return std::string("int64");
      case Type::UINT8:
      case Type::UINT16:
      case Type::UINT32:
        return std::string("uint32");
      case Type::UINT64:
        return std::string("uint64");
      case Type::FLOAT:
        return std::string("float");
      case Type::DOUBLE:
        return std::string("double");
      case Type::BINARY:
      case Type::FIXED_SIZE_BINARY:
        return std::string("bytes");
      case Type::NA:
      case Type::STRING:
      case Type::DECIMAL128:
      case Type::DECIMAL256:
      case Type::DATE32:
      case Type::TIME32:
      case Type::TIME64:
        return std::string("string");
      default:
        return user_error("protobuf cannot hold {}; cast it to text or a number", type_name(type));
    }
  }

  bool timestamps_ = false;
};

}  // namespace

Result<std::string> from_arrow(const arrow::Schema& schema, const std::string& name, const Message* previous) {
  return FileText().file(*plain_schema(schema), name, previous);
}

}  // namespace sluice::protobuf
