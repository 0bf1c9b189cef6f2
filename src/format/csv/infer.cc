#include "format/csv/infer.h"

#include <cctype>
#include <cmath>
#include <string>
#include <vector>

#include <arrow/type.h>
#include <simdjson.h>

#include "codec/encoding.h"
#include "format/csv/column.h"
#include "format/csv/field_text.h"
#include "format/csv/header.h"
#include "format/csv/value.h"
#include "format/csv/window.h"

namespace sluice::csv {
namespace {

constexpr int64_t kExactInDouble = int64_t{1} << 53;

bool is_word(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(text[i])) != lower[i]) return false;
  }
  return true;
}

// "007" is an identifier; as a number it would lose its zeros.
bool has_leading_zero(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && is_digit(text[1]);
}

class Sampler {
 public:
  Sampler(const Dialect& dialect, const Input& input) : dialect_(dialect), input_(input), window_(dialect) {}

  Result<SchemaPtr> run(Context& context) {
    std::shared_ptr<arrow::io::InputStream> stream = input_.stream;
    if (dialect_.encoding != kUtf8) stream = TRY(open_encoded(dialect_.encoding, {stream, input_.head, input_.tail}));
    window_.open({.stream = stream, .tail = input_.tail});
    while (rows_ < dialect_.sample_rows || !named_) {
      if (context.stop.stop_requested()) return cancelled();
      auto found = window_.advance();
      if (!found.ok()) {
        return std::move(found).while_doing(fmt::format("sampling {}", input_.name)).error();
      }
      if (found.value() == Window::Found::end) break;
      if (found.value() == Window::Found::damaged) {
        if (!named_ && dialect_.header)
          return user_error("{}:1: the header cannot be read: {}", input_.name, window_.damage());
        continue;  // the decoder has to say so, or to reject it
      }
      TRY(sample_window());
    }
    arrow::FieldVector fields;
    for (size_t i = 0; i < names_.size(); ++i) {
      fields.push_back(arrow::field(names_[i], dialect_.all_varchar ? arrow::utf8() : guesses_[i].type()));
    }
    return SchemaPtr(arrow::schema(std::move(fields)));
  }

 private:
  Result<void> sample_window() {
    uint32_t record = 0;
    if (!named_) {
      record = first_filled_record(window_);
      if (record == window_.records()) return {};
      TRY(name_columns(record));
      record += dialect_.header ? 1 : 0;
    }
    for (; record < window_.records() && rows_ < dialect_.sample_rows; ++record, ++rows_) sample_record(record);
    return {};
  }
  Result<void> name_columns(uint32_t record) {
    bool bad;
    auto names = split_record(dialect_, window_, record, &bad);
    named_ = true;
    if (dialect_.header) {
      for (const auto& name : names) {
        if (bad || !simdjson::validate_utf8(name.data(), name.size())) {
          return user_error("{}:{}: the header line is not {}", input_.name, dialect_.skip_rows + 1,
                            bad ? "quoted correctly" : "valid UTF-8; set encoding to the file's");
        }
      }
      names_ = unique_names(std::move(names));
    } else {
      names_ = numbered_names(names.size());
    }
    guesses_.resize(names_.size());
    return {};
  }
  void sample_record(uint32_t record) {
    uint32_t at = record == 0 ? 0 : window_.record_ends()[record - 1];
    const uint32_t end = window_.record_ends()[record];
    if (end - at > guesses_.size() || (end - at < guesses_.size() && !dialect_.pad)) return;  // empty or ragged
    for (size_t i = 0; at < end; ++at, ++i) {
      uint32_t begin = window_.ends()[int64_t{at} - 1] + 1;
      std::string_view field(window_.data() + begin, window_.ends()[at] - begin);
      if (at + 1 == end && field.ends_with('\r')) field.remove_suffix(1);
      if (field == dialect_.null || !unquote(dialect_, field, &text_)) continue;
      guesses_[i].add(text_);
    }
  }

  const Dialect& dialect_;
  const Input& input_;
  Window window_;
  std::vector<std::string> names_;
  std::vector<TypeGuess> guesses_;
  std::string text_;
  bool named_ = false;
  int64_t rows_ = 0;
};

}  // namespace

void TypeGuess::add(std::string_view value) {
  std::string padded(trim(value));
  const size_t n = padded.size();
  // An empty quoted field may be a text, but it is no reason against another type: there it is NULL.
  empty_ |= n == 0;
  if (n == 0) return;
  any_ = true;
  if (!number_ && !boolean_ && !date_ && !timestamp_) return;
  padded.append(16, '\0');
  const char* p = padded.data();
  std::string_view text(p, n);
  if (number_) {
    int64_t integer;
    double number;
    bool zero = has_leading_zero(text);
    if (!zero && parse_int64(p, n, &integer)) {
      inexact_ |= integer > kExactInDouble || integer < -kExactInDouble;
    } else {
      integer_ = false;
      // Digits that do not fit 64 bits are kept as text rather than rounded. "inf" and "nan" could be names.
      bool digits_only = text.find_first_not_of("+-0123456789") == std::string_view::npos;
      number_ = !zero && !digits_only && text.find_first_not_of("+-.eE0123456789") == std::string_view::npos &&
                parse_double(p, n, &number);
    }
  }
  integer_ &= number_;
  if (boolean_) boolean_ = is_word(text, "true") || is_word(text, "false");
  int32_t days;
  if (date_) date_ = parse_date(p, n, &days);
  if (timestamp_) {
    Timestamp timestamp;
    timestamp_ = parse_timestamp(p, n, &timestamp);
    (timestamp.zoned ? zoned_ : unzoned_) = true;
    nanos_ |= timestamp.nanos % 1000 != 0;
  }
}

TypePtr TypeGuess::type() const {
  if (!any_) return empty_ ? arrow::utf8() : arrow::null();
  if (integer_) return arrow::int64();
  if (number_ && !inexact_) return arrow::float64();
  if (boolean_) return arrow::boolean();
  if (date_) return arrow::date32();
  if (timestamp_ && zoned_ != unzoned_) {
    auto unit = nanos_ ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO;
    return zoned_ ? arrow::timestamp(unit, "UTC") : arrow::timestamp(unit);
  }
  return arrow::utf8();
}

Result<SchemaPtr> infer_schema(Context& context, const Dialect& dialect, const Input& input) {
  return Sampler(dialect, input).run(context);
}

}  // namespace sluice::csv
