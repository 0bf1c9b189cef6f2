#include <arrow/array/data.h>
#include <arrow/type.h>

#include "avro/arrow_schema.h"
#include "avro/default_value.h"
#include "avro/write_node.h"

namespace sluice::avro {
namespace {

Result<WriteNode> either(const Type& type, const std::string& path) {
  if (const auto* only = optional_of(type)) {
    auto node = TRY(compile_writer(*only, path));
    node.null_branch = type.branches[0]->kind == Kind::null ? 0 : 1;
    return node;
  }
  if (type.branches.size() == 1) {
    auto node = TRY(compile_writer(*type.branches[0], path));
    node.only_branch = true;
    return node;
  }
  WriteNode node;
  node.op = WriteOp::member;
  node.type = &type;
  node.path = path;
  for (size_t i = 0; i < type.branches.size(); ++i) {
    const auto& branch = *type.branches[i];
    if (branch.kind == Kind::null) {
      node.null_branch = static_cast<int8_t>(i);
      continue;
    }
    node.branches.push_back(static_cast<int64_t>(i));
    node.children.push_back(TRY(compile_writer(branch, path)));
  }
  return node;
}

WriteOp bytes_op(const Type& type) {
  if (type.logical == Logical::decimal) return WriteOp::decimal;
  if (type.kind != Kind::fixed) return WriteOp::text;
  if (type.logical == Logical::uuid) return WriteOp::uuid;
  return type.logical == Logical::duration ? WriteOp::duration : WriteOp::fixed;
}

Result<WriteNode> blocks(const Type& type, WriteNode node) {
  const auto path = node.path + "[]";
  node.op = type.kind == Kind::map || type.logical == Logical::map ? WriteOp::map : WriteOp::list;
  if (type.kind == Kind::map) {
    WriteNode key;
    key.op = WriteOp::text;
    key.path = path;
    node.children.push_back(std::move(key));
    node.children.push_back(TRY(compile_writer(*type.element, path)));
  } else if (type.logical == Logical::map) {
    for (const auto& field : type.element->fields) node.children.push_back(TRY(compile_writer(*field.type, path)));
  } else {
    node.children.push_back(TRY(compile_writer(*type.element, path)));
  }
  return node;
}

}  // namespace

Result<WriteNode> compile_record_writer(const Type& type, const std::string& path, const arrow::Schema* columns) {
  WriteNode node;
  node.op = WriteOp::record;
  node.type = &type;
  node.path = path;
  for (size_t i = 0; i < type.fields.size(); ++i) {
    const auto& field = type.fields[i];
    const auto field_path = below(path, field.column);
    const bool missing = columns != nullptr && columns->GetFieldIndex(field.column) < 0;
    if (missing && field.default_json) {
      WriteNode constant;
      constant.op = WriteOp::constant;
      auto encoded = encode_default(*field.default_json, *field.type);
      if (!encoded.ok()) return user_error("column '{}': {}", field_path, encoded.error().what);
      constant.bytes = std::move(encoded).value();
      node.columns.push_back(-1);
      node.children.push_back(std::move(constant));
      continue;
    }
    auto child = TRY(compile_writer(*field.type, field_path));
    if (missing && child.null_branch < 0 && child.op != WriteOp::nothing) {
      return user_error("the Avro schema wants a column '{}', which is not there and has no default", field_path);
    }
    node.columns.push_back(static_cast<int>(i));
    node.children.push_back(std::move(child));
  }
  return node;
}

Result<WriteNode> compile_writer(const Type& type, const std::string& path) {
  WriteNode node;
  node.type = &type;
  node.path = path;
  node.size = type.size;
  switch (type.kind) {
    case Kind::null:
      node.op = WriteOp::nothing;
      break;
    case Kind::boolean:
      node.op = WriteOp::boolean;
      break;
    case Kind::int32:
      node.op = WriteOp::int32;
      break;
    case Kind::int64:
      node.op = WriteOp::int64;
      break;
    case Kind::float32:
      node.op = WriteOp::float32;
      break;
    case Kind::float64:
      node.op = WriteOp::float64;
      break;
    case Kind::bytes:
    case Kind::string:
    case Kind::fixed:
      node.op = bytes_op(type);
      if (node.op == WriteOp::decimal) node.width = type.precision > 38 ? 32 : 16;
      break;
    case Kind::enumeration:
      node.op = WriteOp::symbol;
      for (const auto& symbol : type.symbols) node.symbols.emplace(symbol, node.symbols.size());
      break;
    case Kind::array:
    case Kind::map:
      return blocks(type, std::move(node));
    case Kind::record:
      return compile_record_writer(type, path, nullptr);
    case Kind::either:
      return either(type, path);
  }
  return node;
}

void WriteNode::bind(const arrow::ArrayData& data) {
  offset = data.offset;
  validity = data.buffers.empty() || data.buffers[0] == nullptr || data.GetNullCount() == 0 ? nullptr
                                                                                            : data.buffers[0]->data();
  switch (op) {
    case WriteOp::nothing:
    case WriteOp::constant:
      return;
    case WriteOp::text:
    case WriteOp::uuid:
    case WriteOp::symbol:
      offsets = reinterpret_cast<const int32_t*>(data.buffers[1]->data());
      values = data.buffers[2] == nullptr ? nullptr : data.buffers[2]->data();
      return;
    case WriteOp::list:
      offsets = data.buffers[1] == nullptr ? nullptr : reinterpret_cast<const int32_t*>(data.buffers[1]->data());
      children[0].bind(*data.child_data[0]);
      return;
    case WriteOp::map:
      offsets = data.buffers[1] == nullptr ? nullptr : reinterpret_cast<const int32_t*>(data.buffers[1]->data());
      for (size_t i = 0; i < 2; ++i) {
        auto part = data.child_data[0]->child_data[i];
        // Entries may be a slice of their own.
        children[i].bind(*part->Slice(data.child_data[0]->offset, data.child_data[0]->length));
      }
      return;
    case WriteOp::record:
      for (size_t i = 0; i < children.size(); ++i) {
        if (columns[i] >= 0) children[i].bind(*data.child_data[static_cast<size_t>(columns[i])]);
      }
      return;
    case WriteOp::member:
      for (size_t i = 0; i < children.size(); ++i) children[i].bind(*data.child_data[i]);
      return;
    default:
      values = data.buffers[1] == nullptr ? nullptr : data.buffers[1]->data();
      return;
  }
}

}  // namespace sluice::avro
