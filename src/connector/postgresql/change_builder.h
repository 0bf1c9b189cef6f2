// Builds batches out of the changes of one table, straight from the messages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "batch/change.h"
#include "batch/schema.h"
#include "connector/postgresql/catalog.h"
#include "connector/postgresql/change_position.h"
#include "postgres/decode.h"
#include "postgres/pgoutput.h"

namespace sluice::postgresql {

// The schema of a followed table: its columns and the change columns. Only the key is never NULL: a DELETE carries no
// more than that, and a column may be dropped. `_unchanged` is there where an UPDATE may leave values out.
SchemaPtr change_schema(const Table& table, const postgres::TypePolicy& policy);
bool is_delivered(const postgres::Column& column);  // false: generated, hence not in the stream before PostgreSQL 18

// Values that may be stored out of line, so that an UPDATE may leave them out; numbers, dates and the like never are.
bool may_be_left_out(const postgres::Type& type);
std::shared_ptr<arrow::Field> unchanged_field();

enum class Op : uint8_t { insert, update, remove, snapshot, before };

// When and where a change happened.
struct Stamp {
  ChangePlace place;
  int64_t commit_time = 0;  // microseconds since 1970
};
// "0000000016B374D8-00000003": sorts as the places do.
std::string pos_text(const ChangePlace& place);

// _op, _ts, _pos and _unchanged of a batch.
class StampColumns {
 public:
  StampColumns();
  ~StampColumns();
  StampColumns(StampColumns&&) noexcept;
  StampColumns& operator=(StampColumns&&) noexcept;

  Result<void> add(Op op, const Stamp& stamp, std::string_view unchanged);
  // Appends the columns that `schema` has.
  Result<void> finish(const arrow::Schema& schema, arrow::FieldVector* fields, arrow::ArrayVector* arrays);

 private:
  struct Builders;
  std::unique_ptr<Builders> builders_;
};

class ChangeBuilder {
 public:
  // `types` are those of the relation's columns, `schema` that of the batches.
  static Result<ChangeBuilder> create(const postgres::pgoutput::Relation& relation,
                                      const std::vector<postgres::Type>& types, SchemaPtr schema,
                                      const postgres::TypePolicy& policy);

  // `old`, where it is given, is the whole old row: what the new one leaves out is taken from it.
  Result<void> add(Op op, const Stamp& stamp, postgres::pgoutput::Tuple row,
                   std::optional<postgres::pgoutput::Tuple> old);
  [[nodiscard]] int64_t rows() const { return rows_; }
  Result<BatchPtr> take();

 private:
  struct Column {
    std::string name;
    std::unique_ptr<postgres::ColumnDecoder> decoder;  // null: not in the batches
  };
  Result<void> append(Column& column, const postgres::pgoutput::Value& value);

  SchemaPtr schema_;
  arrow::FieldVector fields_;  // of the decoders, in order
  std::vector<Column> columns_;
  StampColumns stamps_;
  bool has_unchanged_ = false;  // the schema
  std::string unchanged_;
  int64_t rows_ = 0;
};

}  // namespace sluice::postgresql
