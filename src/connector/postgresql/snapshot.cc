#include "connector/postgresql/snapshot.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "postgres/bytes.h"
#include "postgres/moment.h"

namespace sluice::postgresql {
namespace {

using postgres::Kind;
using postgres::load_be;

// Keys looked at for each piece: its size is then right within a tenth or so.
constexpr double kSamplePerPiece = 200;

std::string literal(const postgres::Column& column, const KeyValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return postgres::quote_text(*text);
  const int64_t number = std::get<int64_t>(value);
  // A literal without a type takes that of the column it is compared with.
  switch (column.type.kind) {
    case Kind::date:
      if (std::abs(number) == postgres::kDateInfinity) return number > 0 ? "'infinity'" : "'-infinity'";
      return fmt::format("('1970-01-01'::date + {})", number);
    case Kind::timestamp:
    case Kind::timestamptz: {
      if (number == postgres::kTimestampInfinity) return "'infinity'";
      if (number == -postgres::kTimestampInfinity) return "'-infinity'";
      const char* type = column.type.kind == Kind::timestamp ? "timestamp" : "timestamptz";
      return fmt::format("('1970-01-01 00:00:00Z'::{} + '{} microseconds'::interval)", type, number);
    }
    default:
      return fmt::format("'{}'", number);
  }
}

Result<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return user_error("'{}' is no integer key", text);
  return value;
}

Result<KeyValue> value_of_text(Kind kind, std::string_view text) {
  switch (kind) {
    case Kind::date:
      return KeyValue(int64_t{TRY(postgres::parse_date(text))});
    case Kind::timestamp:
    case Kind::timestamptz:
      return KeyValue(TRY(postgres::parse_timestamp(text)));
    case Kind::uuid:
      return KeyValue(std::string(text));
    default:
      return KeyValue(TRY(integer(text)));
  }
}

std::string uuid_text(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return out;
}

bool is_integer(Kind kind) { return kind == Kind::int2 || kind == Kind::int4 || kind == Kind::int8; }

// Integers come in the width that they had when the change was made.
Result<KeyValue> value_of_binary(Kind kind, std::string_view bytes) {
  const size_t size = bytes.size();
  if (is_integer(kind)) {
    if (size == 2) return KeyValue(int64_t{load_be<int16_t>(bytes.data())});
    if (size == 4) return KeyValue(int64_t{load_be<int32_t>(bytes.data())});
    if (size == 8) return KeyValue(load_be<int64_t>(bytes.data()));
    return user_error("a key of {} bytes, which is no integer", size);
  }
  const size_t wanted = kind == Kind::uuid ? 16 : kind == Kind::date ? 4 : 8;
  if (size != wanted) return user_error("a key of {} bytes where {} are one", size, wanted);
  if (kind == Kind::uuid) return KeyValue(uuid_text(bytes));
  if (kind == Kind::date) return KeyValue(int64_t{TRY(postgres::date_of_wire(load_be<int32_t>(bytes.data())))});
  return KeyValue(TRY(postgres::timestamp_of_wire(load_be<int64_t>(bytes.data()))));
}

bool is_sorted_kind(Kind kind) {
  switch (kind) {
    case Kind::int2:
    case Kind::int4:
    case Kind::int8:
    case Kind::date:
    case Kind::timestamp:
    case Kind::timestamptz:
    case Kind::uuid:
      return true;
    default:
      return false;
  }
}

// Where a range begins; none is before all.
struct Begin {
  const std::optional<Key>* key;
  bool exclusive;
  bool operator<(const Begin& other) const {
    if (key->has_value() != other.key->has_value()) return !key->has_value();
    if (!key->has_value() || **key == **other.key) return key->has_value() && !exclusive && other.exclusive;
    return **key < **other.key;
  }
};

}  // namespace

std::optional<SortedKey> SortedKey::of(const Table& table, bool is_copied_only) {
  SortedKey out;
  const auto& identity = table.identity_columns;
  for (const auto& column : table.columns) {
    if (!column.in_key) continue;
    const bool is_sent = std::find(identity.begin(), identity.end(), column.name) != identity.end();
    if (!is_sorted_kind(column.type.kind) || !(is_sent || is_copied_only)) return std::nullopt;
    out.columns_.push_back(column);
  }
  if (out.columns_.empty()) return std::nullopt;
  return out;
}

bool SortedKey::is_like(const SortedKey& other) const {
  return std::equal(columns_.begin(), columns_.end(), other.columns_.begin(), other.columns_.end(),
                    [](const postgres::Column& a, const postgres::Column& b) {
                      const bool integers = is_integer(a.type.kind) && is_integer(b.type.kind);
                      return a.name == b.name && (integers || a.type.kind == b.type.kind);
                    });
}

std::string SortedKey::column_list() const {
  std::string out;
  for (const auto& column : columns_) out += (out.empty() ? "" : ", ") + postgres::quote(column.name);
  return out;
}

std::string SortedKey::condition(const KeyRange& range) const {
  const auto bound = [&](const Key& key, const char* comparison) {
    std::string values;
    for (size_t i = 0; i < columns_.size(); ++i) values += (i == 0 ? "" : ", ") + literal(columns_[i], key.at(i));
    return fmt::format("({}) {} ({})", column_list(), comparison, values);
  };
  std::string out;
  if (range.from) out = bound(*range.from, range.from_exclusive ? ">" : ">=");
  if (range.to) out += (out.empty() ? "" : " AND ") + bound(*range.to, range.to_inclusive ? "<=" : "<");
  return out;
}

Result<KeyValue> SortedKey::value(size_t column, const postgres::pgoutput::Value& value) const {
  const Kind kind = columns_.at(column).type.kind;
  if (value.form == 'b') return value_of_binary(kind, value.bytes);
  if (value.form == 't') return value_of_text(kind, value.bytes);
  return refused("a change without its key");
}

