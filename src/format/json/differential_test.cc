// Random documents, written in random ways, against what they were made of; damaged ones against another parser.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "format/json/json_fixture.h"

namespace sluice::json {
namespace {

constexpr const char* kColumns =
    "id BIGINT, name VARCHAR, ok BOOLEAN, x DOUBLE, t TIMESTAMP WITH TIME ZONE, d DECIMAL(20,3), "
    "u STRUCT(id INTEGER, city VARCHAR, deep STRUCT(a BIGINT[], b VARCHAR)), l STRUCT(k VARCHAR, v DOUBLE)[], "
    "m MAP(VARCHAR, BIGINT), \"quote\"\"d\" SMALLINT";

// A record as it comes out, and the same in a random spelling.
class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {}

  struct Pair {
    std::string expected, written;
  };

  Pair record() {
    std::vector<Field> fields = {{"id", integer(INT64_MIN, INT64_MAX)},
                                 {"name", text()},
                                 {"ok", boolean()},
                                 {"x", number()},
                                 {"t", timestamp()},
                                 {"d", decimal()},
                                 {"u", user()},
                                 {"l", list()},
                                 {"m", map()},
                                 {"quote\"d", integer(-32768, 32767)}};
    return object(fields);
  }
  uint64_t below(uint64_t n) { return random_() % n; }

 private:
  struct Field {
    std::string name;
    Pair value;
  };

  std::string space() {
    if (below(8) != 0) return "";
    static const char* const kSpaces[] = {" ", "  ", "\t", " \r", "   \t "};
    return kSpaces[below(5)];
  }
  Pair maybe_null(Pair value) { return below(8) == 0 ? Pair{"null", "null"} : value; }
  Pair integer(int64_t min, int64_t max) {
    int shift = static_cast<int>(below(64));
    auto value = static_cast<int64_t>(random_()) >> shift;
    value = std::min(std::max(value, min), max);
    std::string digits = std::to_string(value);
    if (below(20) == 0) return {digits, "\"" + digits + "\""};
    if (below(20) == 0) return {digits, digits + ".0"};
    return maybe_null({digits, digits});
  }
  Pair boolean() {
    std::string word = below(2) == 0 ? "true" : "false";
    return maybe_null({word, word});
  }
  Pair number() {
    double value = below(2) == 0 ? static_cast<double>(below(1000000)) / 100
                                 : std::ldexp(static_cast<double>(below(1 << 30)), static_cast<int>(below(200)) - 100);
    if (below(2) == 0) value = -value;
    char text[64];
    std::string spelling = below(2) == 0 ? fmt::format("{}", value) : fmt::format("{:.17g}", value);
    if (spelling.find_first_of(".e") == std::string::npos) spelling += ".0";
    *put_text(text, value) = '\0';
    return maybe_null({text, spelling});
  }
  static char* put_text(char* out, double value);
  Pair decimal() {
    auto units = static_cast<int64_t>(random_()) >> below(60);
    std::string digits =
        fmt::format("{}{}.{:03}", units < 0 ? "-" : "", std::abs(units / 1000), std::abs(units % 1000));
    return maybe_null({digits, below(4) == 0 ? "\"" + digits + "\"" : digits});
  }
  Pair timestamp() {
    uint64_t hour = below(24), minute = below(60), second = below(60), micros = below(3) == 0 ? below(1000000) : 0;
    std::string date = fmt::format("{:04}-{:02}-{:02}", 1600 + below(3) * 400, 1 + below(12), 1 + below(28));
    std::string clock = fmt::format("{:02}:{:02}:{:02}", hour, minute, second);
    std::string six = fmt::format("{:06}", micros);
    std::string fraction = micros == 0 ? "" : "." + (six.substr(3) == "000" ? six.substr(0, 3) : six);
    std::string written = micros == 0 && below(4) == 0 ? ".000" : fraction;
    return maybe_null(
        {"\"" + date + "T" + clock + fraction + "Z\"",
         "\"" + date + (below(2) == 0 ? "T" : " ") + clock + written + (below(3) == 0 ? "+00:00" : "Z") + "\""});
  }
  Pair text() {
    static const char* const kPieces[] = {"a", "é", "\"", "\\", "\n", "/", "😀", "}", "]", "{", "xxxxxxxxxxxxxxxx",
                                          ",", ":"};
    std::string value;
    for (uint64_t n = below(12); n > 0; --n) value += kPieces[below(13)];
    nlohmann::json document = value;
    std::string escaped = document.dump(-1, ' ', below(3) == 0);
    return maybe_null({document.dump(), escaped});
  }
  Pair list() {
    Pair out{"[", "["};
    for (uint64_t n = below(4), i = 0; i < n; ++i) {
      std::vector<Field> fields = {{"k", text()}, {"v", number()}};
      Pair item = maybe_null(object(fields));
      out.expected += (i > 0 ? "," : "") + item.expected;
      out.written += (i > 0 ? "," : "") + space() + item.written + space();
    }
    return maybe_null({out.expected + "]", out.written + space() + "]"});
  }
  Pair map() {
    Pair out{"{", "{"};
    for (uint64_t n = below(3), i = 0; i < n; ++i) {
      std::string key = (i > 0 ? "," : "") + fmt::format("\"k{}\":", i);
      Pair item = integer(INT64_MIN, INT64_MAX);
      out.expected += key + item.expected;
      out.written += key + item.written;
    }
    return maybe_null({out.expected + "}", out.written + "}"});
  }
  Pair user() {
    Pair a{"[", "["};
    for (uint64_t n = below(20), i = 0; i < n; ++i) {
      Pair item = integer(INT64_MIN, INT64_MAX);
      a.expected += (i > 0 ? "," : "") + item.expected;
      a.written += (i > 0 ? "," : "") + item.written;
    }
    std::vector<Field> deep = {{"a", {a.expected + "]", a.written + "]"}}, {"b", text()}};
    std::vector<Field> fields = {
        {"id", integer(INT32_MIN, INT32_MAX)}, {"city", text()}, {"deep", maybe_null(object(deep))}};
    return maybe_null(object(fields));
  }
  // Nulls may be left out, fields may change places, keys may be escaped.
  Pair object(std::vector<Field> fields) {
    Pair out;
    for (const Field& field : fields) {
      out.expected +=
          (out.expected.empty() ? "{" : ",") + nlohmann::json(field.name).dump() + ":" + field.value.expected;
    }
    if (below(6) == 0) std::shuffle(fields.begin(), fields.end(), random_);
    for (const Field& field : fields) {
      if (field.value.written == "null" && below(2) == 0) continue;
      std::string key = nlohmann::json(field.name).dump();
      if (below(20) == 0) key.replace(1, 1, fmt::format("\\u{:04x}", field.name[0]));
      out.written +=
          (out.written.empty() ? "{" : ",") + space() + key + space() + ":" + space() + field.value.written + space();
    }
    return {out.expected + "}", out.written.empty() ? "{}" : out.written + "}"};
  }

