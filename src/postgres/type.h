// PostgreSQL's types and how they map to Arrow's. One mapping for snapshot, stream and sink.
//
//   bool                         bool                     int2, int4, int8     int16, int32, int64
//   float4, float8               float, double            oid                  uint32
//   numeric(p,s), p <= 38        decimal128(p,s)          numeric otherwise    utf8, PostgreSQL's text
//   date                         date32                   time                 time64[us]
//   timestamp, timestamptz       timestamp[us], [us, UTC] interval             month_day_nano_interval
//   bytea                        binary                   array of the above   list
//   text, varchar, char, name, json, jsonb, uuid, xml, enums, and every type not named: utf8, PostgreSQL's text
//
// Domains are their base type. ±infinity of a date or timestamp is DuckDB's: the largest value and its negative
// (https://duckdb.org/docs/stable/sql/data_types/timestamp). What does not fit (NaN in a numeric(p,s), an array of two
// dimensions, an interval beyond 292 years) is an error that names the column; reading numerics or arrays as text
// (numeric_as, arrays_as) carries everything.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "batch/schema.h"
#include "postgres/connection.h"

namespace sluice::postgres {

enum class Kind : uint8_t {
  boolean,
  int2,
  int4,
  int8,
  float4,
  float8,
  oid,
  numeric,
  date,
  time,
  timestamp,
  timestamptz,
  interval,
  bytea,
  text,   // binary form is the text itself
  jsonb,  // binary form is a version byte and the text
  uuid,
  array,
  other,  // only PostgreSQL's own output function knows its text: never asked for in binary
};

struct Type {
  uint32_t oid = 0;
  int32_t typmod = -1;
  Kind kind = Kind::other;
  std::string name;               // as SQL writes it, with its modifiers: numeric(12,2), "my schema".mood[]
  std::string unlimited;          // of a domain its base; without modifiers, so that a cast to it cuts nothing: "bit"
  std::shared_ptr<Type> element;  // of an array

  [[nodiscard]] int precision() const { return typmod < 4 ? 0 : ((typmod - 4) >> 16) & 0xffff; }
  // Characters of a varchar(n); -1: any number.
  [[nodiscard]] int length() const { return typmod < 4 ? -1 : typmod - 4; }
  // -1000 to 1000 since PostgreSQL 15: eleven bits, sign-extended.
  [[nodiscard]] int scale() const { return typmod < 4 ? 0 : ((((typmod - 4) & 0x7ff) ^ 1024) - 1024); }
};

// Metadata of a field that was added to a table: what rows that were there before have in it, as PostgreSQL's text.
inline constexpr std::string_view kMissingValue = "postgresql.missing_value";

// What a user may ask to be carried as PostgreSQL's text.
struct TypePolicy {
  bool numeric_as_text = false;
  bool arrays_as_text = false;
};

TypePtr arrow_type(const Type& type, const TypePolicy& policy);
// Can its binary form be decoded? An array can when its element can.
bool has_binary_form(const Type& type, const TypePolicy& policy);

// Types by oid, read once each.
class TypeCatalog {
 public:
  Result<Type> find(Connection& connection, uint32_t oid, int32_t typmod);

 private:
  struct Entry {
    std::string name;
    std::string unlimited;
    char type = 'b';      // typtype: b base, e enum, d domain, c composite, r range, m multirange, p pseudo
    char category = 'U';  // typcategory
    uint32_t element = 0;
    uint32_t base = 0;
    int32_t base_typmod = -1;
    bool is_array = false;
  };
  Result<Entry> entry(Connection& connection, uint32_t oid);
  std::map<uint32_t, Entry> entries_;
};

}  // namespace sluice::postgres