Key SortedKey::row_of(const arrow::RecordBatch& batch, int64_t row, const std::vector<int>& indexes) const {
  Key key;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const arrow::Array& array = *batch.column(indexes.at(i));
    switch (columns_[i].type.kind) {
      case Kind::int2:
        key.emplace_back(int64_t{static_cast<const arrow::Int16Array&>(array).Value(row)});
        break;
      case Kind::int4:
        key.emplace_back(int64_t{static_cast<const arrow::Int32Array&>(array).Value(row)});
        break;
      case Kind::date:
        key.emplace_back(int64_t{static_cast<const arrow::Date32Array&>(array).Value(row)});
        break;
      case Kind::uuid:
        key.emplace_back(static_cast<const arrow::StringArray&>(array).GetString(row));
        break;
      case Kind::timestamp:
      case Kind::timestamptz:
        key.emplace_back(static_cast<const arrow::TimestampArray&>(array).Value(row));
        break;
      default:
        key.emplace_back(static_cast<const arrow::Int64Array&>(array).Value(row));
        break;
    }
  }
  return key;
}

Result<Key> SortedKey::parse(const std::vector<std::string>& texts) const {
  Key key;
  for (size_t i = 0; i < columns_.size(); ++i) {
    key.push_back(TRY(value_of_text(columns_[i].type.kind, texts.at(i))));
  }
  return key;
}

Result<void> TableCoverage::add(const ChunkPosition& delivered) {
  if (delivered.partial) {
    broken_ = true;
    return {};
  }
  Piece piece{delivered.range, {}, delivered.log_end};
  if (!delivered.snapshot.empty()) piece.snapshot = TRY(XidSnapshot::parse(delivered.snapshot));
  pieces_.push_back(std::move(piece));
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
    return Begin{&a.range.from, a.range.from_exclusive} < Begin{&b.range.from, b.range.from_exclusive};
  });
  return {};
}

std::vector<KeyRange> TableCoverage::missing() const {
  std::vector<KeyRange> out;
  KeyRange gap;
  for (const auto& piece : pieces_) {
    if (Begin{&gap.from, gap.from_exclusive} < Begin{&piece.range.from, piece.range.from_exclusive}) {
      gap.to = piece.range.from;
      gap.to_inclusive = piece.range.from_exclusive;
      out.push_back(gap);
    }
    if (!piece.range.to) return out;
    gap = KeyRange{piece.range.to, piece.range.to_inclusive, {}, false};
  }
  out.push_back(gap);
  return out;
}

bool TableCoverage::needs_key(Lsn place) const {
  const bool is_whole = missing().empty();
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    const bool is_asked = piece.snapshot && (piece.log_end == 0 || piece.log_end > place);
    return (piece.range.from || piece.range.to) && (is_asked || !is_whole);
  });
}

bool TableCoverage::sees(const Committed& transaction) const {
  return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) { return piece.sees(transaction); });
}

bool TableCoverage::all_see(const Committed& transaction) const {
  return !pieces_.empty() &&
         std::all_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) { return piece.sees(transaction); });
}

bool TableCoverage::holds(const Key& key, const Committed& transaction) const {
  if (key.empty()) return all_see(transaction);
  // The last piece that begins at or before the key.
  auto next = std::partition_point(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    return !piece.range.from || (piece.range.from_exclusive ? *piece.range.from < key : *piece.range.from <= key);
  });
  if (next == pieces_.begin()) return false;
  const Piece& piece = *std::prev(next);
  return piece.range.contains(key) && piece.sees(transaction);
}

Result<std::vector<KeyRange>> cut_range(Connection& connection, const Table& table, const SortedKey& key,
                                        const KeyRange& range, int64_t rows) {
  double expected = table.rows;
  if (expected <= 0) expected = static_cast<double>(table.pages) * kRowsPerPage;
  const double pieces = std::ceil(expected / static_cast<double>(rows));
  if (pieces <= 1) return std::vector{range};
  const double percent = std::clamp(100.0 * pieces * kSamplePerPiece / expected, 0.01, 100.0);
  const std::string condition = key.condition(range);
  const std::string keys = key.column_list();
  std::string texts;
  std::string order;  // a bare name would be the output's, which is text
  for (const auto& column : key.columns()) {
    const std::string name = "sample." + postgres::quote(column.name);
    texts += (texts.empty() ? "" : ", ") + name + "::text";
    order += (order.empty() ? "" : ", ") + name;
  }
  auto found = TRY(connection.query(fmt::format(
      "SELECT {0} FROM (SELECT {1}, row_number() OVER (ORDER BY {1}) AS sluice_n, count(*) OVER () AS sluice_all "
      "FROM {2} TABLESAMPLE SYSTEM ({3:.4f}) REPEATABLE (1){4}) AS sample "
      "WHERE sluice_n % greatest(1, sluice_all / {5:.0f}) = 0 ORDER BY {6}",
      texts, keys, table.from(), percent, condition.empty() ? "" : " WHERE " + condition, pieces, order)));
  std::vector<KeyRange> out;
  KeyRange piece = range;
  for (int i = 0; i < found.rows(); ++i) {
    std::vector<std::string> row;
    for (int column = 0; column < found.columns(); ++column) row.emplace_back(found.text(i, column));
    Key cut = TRY(key.parse(row));
    if (piece.from && cut <= *piece.from) continue;
    if (range.to && cut >= *range.to) break;
    KeyRange left = piece;
    left.to = cut;
    left.to_inclusive = false;
    out.push_back(std::move(left));
    piece.from = std::move(cut);
    piece.from_exclusive = false;
  }
  out.push_back(std::move(piece));
  return out;
}

}  // namespace sluice::postgresql
