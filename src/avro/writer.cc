#include "avro/writer.h"

#include <array>
#include <bit>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "avro/write_node.h"
#include "base/ascii.h"

namespace sluice::avro {
namespace {

template <typename T>
T at(const WriteNode& node, int64_t index) {
  T value;
  std::memcpy(&value, node.values + (node.offset + index) * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

bool is_null(const WriteNode& node, int64_t index) {
  return node.validity != nullptr && !arrow::bit_util::GetBit(node.validity, node.offset + index);
}

ByteSpan text_at(const WriteNode& node, int64_t index) {
  const int32_t begin = node.offsets[node.offset + index];
  const int32_t end = node.offsets[node.offset + index + 1];
  return {node.values + begin, static_cast<size_t>(end - begin)};
}

}  // namespace

RowWriter::RowWriter() = default;
RowWriter::~RowWriter() = default;

Result<std::unique_ptr<RowWriter>> RowWriter::make(SchemaRef schema, const arrow::Schema& columns) {
  const auto& root = schema->root();
  if (root.kind != Kind::record) return user_error("the Avro schema is no record but {}", describe(root));
  std::unique_ptr<RowWriter> made(new RowWriter());
  auto natural = TRY(to_arrow(*schema));
  for (const auto& column : columns.fields()) {
    if (natural->GetFieldIndex(column->name()) < 0) {
      return user_error("the Avro schema has no field for column '{}'; leave it out of the SELECT", column->name());
    }
  }
  made->root_ = std::make_unique<WriteNode>(TRY(compile_record_writer(root, "", &columns)));
  // What takes its default is not asked of the batches; that nothing is null is checked while writing.
  arrow::FieldVector wanted;
  for (size_t i = 0; i < made->root_->children.size(); ++i) {
    if (made->root_->columns[i] < 0) continue;
    made->root_->columns[i] = static_cast<int>(wanted.size());
    wanted.push_back(natural->field(static_cast<int>(i))->WithNullable(true));
  }
  made->wanted_ = arrow::schema(std::move(wanted));
  made->avro_ = std::move(schema);
  return made;
}

Result<void> RowWriter::bind(BatchPtr batch) {
  batch_ = TRY(conform(batch, wanted_));
  for (size_t i = 0; i < root_->children.size(); ++i) {
    if (root_->columns[i] >= 0) root_->children[i].bind(*batch_->column_data(root_->columns[i]));
  }
  return {};
}

Result<int64_t> RowWriter::write(int64_t begin, int64_t bytes_max, Bytes& out) {
  int64_t row = begin;
  for (; row < batch_->num_rows() && out.size() < bytes_max; ++row) TRY(write_row(row, out));
  return row;
}

Result<void> RowWriter::write_row(int64_t row, Bytes& out) {
  const int64_t before = out.size();
  for (const auto& child : root_->children) {
    if (write_value(child, row, out)) continue;
    out.resize_down(before);
    return user_error("row {}: {}", row, problem_);
  }
  return {};
}

bool RowWriter::fail(const WriteNode& node, std::string problem) {
  problem_ = fmt::format("column '{}': {}", node.path, problem);
  return false;
}

bool RowWriter::write_value(const WriteNode& node, int64_t index, Bytes& out) {
  constexpr int64_t kPlainMax = 2 * kVarintBytesMax + 16;
  if (!out.ensure(kPlainMax)) return fail(node, "the row is larger than 2 GB");
  if (node.null_branch >= 0) {
    if (is_null(node, index)) {
      put_varint(out, node.null_branch);
      return true;
    }
    if (node.op != WriteOp::member) put_varint(out, 1 - node.null_branch);
  } else if (is_null(node, index)) {
    return fail(node, "NULL, which the Avro schema does not allow");
  } else if (node.only_branch) {
    out.put<uint8_t>(0);
  }
  switch (node.op) {
    case WriteOp::nothing:
      return true;
    case WriteOp::boolean:
      out.put<uint8_t>(arrow::bit_util::GetBit(node.values, node.offset + index) ? 1 : 0);
      return true;
    case WriteOp::int32:
      put_varint(out, at<int32_t>(node, index));
      return true;
    case WriteOp::int64:
      put_varint(out, at<int64_t>(node, index));
      return true;
    case WriteOp::float32:
      out.put(at<uint32_t>(node, index));
      return true;
    case WriteOp::float64:
      out.put(at<uint64_t>(node, index));
      return true;
    case WriteOp::text: {
      const auto text = text_at(node, index);
      put_varint(out, std::ssize(text));
      if (!out.ensure(std::ssize(text))) return fail(node, "the row is larger than 2 GB");
      out.append(text.data(), std::ssize(text));
      return true;
    }
    case WriteOp::fixed:
      if (!out.ensure(node.size)) return fail(node, "the row is larger than 2 GB");
      out.append(node.values + (node.offset + index) * node.size, node.size);
      return true;
    case WriteOp::uuid:
      return write_uuid(node, index, out);
    case WriteOp::symbol:
      return write_symbol(node, index, out);
    case WriteOp::decimal:
      return write_decimal(node, index, out);
    case WriteOp::duration:
      return write_duration(node, index, out);
    case WriteOp::record:
      for (const auto& child : node.children) {
        if (!write_value(child, node.offset + index, out)) return false;
      }
      return true;
    case WriteOp::list:
    case WriteOp::map:
      return write_blocks(node, index, out);
    case WriteOp::member:
      return write_member(node, index, out);
    case WriteOp::constant:
      if (!out.ensure(std::ssize(node.bytes))) return fail(node, "the row is larger than 2 GB");
      out.append(node.bytes.data(), std::ssize(node.bytes));
      return true;
  }
  return fail(node, "an operation that is not written");
}

bool RowWriter::write_blocks(const WriteNode& node, int64_t index, Bytes& out) {
  const int64_t begin = node.offsets[node.offset + index];
  const int64_t end = node.offsets[node.offset + index + 1];
  if (end > begin) put_varint(out, end - begin);
  for (int64_t i = begin; i < end; ++i) {
    for (const auto& child : node.children) {
      if (!write_value(child, i, out)) return false;
    }
  }
  if (!out.ensure(1)) return fail(node, "the row is larger than 2 GB");
  out.put<uint8_t>(0);
  return true;
}

// Two's complement, big-endian; in bytes as few as hold the sign.
bool RowWriter::write_decimal(const WriteNode& node, int64_t index, Bytes& out) {
  const uint8_t* value = node.values + (node.offset + index) * node.width;
  const uint8_t sign = (value[node.width - 1] & 0x80) != 0 ? 0xff : 0;
  int64_t size = node.width;
  while (size > 1 && value[size - 1] == sign && (value[size - 2] & 0x80) == (sign & 0x80)) --size;
  if (node.size == 0) {
    put_varint(out, size);
  } else if (size > node.size) {
    return fail(node, fmt::format("a decimal that does not fit {} bytes", node.size));
  }
  if (!out.ensure(std::max(node.size, size))) return fail(node, "the row is larger than 2 GB");
  out.fill(sign, std::max<int64_t>(0, node.size - size));
  for (int64_t i = size; i > 0; --i) out.put(value[i - 1]);
  return true;
}

bool RowWriter::write_duration(const WriteNode& node, int64_t index, Bytes& out) {
  struct MonthDayNano {
    int32_t months;
    int32_t days;
    int64_t nanos;
  };
  const auto value = at<MonthDayNano>(node, index);
  constexpr int64_t kNanosPerMilli = 1'000'000;
  if (value.months < 0 || value.days < 0 || value.nanos < 0 || value.nanos % kNanosPerMilli != 0 ||
      value.nanos / kNanosPerMilli > UINT32_MAX) {
    return fail(node, "an interval that Avro's duration cannot hold (months, days and milliseconds, none negative)");
  }
  out.put(value.months);
  out.put(value.days);
  out.put(static_cast<uint32_t>(value.nanos / kNanosPerMilli));
  return true;
}

bool RowWriter::write_uuid(const WriteNode& node, int64_t index, Bytes& out) {
  const auto text = text_at(node, index);
  std::array<uint8_t, 16> bytes{};
  size_t digits = 0;
  bool good = true;
  for (uint8_t c : text) {
    if (c == '-') continue;
    const int digit = hex_digit(static_cast<char>(c));
    good = good && digit >= 0 && digits < 32;
    if (!good) break;
    bytes[digits / 2] = static_cast<uint8_t>(bytes[digits / 2] << 4 | digit);
    ++digits;
  }
  if (!good || digits != 32) return fail(node, "text that is no UUID");
  out.append(bytes.data(), 16);
  return true;
}

bool RowWriter::write_symbol(const WriteNode& node, int64_t index, Bytes& out) {
  const auto text = text_at(node, index);
  const std::string_view symbol(reinterpret_cast<const char*>(text.data()), text.size());
  const auto found = node.symbols.find(symbol);
  if (found == node.symbols.end()) {
    return fail(node, fmt::format("'{}' is no symbol of enum {}", symbol.substr(0, 60), node.type->name));
  }
  put_varint(out, found->second);
  return true;
}

bool RowWriter::write_member(const WriteNode& node, int64_t index, Bytes& out) {
  const int64_t row = node.offset + index;
  const WriteNode* given = nullptr;
  int64_t branch = 0;
  for (size_t i = 0; i < node.children.size(); ++i) {
    if (is_null(node.children[i], row)) continue;
    if (given != nullptr) return fail(node, "two members of a union, which can have one");
    given = &node.children[i];
    branch = node.branches[i];
  }
  if (given == nullptr && node.null_branch >= 0) {
    put_varint(out, node.null_branch);
    return true;
  }
  if (given == nullptr) return fail(node, "no member of a union that cannot be null");
  put_varint(out, branch);
  return write_value(*given, row, out);
}

}  // namespace sluice::avro
