#include "format/json/infer.h"

#include <charconv>
#include <cstring>
#include <deque>
#include <map>
#include <string_view>

#include <arrow/type.h>
#include <simdjson.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "format/json/flaw.h"
#include "format/json/moment.h"

namespace sluice::json {
namespace {

// Each builds on those before it.
// clang-format off
#include "format/json/block.inl"
#include "format/json/scan.inl"
#include "format/json/rows.inl"
// clang-format on

constexpr int kDepthMax = 64;        // deeper values stay JSON text
constexpr size_t kFieldsMax = 1000;  // an object with more is a dictionary: it stays JSON text

// What the values of one field looked like.
struct Guess {
  bool boolean = false, negative = false, whole = false, large = false, huge = false, broken = false;
  bool date = false, local = false, zoned = false, nanos = false, text = false;
  bool object = false, array = false, opaque = false;
  std::string name;
  std::deque<Guess> fields;  // stable addresses
  std::map<std::string, Guess*, std::less<>> by_name;
  std::unique_ptr<Guess> element;

  Guess* field(std::string_view key) {
    auto found = by_name.find(key);
    if (found != by_name.end()) return found->second;
    fields.emplace_back().name = key;
    return by_name.emplace(std::string(key), &fields.back()).first->second;
  }
};

struct SampleRoot : Column {
  Guess guess;
  bool timestamps = true;
};

const char* guess_value(Parse& s, Guess& guess, const char* p, int depth);

const char* read_string(Parse& s, const char* p, std::string* text) {
  if (*p != '"') return stop(s, p >= s.end ? Flaw::truncated : Flaw::unexpected_character, p);
  bool escaped = false;
  const char* end = skip_string(s, p + 1, &escaped);
  if (end == nullptr) return nullptr;
  text->assign(p + 1, static_cast<size_t>(end - 1 - (p + 1)));
  if (escaped) {
    char* out = text->data();
    Flaw flaw = unescape(p + 1, end - 1, &out);
    if (flaw != Flaw::none) return stop(s, flaw, p);
    text->resize(static_cast<size_t>(out - text->data()));
  }
  return end;
}

const char* guess_string(Parse& s, Guess& guess, const char* p) {
  std::string text;
  const char* end = read_string(s, p, &text);
  if (end == nullptr) return nullptr;
  Moment moment;
  bool known = static_cast<SampleRoot*>(s.root)->timestamps && !guess.text && text.size() >= 10 && text.size() <= 35 &&
               parse_moment(text, &moment) && moment.has_date;
  if (!known) {
    guess.text = true;
  } else {
    (moment.zoned ? guess.zoned : moment.has_time ? guess.local : guess.date) = true;
    guess.nanos |= moment.nanos % 1000 != 0;
  }
  return end;
}

const char* guess_number(Parse& s, Guess& guess, const char* p) {
  bool integral = false;
  const char* end = scan_number(p, &integral);
  if (end == nullptr) {
    return stop(s, p >= s.end ? Flaw::truncated : *p == '-' ? Flaw::bad_number : Flaw::bad_literal, p);
  }
  if (!integral) {
    guess.broken = true;
    return end;
  }
  int64_t value = 0;
  uint64_t large = 0;
  if (std::from_chars(p, end, value).ec == std::errc()) {
    guess.whole = true;
    guess.negative |= value < 0;
  } else if (*p != '-' && std::from_chars(p, end, large).ec == std::errc()) {
    guess.large = true;
  } else {
    guess.huge = true;
  }
  return end;
}

const char* guess_object(Parse& s, Guess& guess, const char* p, int depth) {
  p = skip_space(s, p + 1);
  if (*p == '}') return p + 1;
  std::string key;
  for (;;) {
    p = read_string(s, p, &key);
    if (p == nullptr) return nullptr;
    p = skip_space(s, p);
    if (*p != ':') return stop(s, p >= s.end ? Flaw::truncated : Flaw::unexpected_character, p);
    Guess* field = guess.field(key);
    guess.opaque |= guess.fields.size() > kFieldsMax && depth > 0;
    p = guess_value(s, *field, skip_space(s, p + 1), depth + 1);
    if (p == nullptr) return nullptr;
    p = skip_space(s, p);
    if (*p == '}') return p + 1;
    if (*p != ',') return stop(s, p >= s.end ? Flaw::truncated : Flaw::unexpected_character, p);
    p = skip_space(s, p + 1);
  }
}

const char* guess_array(Parse& s, Guess& guess, const char* p, int depth) {
  if (guess.element == nullptr) guess.element = std::make_unique<Guess>();
  p = skip_space(s, p + 1);
  if (*p == ']') return p + 1;
  for (;;) {
    p = guess_value(s, *guess.element, p, depth + 1);
    if (p == nullptr) return nullptr;
    p = skip_space(s, p);
    if (*p == ']') return p + 1;
    if (*p != ',') return stop(s, p >= s.end ? Flaw::truncated : Flaw::unexpected_character, p);
    p = skip_space(s, p + 1);
  }
}

const char* guess_value(Parse& s, Guess& guess, const char* p, int depth) {
  bool nested = *p == '{' || *p == '[';
  if (nested && (guess.opaque || depth >= kDepthMax)) {
    guess.opaque = true;
    return skip_structure(s, p + 1, 1);
  }
  switch (*p) {
    case '{':
      guess.object = true;
      return guess_object(s, guess, p, depth);
    case '[':
      guess.array = true;
      return guess_array(s, guess, p, depth);
    case '"':
      return guess_string(s, guess, p);
    case 'n':
      if (memcmp(p, "null", 4) == 0) return p + 4;
      break;
    case 't':
      guess.boolean = true;
      if (memcmp(p, "true", 4) == 0) return p + 4;
      break;
    case 'f':
      guess.boolean = true;
      if (memcmp(p, "false", 5) == 0) return p + 5;
      break;
    default:
      return guess_number(s, guess, p);
  }
  return stop(s, Flaw::bad_literal, p);
}

Stop sample_rows(Parse& s) {
  auto sample = [](Parse& state, const char* p) -> const char* {
    if (*p != '{') return stop(state, Flaw::not_an_object, p);
    const char* end = guess_object(state, static_cast<SampleRoot*>(state.root)->guess, p, 0);
    if (end != nullptr) ++state.root->length;
    return end;
  };
  auto undo = [](Parse&) {};  // what a bad record taught about types does no harm
  return s.by_line ? lines(s, sample, undo) : elements(s, sample, undo);
}

Result<TypePtr> resolve(const Guess& guess, const std::string& path);

Result<arrow::FieldVector> resolve_fields(const Guess& guess, const std::string& path) {
  arrow::FieldVector fields;
  for (const Guess& field : guess.fields) {
    std::string name = path.empty() ? field.name : path + "." + field.name;
    fields.push_back(arrow::field(field.name, TRY(resolve(field, name))));
  }
  return fields;
}

Result<TypePtr> resolve_number(const Guess& guess, const std::string& path) {
  if (guess.broken) return arrow::float64();
  if (guess.huge || (guess.large && guess.negative)) {
    return user_error(
        "column '{}' holds integers that no BIGINT or UBIGINT holds; declare it: columns := '{} "
        "DECIMAL(38,0)' or VARCHAR",
        path, path);
  }
  return guess.large ? arrow::uint64() : arrow::int64();
}

TypePtr resolve_string(const Guess& guess) {
  auto unit = guess.nanos ? arrow::TimeUnit::NANO : arrow::TimeUnit::MICRO;
  if (guess.text || (guess.zoned && (guess.local || guess.date))) return arrow::utf8();
  if (guess.zoned) return arrow::timestamp(unit, "UTC");
  if (guess.local) return arrow::timestamp(unit);
  return arrow::date32();
}

Result<TypePtr> resolve(const Guess& guess, const std::string& path) {
  bool number = guess.whole || guess.large || guess.huge || guess.broken;
  bool string = guess.text || guess.date || guess.local || guess.zoned;
  int kinds = int{guess.boolean} + int{number} + int{string} + int{guess.object} + int{guess.array};
  if (kinds > 1 || guess.opaque) return arrow::utf8();
  if (guess.boolean) return arrow::boolean();
  if (number) return resolve_number(guess, path);
  if (string) return resolve_string(guess);
  if (guess.array) return arrow::list(TRY(resolve(*guess.element, path)));
  if (guess.object && !guess.fields.empty()) return arrow::struct_(TRY(resolve_fields(guess, path)));
  return arrow::null();
}

}  // namespace

Result<SchemaPtr> infer(Context& context, const InferOptions& options, Input input) {
  std::string name = input.name;
  SampleRoot root;
  root.timestamps = options.timestamps;
  Records records(options.records, sample_rows, kBaselineParser);
  records.parse().root = &root;
  int64_t begin = input.begin;
  TRY(records.open(context, std::move(input)));
  std::optional<Error> first_error;
  while (root.length < options.sample_rows && records.position() - begin < options.sample_bytes) {
    auto event = TRY(records.run(context, options.sample_rows));
    if (event == Records::Event::end) break;
    if (event == Records::Event::flaw) {
      if (!first_error)
        first_error =
            user_error("{}: the record is not valid JSON near '{}'", records.place(), records.value_excerpt());
      std::string raw;
      if (!records.skip_bad_record(&raw)) break;
    }
  }
  if (root.length == 0 && first_error) return std::move(*first_error);
  auto fields = resolve_fields(root.guess, "");
  if (!fields.ok()) return user_error("{}: {}", name, fields.error().what);
  return arrow::schema(std::move(fields).value());
}

Result<SchemaPtr> infer(std::span<const std::string_view> records, bool timestamps) {
  SampleRoot root;
  root.timestamps = timestamps;
  std::string padded;
  std::string first_problem;
  for (std::string_view record : records) {
    padded.assign(record);
    padded.append(kPadding, '\0');
    Parse s;
    s.root = &root;
    s.at = padded.data();
    s.end = s.at + record.size();
    s.pause_at = s.at + 1;
    s.rows_max = INT64_MAX;
    const bool valid = simdjson::validate_utf8(record);
    Stop stopped = valid ? sample_rows(s) : Stop::flaw;
    if (stopped == Stop::more && skip_space(s, s.at) == s.end) continue;
    if (!first_problem.empty()) continue;
    first_problem = !valid ? "the bytes are not UTF-8"
                    : stopped == Stop::flaw
                        ? fmt::format("it is not valid JSON near '{}'", value_excerpt(s, kBaselineParser, s.end))
                        : "it is not one JSON object";
  }
  if (root.length == 0 && !first_problem.empty()) return user_error("the first record is bad: {}", first_problem);
  return arrow::schema(TRY(resolve_fields(root.guess, "")));
}

}  // namespace sluice::json
