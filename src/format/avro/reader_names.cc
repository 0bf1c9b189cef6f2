#include "format/avro/reader_names.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "batch/plain.h"

namespace sluice::avro_format_detail {
namespace {

// A schema of its own and of types of two others, which live as long.
struct JoinedSchema {
  JoinedSchema(avro::SchemaRef of_reader, avro::SchemaRef of_writer)
      : reader(std::move(of_reader)), written(std::move(of_writer)) {}
  avro::SchemaRef reader;
  avro::SchemaRef written;
  avro::Schema schema;
};

// What a value of the column that a type stands for is in Arrow, one level below lists and maps.
const arrow::DataType* element_of(const arrow::DataType* column) {
  if (column == nullptr) return nullptr;
  if (column->id() == arrow::Type::LIST) return column->field(0)->type().get();
  if (column->id() == arrow::Type::MAP) return static_cast<const arrow::MapType*>(column)->item_type().get();
  return column;
}

bool has_column(const std::vector<avro::Field>& fields, const std::string& column) {
  return std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return field.column == column; });
}

class SchemaJoiner {
 public:
  SchemaJoiner(avro::SchemaRef reader, avro::SchemaRef written)
      : joined_(std::make_shared<JoinedSchema>(std::move(reader), std::move(written))) {}

  avro::SchemaRef with_dropped_fields(const arrow::DataType* wanted) {
    const bool all = wanted == nullptr;
    return complete(joined(joined_->written->root(), joined_->reader->root(), wanted, all), joined_->reader);
  }
  avro::SchemaRef with_names_of_reader() {
    return complete(renamed(joined_->written->root(), joined_->reader->root()), joined_->written);
  }

 private:
  avro::SchemaRef complete(const avro::Type& root, const avro::SchemaRef& same) {
    if (&root == &same->root()) return same;
    joined_->schema.complete(root);
    return {joined_, &joined_->schema};
  }

  // `reader`, or a copy that has more.
  const avro::Type& joined(const avro::Type& written, const avro::Type& reader, const arrow::DataType* wanted,
                           bool all) {
    if (const auto* inner = avro::optional_of(written)) return joined(*inner, reader, wanted, all);
    if (const auto* inner = avro::optional_of(reader)) {
      return optional(reader, *inner, joined(written, *inner, wanted, all));
    }
    if (written.kind != reader.kind) return reader;
    if (reader.kind == avro::Kind::array || reader.kind == avro::Kind::map) {
      return around(reader, joined(*written.element, *reader.element, element_of(wanted), all));
    }
    const bool columns = all || (wanted != nullptr && wanted->id() == arrow::Type::STRUCT);
    if (reader.kind != avro::Kind::record || !columns) return reader;
    auto fields = reader.fields;
    bool same = true;
    for (const auto& field : written.fields) {
      const auto* target = avro::resolved(field, reader);
      const auto& column = target == nullptr ? field.column : target->column;
      const auto* type = all ? nullptr : type_named(wanted->fields(), column);
      if (!all && type == nullptr) continue;
      if (target != nullptr) {
        auto& own = fields[static_cast<size_t>(target - reader.fields.data())];
        own.type = &joined(*field.type, *target->type, type, all);
        same = same && own.type == target->type;
      } else if (!has_column(fields, column)) {
        fields.push_back(field);
        same = false;
      }
    }
    return same ? reader : record(reader, std::move(fields));
  }

  // `written`, or a copy with other names.
  const avro::Type& renamed(const avro::Type& written, const avro::Type& reader) {
    if (const auto* inner = avro::optional_of(reader)) return renamed(written, *inner);
    if (const auto* inner = avro::optional_of(written)) return optional(written, *inner, renamed(*inner, reader));
    if (written.kind != reader.kind) return written;
    if (written.kind == avro::Kind::array || written.kind == avro::Kind::map) {
      return around(written, renamed(*written.element, *reader.element));
    }
    if (written.kind != avro::Kind::record) return written;
    std::vector<avro::Field> fields;
    for (const auto& field : written.fields) {
      avro::Field own = field;
      if (const auto* target = avro::resolved(field, reader)) {
        own.column = target->column;
        own.type = &renamed(*field.type, *target->type);
      }
      if (!has_column(fields, own.column)) fields.push_back(std::move(own));
    }
    return record(written, std::move(fields));
  }

  const avro::Type& optional(const avro::Type& either, const avro::Type& inner, const avro::Type& other) {
    if (&inner == &other) return either;
    auto& made = joined_->schema.add(avro::Kind::either);
    made = either;
    for (auto& branch : made.branches) {
      if (branch == &inner) branch = &other;
    }
    return made;
  }
  const avro::Type& around(const avro::Type& blocks, const avro::Type& element) {
    if (blocks.element == &element) return blocks;
    auto& made = joined_->schema.add(blocks.kind);
    made = blocks;
    made.element = &element;
    return made;
  }
  const avro::Type& record(const avro::Type& record, std::vector<avro::Field> fields) {
    auto& made = joined_->schema.add(avro::Kind::record);
    made = record;
    made.fields = std::move(fields);
    return made;
  }

  const std::shared_ptr<JoinedSchema> joined_;
};

}  // namespace

avro::SchemaRef with_dropped_fields(const avro::SchemaRef& reader, const avro::SchemaRef& written,
                                    const arrow::DataType* wanted) {
  return SchemaJoiner(reader, written).with_dropped_fields(wanted);
}

avro::SchemaRef with_names_of(const avro::SchemaRef& reader, const avro::SchemaRef& written) {
  return SchemaJoiner(reader, written).with_names_of_reader();
}

}  // namespace sluice::avro_format_detail
