// Arrow columns as PostgreSQL's binary values, for COPY … FROM STDIN (FORMAT binary).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "postgres/type.h"
#include "postgres/wire_buffer.h"

namespace sluice::postgres {

// Of any width of offsets.
bool is_text(const arrow::DataType& type);
bool is_bytes(const arrow::DataType& type);
bool is_list(const arrow::DataType& type);

// What becomes of the values of one Arrow type in a column of one PostgreSQL type.
enum class Fit {
  exact,    // every value is held as it is
  checked,  // a value is held as it is or refused: bigint into integer, text into uuid
  lossy,    // the same, but the types differ in what they mean; only where the user allows it: double into numeric
  none,     // there is no conversion
};
Fit fit_of(const arrow::DataType& from, const Type& to);
// The column has to be sent as text, and cast to its type by the server.
bool cast_by_server(const arrow::DataType& from, const Type& to);
// The type of a column that is made for values of this type, as SQL writes it; empty when there is none.
std::string type_for(const arrow::DataType& from);

// The values of one column of a batch.
class ColumnEncoder {
 public:
  virtual ~ColumnEncoder() = default;
  // Appends length and value, or the length of NULL. False when the value does not fit; `out` may then end anywhere.
  virtual bool append(int64_t row, WireBuffer& out) = 0;
};

// For a pair that fit_of() allows. `array` stays alive with the encoder. With cast_by_server() the values are text.
std::unique_ptr<ColumnEncoder> create_encoder(const std::shared_ptr<arrow::Array>& array, const Type& to);
// Why append() said no: "1e400 does not fit numeric(10,2)".
std::string does_not_fit(const arrow::Array& array, int64_t row, const Type& to);

// Of a COPY stream: before the first row, and behind the last.
std::string_view copy_header();
std::string_view copy_trailer();

}  // namespace sluice::postgres
