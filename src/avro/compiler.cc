#include "avro/compiler.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "avro/default_value.h"

namespace sluice::avro {
namespace {

Error mismatch(const Type& from, const Type& to, const std::string& path) {
  return user_error("field {}: {} cannot be read as {}", path, describe(from), describe(to));
}

ReadNode make(ReadOp op, const Type& from, Column& out, const std::string& path) {
  ReadNode node;
  node.op = op;
  node.type = &from;
  node.out = &out;
  node.path = path;
  return node;
}

bool is_bytes(Kind kind) { return kind == Kind::bytes || kind == Kind::string; }

bool same_name(const Type& from, const Type& to) {
  auto is_it = [&](const std::string& name) { return unqualified(name) == unqualified(from.name); };
  return is_it(to.name) || std::any_of(to.aliases.begin(), to.aliases.end(), is_it);
}

bool promotes(Kind from, Kind to) {
  switch (from) {
    case Kind::int32:
      return to == Kind::int64 || to == Kind::float32 || to == Kind::float64;
    case Kind::int64:
      return to == Kind::float32 || to == Kind::float64;
    case Kind::float32:
      return to == Kind::float64;
    case Kind::bytes:
    case Kind::string:
      return is_bytes(to);
    default:
      return false;
  }
}

// The branch of the reader's union that a value of `from` becomes: the same type by name, the same kind, a promotion.
const Type* best_branch(const Type& from, const Type& either) {
  for (const auto* branch : either.branches) {
    if (branch->kind == from.kind && (!is_named(from.kind) || same_name(from, *branch))) return branch;
  }
  for (const auto* branch : either.branches) {
    if (branch->kind == from.kind) return branch;
  }
  for (const auto* branch : either.branches) {
    if (promotes(from.kind, branch->kind)) return branch;
  }
  return nullptr;
}

bool has_null(const Type& either) {
  return std::any_of(either.branches.begin(), either.branches.end(),
                     [](const Type* branch) { return branch->kind == Kind::null; });
}

// Where a union becomes a struct: the field that stands for one of its branches.
size_t member_of(const Type& either, const Type& branch) {
  size_t member = 0;
  for (const auto* other : either.branches) {
    if (other == &branch) break;
    if (other->kind != Kind::null) ++member;
  }
  return member;
}

// The reader's union is a struct of members, not just a nullable type.
bool has_members(const Type& either) { return optional_of(either) == nullptr && either.branches.size() != 1; }

const Field* field_named(const Type& record, const std::string& name) {
  for (const auto& field : record.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

// The reader's field that the writer's field is: by name, else by one of the reader's aliases.
const Field* find_field(const Type& from, const Type& to, const Field& written) {
  if (const auto* field = field_named(to, written.name)) return field;
  for (const auto& field : to.fields) {
    bool alias = std::find(field.aliases.begin(), field.aliases.end(), written.name) != field.aliases.end();
    if (alias && field_named(from, field.name) == nullptr) return &field;
  }
  return nullptr;
}

ReadOp number_op(Kind from, const arrow::DataType& to) {
  const bool is_int = from == Kind::int32;
  switch (to.id()) {
    case arrow::Type::TIME32:
      return ReadOp::time32;
    case arrow::Type::TIME64:
      return ReadOp::time64;
    case arrow::Type::FLOAT:
      return from == Kind::float32 ? ReadOp::float32 : ReadOp::int_to_float32;
    case arrow::Type::DOUBLE:
      if (from == Kind::float64) return ReadOp::float64;
      return from == Kind::float32 ? ReadOp::float32_to_64 : ReadOp::int_to_float64;
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return is_int ? ReadOp::int32 : ReadOp::fail;
    default:
      return ReadOp::int64;
  }
}

}  // namespace

ReadNode Compiler::skip(const Type& from) {
  ReadNode node;
  node.op = ReadOp::skip;
  node.type = &from;
  return node;
}

Result<ReadNode> Compiler::compile(const Type& from, const Type& to, Column& out, const std::string& path) {
  if (from.kind == Kind::either) return compile_from_either(from, to, out, path);
  if (to.kind == Kind::either) return compile_to_either(from, to, out, path);
  return compile_plain(from, to, out, path);
}

// Each branch of the writer's by itself; what cannot be taken is an error once such a value comes.
Result<ReadNode> Compiler::compile_from_either(const Type& from, const Type& to, Column& out, const std::string& path) {
  auto node = make(ReadOp::either, from, out, path);
  Result<void> refused;
  bool any = false;
  for (const auto* branch : from.branches) {
    auto child = compile(*branch, to, out, path);
    if (child.ok()) {
      any = any || branch->kind != Kind::null || from.branches.size() == 1;
      node.children.push_back(std::move(child).value());
      continue;
    }
    auto failing = make(ReadOp::fail, *branch, out, path);
    failing.path = child.error().what;
    node.children.push_back(std::move(failing));
    if (branch->kind != Kind::null) refused = std::move(child).error();
  }
  if (!any && !refused.ok()) return std::move(refused).error();
  // The common case has a node of its own: the value, with the null beside it.
  if (node.children.size() == 2) {
    for (int8_t null = 0; null < 2; ++null) {
      auto& value = node.children[static_cast<size_t>(1 - null)];
      const bool simple = node.children[static_cast<size_t>(null)].op == ReadOp::nothing && value.null_branch < 0 &&
                          value.op != ReadOp::nothing && value.op != ReadOp::fail;
      if (!simple) continue;
      auto both = std::move(value);
      both.null_branch = null;
      return both;
    }
  }
  return node;
}

Result<ReadNode> Compiler::compile_to_either(const Type& from, const Type& to, Column& out, const std::string& path) {
  if (from.kind == Kind::null) {
    if (!has_null(to)) return mismatch(from, to, path);
    return make(ReadOp::nothing, from, out, path);
  }
  const auto* branch = best_branch(from, to);
  if (branch == nullptr) return mismatch(from, to, path);
  if (!has_members(to)) return compile(from, *branch, out, path);
  auto node = make(ReadOp::member, from, out, path);
  node.member = member_of(to, *branch);
  node.children.push_back(TRY(compile(from, *branch, out.child(node.member), path)));
  return node;
}

Result<ReadNode> Compiler::compile_plain(const Type& from, const Type& to, Column& out, const std::string& path) {
  if (from.logical != to.logical && from.logical != Logical::none && to.logical != Logical::none) {
    return mismatch(from, to, path);
  }
  if (is_bytes(from.kind) || from.kind == Kind::fixed) return compile_bytes(from, to, out, path);
  if (from.kind != to.kind && !promotes(from.kind, to.kind)) return mismatch(from, to, path);
  switch (from.kind) {
    case Kind::null:
      return make(ReadOp::nothing, from, out, path);
    case Kind::boolean:
      return make(ReadOp::boolean, from, out, path);
    case Kind::enumeration:
      return compile_enumeration(from, to, out, path);
    case Kind::array:
    case Kind::map:
      return compile_blocks(from, to, out, path);
    case Kind::record: {
      std::vector<Column*> columns(to.fields.size(), nullptr);
      for (size_t i = 0; i < to.fields.size(); ++i) {
        int index = static_cast<const arrow::StructType&>(*out.type()).GetFieldIndex(to.fields[i].column);
        if (index >= 0) columns[i] = &out.child(static_cast<size_t>(index));
      }
      auto node = TRY(compile_record(from, to, columns, path));
      node.out = &out;
      return node;
    }
    default:
      return compile_number(from, to, out, path);
  }
}

Result<ReadNode> Compiler::compile_number(const Type& from, const Type& to, Column& out, const std::string& path) {
  auto op = number_op(from.kind, *out.type());
  if (op == ReadOp::fail) return mismatch(from, to, path);
  return make(op, from, out, path);
}

Result<ReadNode> Compiler::compile_bytes(const Type& from, const Type& to, Column& out, const std::string& path) {
  const bool fixed = from.kind == Kind::fixed;
  auto node = make(ReadOp::text, from, out, path);
  node.size = from.size;
  if (to.logical == Logical::decimal && (fixed || from.kind == Kind::bytes)) {
    if (from.logical == Logical::decimal && from.scale != to.scale) return mismatch(from, to, path);
    node.op = ReadOp::decimal;
    node.precision = to.precision;
    return node;
  }
  if (to.logical == Logical::decimal) return mismatch(from, to, path);
  if (fixed) {
    if (to.kind != Kind::fixed || to.size != from.size) return mismatch(from, to, path);
    node.op = to.logical == Logical::uuid       ? ReadOp::uuid
              : to.logical == Logical::duration ? ReadOp::duration
                                                : ReadOp::fixed;
    return node;
  }
  if (!is_bytes(to.kind)) return mismatch(from, to, path);
  node.op = to.kind == Kind::string ? ReadOp::text : ReadOp::binary;
  return node;
}

Result<ReadNode> Compiler::compile_enumeration(const Type& from, const Type& to, Column& out, const std::string& path) {
  auto node = make(ReadOp::symbol, from, out, path);
  for (const auto& symbol : from.symbols) {
    bool known = std::find(to.symbols.begin(), to.symbols.end(), symbol) != to.symbols.end();
    node.symbols.push_back(known || !to.fallback ? symbol : *to.fallback);
    node.symbol_known.push_back(known || to.fallback.has_value());
  }
  return node;
}

Result<ReadNode> Compiler::compile_blocks(const Type& from, const Type& to, Column& out, const std::string& path) {
  auto node = make(ReadOp::blocks, from, out, path);
  node.size = from.element->bytes_min;
  auto& entries = out.child(0);
  const bool is_map = out.type()->id() == arrow::Type::MAP;
  if (from.kind == Kind::map) {
    node.size += 1;  // the key
    node.children.push_back(make(ReadOp::text, from, entries.child(0), path + "[]"));
    node.children.push_back(TRY(compile(*from.element, *to.element, entries.child(1), path + "[]")));
  } else if (is_map) {  // an array of entries
    if (from.element->kind != Kind::record) return mismatch(from, to, path);
    node.children.push_back(
        TRY(compile_record(*from.element, *to.element, {&entries.child(0), &entries.child(1)}, path + "[]")));
  } else {
    node.children.push_back(TRY(compile(*from.element, *to.element, entries, path + "[]")));
  }
  return node;
}

Result<ReadNode> Compiler::compile_default(const Field& field, Column& out, const std::string& path) {
  if (!field.default_json) {
    return user_error("field {}: it was not written, and the reader schema gives no default for it", path);
  }
  auto encoded = encode_default(*field.default_json, *field.type);
  if (!encoded.ok()) return user_error("field {}: {}", path, encoded.error().what);
  auto node = make(ReadOp::constant, *field.type, out, path);
  node.bytes = std::move(encoded).value();
  node.bytes.push_back(0);  // not part of it: an empty value, too, has an address
  node.children.push_back(TRY(compile(*field.type, *field.type, out, path)));
  return node;
}

Result<ReadNode> Compiler::compile_record(const Type& from, const Type& to, const std::vector<Column*>& columns,
                                          const std::string& path) {
  ReadNode node;
  node.op = ReadOp::record;
  node.type = &from;
  node.path = path;
  std::vector<bool> filled(to.fields.size(), false);
  for (const auto& written : from.fields) {
    const auto* field = find_field(from, to, written);
    const auto index = field == nullptr ? 0 : static_cast<size_t>(field - to.fields.data());
    if (field != nullptr && filled[index]) field = nullptr;  // a second one by alias
    if (field != nullptr) filled[index] = true;
    if (field == nullptr || columns[index] == nullptr) {
      node.children.push_back(skip(*written.type));
    } else {
      node.children.push_back(TRY(compile(*written.type, *field->type, *columns[index], below(path, field->column))));
    }
  }
  for (size_t i = 0; i < to.fields.size(); ++i) {
    if (filled[i] || columns[i] == nullptr) continue;
    const auto& field = to.fields[i];
    node.children.push_back(TRY(compile_default(field, *columns[i], below(path, field.column))));
  }
  return node;
}

}  // namespace sluice::avro
