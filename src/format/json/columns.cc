#include "format/json/columns.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "base/result.h"
#include "batch/time_text.h"

namespace sluice::json {
namespace {

constexpr int64_t kFirstCapacity = 1024;

bool has_offsets(Kind kind) {
  return kind == Kind::text || kind == Kind::bytes || kind == Kind::list || kind == Kind::map;
}

template <typename T>
void set_bounds(Column& column) {
  column.kind = Kind::integer;
  column.min = static_cast<int64_t>(std::numeric_limits<T>::min());
  column.max = static_cast<int64_t>(std::numeric_limits<T>::max());
}

void set_kind(Column& column, const arrow::DataType& type) {
  column.type = &type;
  column.kind = Kind::other;
  if (arrow::is_fixed_width(type.id()) && type.id() != arrow::Type::BOOL) {
    column.width = static_cast<uint8_t>(type.byte_width());
  }
  switch (type.id()) {
    case arrow::Type::BOOL:
      column.kind = Kind::boolean;
      column.width = 1;
      break;
    case arrow::Type::INT8:
      set_bounds<int8_t>(column);
      break;
    case arrow::Type::INT16:
      set_bounds<int16_t>(column);
      break;
    case arrow::Type::INT32:
      set_bounds<int32_t>(column);
      break;
    case arrow::Type::INT64:
      set_bounds<int64_t>(column);
      break;
    case arrow::Type::UINT8:
      set_bounds<uint8_t>(column);
      break;
    case arrow::Type::UINT16:
      set_bounds<uint16_t>(column);
      break;
    case arrow::Type::UINT32:
      set_bounds<uint32_t>(column);
      break;
    case arrow::Type::DOUBLE:
      column.kind = Kind::number;
      break;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      column.kind = Kind::text;
      break;
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
      column.kind = Kind::bytes;
      break;
    case arrow::Type::TIMESTAMP:
      column.kind = Kind::timestamp;
      column.units_per_second = units_per_second(static_cast<const arrow::TimestampType&>(type).unit());
      break;
    case arrow::Type::STRUCT:
      column.kind = Kind::record;
      break;
    case arrow::Type::LIST:
      column.kind = Kind::list;
      break;
    case arrow::Type::MAP:
      column.kind = Kind::map;
      break;
    default:
      break;
  }
}

// "name": as a writer would put it, when it needs no escapes and fits.
void set_key(Column& column, const std::string& name) {
  column.name = name.data();
  column.name_size = static_cast<uint32_t>(name.size());
  bool plain =
      std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; });
  if (!plain || name.size() + 3 > sizeof column.key) return;
  column.key_size = static_cast<uint32_t>(name.size() + 3);
  column.key[0] = '"';
  memcpy(column.key + 1, name.data(), name.size());
  memcpy(column.key + 1 + name.size(), "\":", 2);
  column.key_mask = column.key_size >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * column.key_size) - 1;
  memcpy(&column.key_head, column.key, 8);
}

void resize(std::shared_ptr<arrow::ResizableBuffer>& buffer, int64_t bytes) {
  if (buffer == nullptr) {
    auto allocated = arrow::AllocateResizableBuffer(bytes);
    if (!allocated.ok()) throw std::bad_alloc();
    buffer = std::move(allocated).ValueUnsafe();
  } else if (!buffer->Resize(bytes, false).ok()) {
    throw std::bad_alloc();
  }
}

std::shared_ptr<arrow::Buffer> packed_bits(const char* bytes, int64_t length) {
  std::shared_ptr<arrow::ResizableBuffer> bits;
  resize(bits, (length + 7) / 8);
  uint8_t* out = bits->mutable_data();
  for (int64_t i = 0; i < length; i += 8) {  // the buffer is padded, so eight bytes can be read
    uint64_t eight = 0;
    memcpy(&eight, bytes + i, 8);
    out[i / 8] = static_cast<uint8_t>((eight & 0x0101010101010101) * 0x0102040810204080 >> 56);
  }
  return bits;
}

std::shared_ptr<arrow::Buffer> wide_offsets(const int32_t* offsets, int64_t length) {
  std::shared_ptr<arrow::ResizableBuffer> wide;
  resize(wide, (length + 1) * 8);
  auto* out = reinterpret_cast<int64_t*>(wide->mutable_data());
  std::copy(offsets, offsets + length + 1, out);
  return wide;
}

}  // namespace

