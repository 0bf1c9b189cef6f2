#include "format/protobuf/write_node.h"

#include <algorithm>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "format/protobuf/wire.h"

namespace sluice::protobuf {
namespace {

using arrow::Type;

std::string below(const std::string& path, const std::string& name) { return path.empty() ? name : path + "." + name; }

bool is_whole(Kind kind) {
  return wire_type(kind) == WireType::varint
             ? kind != Kind::boolean && kind != Kind::enumeration
             : kind == Kind::fixed32 || kind == Kind::fixed64 || kind == Kind::sfixed32 || kind == Kind::sfixed64;
}

// Whether values of a (plain) column type can be written as `field` at all; each value is checked when it comes.
bool fits(const Field& field, const arrow::DataType& type) {
  const auto id = type.id();
  if (id == Type::NA) return true;
  if (is_whole(field.kind)) return arrow::is_integer(id);
  switch (field.kind) {
    case Kind::boolean:
      return id == Type::BOOL;
    case Kind::float32:
      return id == Type::FLOAT;
    case Kind::float64:
      return id == Type::FLOAT || id == Type::DOUBLE;
    case Kind::enumeration:
      return id == Type::STRING;
    case Kind::bytes:
      return id == Type::BINARY || id == Type::FIXED_SIZE_BINARY;
    case Kind::string:
      return id == Type::STRING || arrow::is_decimal(id) || id == Type::DATE32 || arrow::is_time(id) ||
             arrow::is_integer(id);
    default:
      break;
  }
  switch (field.message->known) {
    case WellKnown::none:
      return id == Type::STRUCT;
    case WellKnown::timestamp:
      return id == Type::TIMESTAMP;
    case WellKnown::duration:
      return id == Type::INTERVAL_MONTH_DAY_NANO || id == Type::DURATION;
    case WellKnown::wrapper:
      return fits(field.message->fields[0], type);
    case WellKnown::json:
      return false;
  }
  return false;
}

}  // namespace

Result<WriteNode> WriteNode::of_message(const Message& message, const arrow::FieldVector& columns,
                                        const std::string& path) {
  WriteNode node;
  node.path = path;
  for (const auto& column : columns) {
    if (message.field(std::string_view(column->name())) == nullptr) {
      return user_error("the message {} has no field for column '{}'; leave it out of the SELECT", message.name,
                        below(path, column->name()));
    }
  }
  for (const auto& field : message.fields) {
    auto column =
        std::find_if(columns.begin(), columns.end(), [&](const auto& one) { return one->name() == field.name; });
    if (column != columns.end()) {
      node.children.push_back(TRY(of_field(field, (*column)->type(), below(path, field.name))));
    } else if (field.required) {
      return user_error("the message {} requires the field '{}', and there is no such column", message.name,
                        below(path, field.name));
    }
  }
  return node;
}

Result<WriteNode> WriteNode::of_field(const Field& field, const TypePtr& type, const std::string& path) {
  WriteNode node;
  node.field = &field;
  node.path = path;
  node.type = type;
  auto mismatch = [&] {
    return user_error("column '{}' is a {}, which the field {} {} cannot hold", path, type_name(*type),
                      field.message != nullptr ? std::string_view(field.message->name) : to_string(field.kind),
                      field.name);
  };
  put_varint(static_cast<uint64_t>(field.number) << 3 | static_cast<uint64_t>(wire_type(field.kind)), node.tag);
  if (field.map) {
    if (type->id() != Type::MAP) return mismatch();
    const auto& map = static_cast<const arrow::MapType&>(*type);
    node.children.push_back(TRY(of_field(field.message->fields[0], map.key_type(), path)));
    node.children.push_back(TRY(of_field(field.message->fields[1], map.item_type(), path)));
    return node;
  }
  if (field.repeated) {
    if (type->id() != Type::LIST && type->id() != Type::FIXED_SIZE_LIST) return mismatch();
    WriteNode element;
    element.field = &field;
    element.path = path;
    element.tag = node.tag;
    element.type = type->field(0)->type();
    if (!fits(field, *element.type)) return mismatch();
    TRY(of_value(element));
    node.packed = field.packed;
    if (field.packed) {
      node.tag.clear();
      put_varint(static_cast<uint64_t>(field.number) << 3 | static_cast<uint64_t>(WireType::length), node.tag);
    }
    node.children.push_back(std::move(element));
    return node;
  }
  if (!fits(field, *type)) return mismatch();
  node.has_default = !field.presence && !field.required;
  node.omits_zero = node.has_default && field.default_bits == 0 && !field.default_text;
  TRY(of_value(node));
  return node;
}

Result<void> WriteNode::of_value(WriteNode& node) {
  if (node.field->enumeration != nullptr) {
    for (const auto& [number, name] : node.field->enumeration->names) node.symbols.emplace(name, number);
  }
  if (node.field->message == nullptr) return {};
  if (node.field->message->known == WellKnown::wrapper) {
    auto inner = TRY(of_field(node.field->message->fields[0], node.type, node.path));
    node.children.push_back(std::move(inner));
  } else if (node.field->message->known == WellKnown::none) {
    if (node.type->id() == Type::NA) return {};
    node.children = TRY(of_message(*node.field->message, node.type->fields(), node.path)).children;
  }
  return {};
}

void WriteNode::bind(const arrow::Array& bound) {
  array = &bound;
  const auto& data = *bound.data();
  offset = data.offset;
  validity = !data.buffers.empty() && data.buffers[0] != nullptr ? data.buffers[0]->data() : nullptr;
  values = data.buffers.size() > 1 && data.buffers[1] != nullptr ? data.buffers[1]->data() : nullptr;
  if (children.empty()) return;
  switch (type->id()) {
    case Type::LIST:
      children[0].bind(*static_cast<const arrow::ListArray&>(bound).values());
      break;
    case Type::FIXED_SIZE_LIST:
      children[0].bind(*static_cast<const arrow::FixedSizeListArray&>(bound).values());
      break;
    case Type::MAP:
      children[0].bind(*static_cast<const arrow::MapArray&>(bound).keys());
      children[1].bind(*static_cast<const arrow::MapArray&>(bound).items());
      break;
    case Type::STRUCT:
      for (auto& child : children) {
        const auto& group = static_cast<const arrow::StructArray&>(bound);
        child.bind(*group.field(static_cast<const arrow::StructType&>(*type).GetFieldIndex(child.field->name)));
      }
      break;
    default:  // a wrapper
      children[0].bind(bound);
      break;
  }
}

}  // namespace sluice::protobuf