  std::mt19937_64 random_;
};

char* Writer::put_text(char* out, double value) {
  arrow::DoubleBuilder builder;
  CHECK(builder.Append(value).ok());
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::float64())}), 1,
                                        {builder.Finish().ValueOrDie()});
  auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto encoder = create_encoder({}, batch->schema(), stream).value();
  CHECK(encoder->write(*batch).ok());
  CHECK(encoder->finish().ok());
  std::string text = stream->Finish().ValueOrDie()->ToString();  // {"a":…}\n
  memcpy(out, text.data() + 5, text.size() - 7);
  return out + text.size() - 7;
}

TEST(JsonDifferential, documents_in_any_spelling_come_out_as_they_were_made) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Writer writer(seed);
    std::string expected, lines, array = "[";
    for (int i = 0; i < 60; ++i) {
      Writer::Pair pair = writer.record();
      expected += pair.expected + "\n";
      lines += pair.written + (writer.below(10) == 0 ? "\r\n" : "\n");
      array += (i > 0 ? ",\n" : "") + pair.written;
    }
    int64_t at_once = seed % 3 == 0 ? 1 + static_cast<int64_t>(writer.below(200)) : INT64_MAX;
    ASSERT_EQ(decode(lines, Case{.columns = kColumns, .bytes_at_once = at_once}).rows, expected) << seed;
    ASSERT_EQ(decode(array + "]", Case{.columns = kColumns, .bytes_at_once = at_once}).rows, expected) << seed;
  }
}

TEST(JsonDifferential, what_another_parser_refuses_is_refused) {
  static constexpr char kDamage[] = "{}[]\",:\\ntfu0129.eE+- \t\x01\x80\xff";
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    Writer writer(seed);
    std::string text = writer.record().written;
    for (uint64_t n = 1 + writer.below(2); n > 0; --n) {
      size_t at = writer.below(text.size());
      switch (writer.below(3)) {
        case 0:
          text[at] = kDamage[writer.below(sizeof kDamage - 1)];
          break;
        case 1:
          text.erase(at, 1 + writer.below(3));
          break;
        default:
          text.insert(at, 1, kDamage[writer.below(sizeof kDamage - 1)]);
          break;
      }
      if (text.empty()) text = "{";
    }
    Case c{.columns = kColumns, .records = {.layout = Layout::lines}, .collect_rejects = true};
    Outcome outcome = decode(text + "\n{\"id\":1}\n", c);
    bool refused = !outcome.rejects.empty();
    if (!refused && !nlohmann::json::accept(text)) {
      // Several documents on one line are fine here and not there.
      size_t documents = static_cast<size_t>(std::count(outcome.rows.begin(), outcome.rows.end(), '\n'));
      EXPECT_NE(documents, 2U) << text << "\n" << outcome.rows;
    }
    EXPECT_THAT(outcome.rows,
                testing::EndsWith("{\"id\":1,\"name\":null,\"ok\":null,\"x\":null,\"t\":null,\"d\":null,\"u\":null,"
                                  "\"l\":null,\"m\":null,\"quote\\\"d\":null}\n"))
        << text;
  }
}

TEST(JsonDifferential, projections_and_filters_agree_with_reading_everything) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Writer writer(seed);
    std::string lines, expected;
    for (int i = 0; i < 100; ++i) {
      Writer::Pair pair = writer.record();
      lines += pair.written + "\n";
      auto document = nlohmann::json::parse(pair.expected);
      const auto& id = document["id"];
      const auto& user = document["u"];
      if (id.is_null() || id.get<int64_t>() <= 1000) continue;
      std::string city = user.is_null() ? "null" : nlohmann::json::object({{"city", user["city"]}}).dump();
      expected += "{\"ok\":" + document["ok"].dump() + ",\"u\":" + city + "}\n";
    }
    Case c{.columns = kColumns};
    c.request.columns = {{{"u", "city"}, {"ok"}}};
    c.request.filter = {{{"id"}, Predicate::Op::gt, {arrow::MakeScalar(int64_t{1000})}}};
    ASSERT_EQ(decode(lines, c).rows, expected) << seed;
  }
}

}  // namespace
}  // namespace sluice::json