Columns::Columns(const ColumnsOptions& options)
    : schema_(options.schema), planned_(options.planned), batch_rows_(options.batch_rows) {
  Selection wanted;
  bool whole = planned_->Equals(*schema_, false);
  if (whole) {
    wanted.all = true;
  } else {
    struct Walk {
      static void mark(const arrow::FieldVector& fields, const arrow::FieldVector& full, Selection& selection) {
        for (const auto& field : fields) {
          Selection& below = selection.fields[field->name()];
          auto same = std::find_if(full.begin(), full.end(), [&](auto& f) { return f->name() == field->name(); });
          if (same == full.end() || (*same)->type()->Equals(*field->type())) {
            below.all = true;
          } else {
            mark(field->type()->fields(), (*same)->type()->fields(), below);
          }
        }
      }
    };
    Walk::mark(planned_->fields(), schema_->fields(), wanted);
  }
  for (const auto& predicate : options.filter) {
    if (!whole) wanted.add(predicate.column);
  }
  paths_.emplace_back("");
  buffers_.emplace_back();
  root_ = &columns_.emplace_back();
  root_->owner = this;
  root_->kind = Kind::record;
  add_record(*root_, schema_->fields(), wanted);
  // Somebody who names the columns he wants does not lose one he has not named.
  for (auto& column : columns_) {
    column.may_stop = column.kind == Kind::record && !whole && column.needed_count < column.field_count;
    column.refuse_unknown = options.refuse_unknown && whole;
  }
  if (!whole) root_->may_stop = true;
  add_tests(options.filter);
}

Column* Columns::add(const std::string& name, const arrow::DataType* type, const Selection& wanted,
                     const Column* parent) {
  Column& column = columns_.emplace_back();
  column.owner = this;
  column.id = static_cast<int32_t>(paths_.size());
  const std::string& above = paths_[static_cast<size_t>(parent->id)];
  paths_.push_back(above.empty() ? name : above + "." + name);
  buffers_.emplace_back();
  column.depth = parent->depth + 1;
  set_key(column, names_.emplace_back(name));
  if (!wanted.any()) {
    column.type = type;
    return &column;
  }
  set_kind(column, *type);
  if (column.kind == Kind::record) {
    add_record(column, type->fields(), wanted);
  } else if (column.kind == Kind::list) {
    Selection all{true, {}};
    const auto& item = static_cast<const arrow::ListType&>(*type).value_type();
    std::vector<Column*>& fields = lists_.emplace_back();
    fields.push_back(add("[]", item.get(), all, &column));
    column.fields = fields.data();
    column.field_count = 1;
  } else if (column.kind == Kind::map) {
    Selection all{true, {}};
    const auto& map = static_cast<const arrow::MapType&>(*type);
    std::vector<Column*>& fields = lists_.emplace_back();
    fields.push_back(add("key", map.key_type().get(), all, &column));
    fields.push_back(add("value", map.item_type().get(), all, &column));
    column.fields = fields.data();
    column.field_count = 2;
  }
  return &column;
}

void Columns::add_record(Column& column, const arrow::FieldVector& fields, const Selection& wanted) {
  std::vector<Column*> in_order;
  for (const auto& field : fields) {
    const Selection& below = wanted.all ? wanted : wanted.below(field->name());
    in_order.push_back(add(field->name(), field->type().get(), below, &column));
  }
  for (size_t i = 0; i + 1 < in_order.size(); ++i) in_order[i]->next = in_order[i + 1];
  column.first = in_order.empty() ? nullptr : in_order[0];
  std::vector<Column*>& sorted = lists_.emplace_back(in_order);
  auto skipped = std::stable_partition(sorted.begin(), sorted.end(), [](Column* c) { return c->kind != Kind::skip; });
  column.fields = sorted.data();
  column.field_count = static_cast<int32_t>(sorted.size());
  column.needed_count = static_cast<int32_t>(skipped - sorted.begin());
  size_t slots = 2;
  while (slots < sorted.size() * 2) slots *= 2;
  std::vector<int32_t>& table = tables_.emplace_back(slots, -1);
  column.table = table.data();
  column.table_mask = static_cast<uint32_t>(slots - 1);
  for (size_t i = 0; i < sorted.size(); ++i) {
    uint32_t slot = hash_name(sorted[i]->name, sorted[i]->name_size) & column.table_mask;
    while (table[slot] >= 0) slot = (slot + 1) & column.table_mask;
    table[slot] = static_cast<int32_t>(i);
  }
}

void Columns::grow(Column& column, int64_t capacity) {
  Buffers& buffers = buffers_[static_cast<size_t>(column.id)];
  int64_t before = column.capacity;
  resize(buffers.validity, (capacity + 7) / 8 + kPadding);
  column.validity = buffers.validity->mutable_data();
  int64_t valid_bytes = before == 0 ? 0 : (before + 7) / 8;
  memset(column.validity + valid_bytes, 0xff, static_cast<size_t>((capacity + 7) / 8 + kPadding - valid_bytes));
  if (has_offsets(column.kind)) {
    resize(buffers.offsets, (capacity + 1) * 4 + kPadding);
    column.offsets = reinterpret_cast<int32_t*>(buffers.offsets->mutable_data());
    if (before == 0) column.offsets[0] = 0;
    if (before == 0 && column.bytes_capacity == 0 && column.kind <= Kind::bytes) {
      int64_t bytes = std::max<int64_t>(buffers.bytes_hint, 4096);
      resize(buffers.values, bytes + kPadding);
      column.values = reinterpret_cast<char*>(buffers.values->mutable_data());
      column.bytes_capacity = bytes;
    }
  } else if (column.kind != Kind::record) {
    resize(buffers.values, capacity * column.width + kPadding);
    column.values = reinterpret_cast<char*>(buffers.values->mutable_data());
  }
  if (column.kind == Kind::record) {
    for (int f = 0; f < column.needed_count; ++f) grow(*column.fields[f], capacity);
  }
  column.capacity = capacity;
}

