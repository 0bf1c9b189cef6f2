// PostgreSQL values into Arrow columns. The same decoder serves COPY BINARY of a snapshot and both forms of a change
// stream, so that a type cannot come out differently from the two (semantics.md, PostgreSQL 10).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "postgres/type.h"

namespace sluice::postgres {

// A value on the wire.
struct WireValue {
  const char* bytes = nullptr;
  int32_t size = -1;  // -1: NULL
  [[nodiscard]] bool is_null() const { return size < 0; }
  [[nodiscard]] std::string_view view() const { return {bytes, static_cast<size_t>(size)}; }
};

// One column being built. Errors do not name the column: the caller knows it.
class ColumnDecoder {
 public:
  virtual ~ColumnDecoder() = default;
  // The binary form, as typsend makes it.
  virtual Result<void> append_binary(std::string_view bytes) = 0;
  // Several at once, which costs a fraction. After an error `appended` says which of them it was.
  virtual Result<void> append_binaries(std::span<const WireValue> values, size_t* appended);
  // The text form, as typoutput makes it under the settings of Connection::open.
  virtual Result<void> append_text(std::string_view text) = 0;
  virtual void append_null() = 0;
  // The column so far; the decoder is empty afterwards.
  virtual Result<std::shared_ptr<arrow::Array>> finish() = 0;
  [[nodiscard]] virtual int64_t bytes() const = 0;  // about what the column holds
};

Result<std::unique_ptr<ColumnDecoder>> create_decoder(const Type& type, const TypePolicy& policy);

struct Column {
  std::string name;
  Type type;
  std::string declared;  // the type as it was declared: "character varying(3)[]", a domain's name; of a table's columns
  bool not_null = false;
  bool in_key = false;     // part of the replica identity
  bool generated = false;  // GENERATED ALWAYS AS …: left out of changes and, so that both agree, of copies
};

std::shared_ptr<arrow::Schema> schema_of(const std::vector<Column>& columns, const TypePolicy& policy);

// A column as PostgreSQL prints it, which is how the log has it, too; ::text is a function of its own for some types
// and gives 10.0.0.1 the mask /32.
std::string printed(const Column& column);

// Rows of COPY … (FORMAT binary) into a batch. They are handed over one at a time, and decoded several together, column
// by column. Columns without a binary form have to be selected as they are printed: select_list() does so.
class CopyDecoder {
 public:
  static Result<CopyDecoder> create(std::vector<Column> columns, const TypePolicy& policy);
  // What belongs between SELECT and FROM so that each column has the form that is decoded here.
  static std::string select_list(const std::vector<Column>& columns, const TypePolicy& policy);

  // One piece of COPY data: libpq hands out whole rows; the first begins with the file header, the last is the trailer.
  // Nothing points to it afterwards. A value that cannot be decoded is an error of this call, a later one or take().
  Result<void> add(std::string_view piece);
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t bytes() const { return bytes_; }  // of COPY data since the last take()
  [[nodiscard]] const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  Result<std::shared_ptr<arrow::RecordBatch>> take();

 private:
  CopyDecoder() = default;
  Result<std::string_view> behind_header(std::string_view piece) const;
  Result<void> split(std::string_view rows);
  Result<void> decode_gathered();

  std::vector<Column> columns_;
  std::vector<std::unique_ptr<ColumnDecoder>> decoders_;
  std::vector<bool> is_list_text_;  // by column
  std::shared_ptr<arrow::Schema> schema_;
  bool header_seen_ = false;
  std::unique_ptr<char[]> kept_;  // rows that are not decoded yet
  size_t kept_bytes_ = 0;
  std::vector<std::vector<WireValue>> gathered_;  // of each column
  size_t gathered_rows_ = 0;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace sluice::postgres