void grow_values(Column& column, int64_t values_at_least) {
  Columns& owner = *column.owner;
  int64_t hint = owner.buffers_[static_cast<size_t>(column.id)].values_hint;
  int64_t capacity = std::max({values_at_least, column.capacity * 2, std::max(hint, kFirstCapacity)});
  if (&column == owner.root_ && column.capacity < owner.batch_rows_) {
    capacity = std::min(capacity, std::max(owner.batch_rows_, values_at_least));
  }
  owner.grow(column, (capacity + 7) / 8 * 8);
}

void grow_text(Column& column, int64_t bytes_more) {
  Columns::Buffers& buffers = column.owner->buffers_[static_cast<size_t>(column.id)];
  int64_t used = column.offsets[column.length];
  int64_t capacity = std::max(column.bytes_capacity * 2, used + bytes_more + 4 * kPadding);
  resize(buffers.values, capacity + kPadding);
  column.values = reinterpret_cast<char*>(buffers.values->mutable_data());
  column.bytes_capacity = capacity;
}

int64_t Columns::bytes() const {
  int64_t total = 0;
  for (const auto& column : columns_) {
    if (has_offsets(column.kind)) {
      total += column.length * 4;
      if (column.kind <= Kind::bytes && column.length > 0) total += column.offsets[column.length];
    } else {
      total += column.length * column.width;
    }
  }
  return total;
}

// Empties a column whose buffers were given away, or are kept (columns that are only filtered on).
void Columns::clear(Column& column) {
  Buffers& buffers = buffers_[static_cast<size_t>(column.id)];
  buffers.values_hint = std::max<int64_t>(column.length + column.length / 16, 64);
  if (has_offsets(column.kind) && column.kind <= Kind::bytes && column.length > 0) {
    buffers.bytes_hint = column.offsets[column.length] + column.offsets[column.length] / 16 + 4 * kPadding;
  }
  column.length = column.capacity = column.bytes_capacity = column.nulls = 0;
  buffers.validity.reset();
  buffers.offsets.reset();
  buffers.values.reset();
  column.validity = nullptr;
  column.offsets = nullptr;
  column.values = nullptr;
}

std::shared_ptr<arrow::ArrayData> Columns::assemble(Column& column, const std::shared_ptr<arrow::DataType>& type) {
  Buffers& mine = buffers_[static_cast<size_t>(column.id)];
  int64_t length = column.length;
  if (column.capacity == 0) grow(column, 8);  // no element of any list: the buffers still have to exist
  std::shared_ptr<arrow::Buffer> validity;
  if (column.nulls > 0) {
    resize(mine.validity, (length + 7) / 8);
    validity = mine.validity;
  }
  std::vector<std::shared_ptr<arrow::Buffer>> buffers = {validity};
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  if (column.kind == Kind::record) {
    for (const auto& field : type->fields()) {
      for (int f = 0; f < column.needed_count; ++f) {
        Column& child = *column.fields[f];
        if (field->name() == child.name) children.push_back(assemble(child, field->type()));
      }
    }
  } else if (has_offsets(column.kind)) {
    bool wide = type->id() == arrow::Type::LARGE_STRING || type->id() == arrow::Type::LARGE_BINARY;
    int64_t text_bytes = column.offsets[length];
    if (wide) {
      buffers.push_back(wide_offsets(column.offsets, length));
    } else {
      resize(mine.offsets, (length + 1) * 4);
      buffers.push_back(mine.offsets);
    }
    if (column.kind <= Kind::bytes) {
      resize(mine.values, text_bytes);
      buffers.push_back(mine.values);
    } else if (column.kind == Kind::list) {
      children.push_back(assemble(*column.fields[0], static_cast<const arrow::ListType&>(*type).value_type()));
    } else {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      auto key = assemble(*column.fields[0], map.key_type());
      auto item = assemble(*column.fields[1], map.item_type());
      children.push_back(arrow::ArrayData::Make(map.value_type(), key->length, {nullptr}, {key, item}, 0));
    }
  } else if (column.kind == Kind::boolean) {
    buffers.push_back(packed_bits(column.values, length));
  } else {
    resize(mine.values, length * column.width);
    buffers.push_back(mine.values);
  }
  return arrow::ArrayData::Make(type, length, std::move(buffers), std::move(children), column.nulls);
}

BatchPtr Columns::take() {
  int64_t rows = root_->length;
  if (rows == 0) return nullptr;
  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  for (const auto& field : planned_->fields()) {
    for (int f = 0; f < root_->needed_count; ++f) {
      Column& column = *root_->fields[f];
      if (field->name() == column.name) arrays.push_back(assemble(column, field->type()));
    }
  }
  CHECK(static_cast<int>(arrays.size()) == planned_->num_fields());
  for (auto& column : columns_) clear(column);
  return arrow::RecordBatch::Make(planned_, rows, std::move(arrays));
}

}  // namespace sluice::json
