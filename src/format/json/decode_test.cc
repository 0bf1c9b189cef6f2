#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/json/json_fixture.h"

namespace sluice::json {
namespace {

TEST(JsonDecode, reads_a_record_a_line_with_nested_values) {
  std::string text =
      "{\"id\":1,\"user\":{\"id\":7,\"city\":\"Oslo\"},\"tags\":[\"a\",\"b\"],\"ok\":true,\"x\":1.5}\n"
      "{\"id\":2,\"user\":null,\"tags\":[],\"ok\":false,\"x\":null}\n";
  EXPECT_EQ(rows(text), text);
}

TEST(JsonDecode, order_of_fields_spaces_and_missing_fields_do_not_matter) {
  EXPECT_EQ(rows("{\"a\":1,\"b\":\"x\"}\n{ \"b\" : \"y\" , \"a\" : 2 }\r\n\n\t{\"b\":\"z\"}\n{}\n{\"a\":5}"),
            "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n{\"a\":null,\"b\":\"z\"}\n{\"a\":null,\"b\":null}\n"
            "{\"a\":5,\"b\":null}\n");
}

TEST(JsonDecode, several_documents_may_share_a_line) {
  EXPECT_EQ(rows("{\"a\":1}{\"a\":2} {\"a\":3}\n{\"a\":4}\n"), "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n");
}

TEST(JsonDecode, a_top_level_array_and_pretty_printed_documents_are_recognised) {
  std::string expected = "{\"a\":1}\n{\"a\":2}\n";
  EXPECT_EQ(rows("[{\"a\":1},{\"a\":2}]"), expected);
  EXPECT_EQ(rows(" [\n  {\"a\": 1},\n  {\"a\": 2}\n]\n"), expected);
  EXPECT_EQ(rows("{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n"), expected);
  EXPECT_EQ(rows("[{\"a\":1}][{\"a\":2}]"), expected);
  EXPECT_EQ(rows("[]", "a BIGINT"), "");
  EXPECT_EQ(rows("", "a BIGINT"), "");
  EXPECT_EQ(rows("\n\n", "a BIGINT"), "");
}

TEST(JsonDecode, a_byte_order_mark_is_skipped) { EXPECT_EQ(rows("\xEF\xBB\xBF{\"a\":1}\n"), "{\"a\":1}\n"); }

TEST(JsonDecode, records_path_takes_the_rows_out_of_wrapping_documents) {
  Case c;
  c.records.records_path = {"response", "Records"};
  std::string text =
      "{\"v\":[1,{\"Records\":[]}],\"response\":{\"n\":\"}\",\"Records\":[{\"a\":1},{\"a\":2}],\"more\":{}},\"z\":1}\n"
      "{\"response\":{\"Records\":[]}} {\"response\":{\"Records\":null}}{\"response\":{\"Records\":[{\"a\":3}]}}";
  for (int64_t bytes : {1, 3, 1000}) {
    c.bytes_at_once = bytes;
    EXPECT_EQ(decode(text, c).rows, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
  }
  EXPECT_EQ(decode("{\"response\":{\"x\":1}}", Case{.columns = "a BIGINT", .records = c.records}).rows,
            "error: t.json:1: the document has no 'response.Records' (records_path)");
  EXPECT_EQ(decode("{\"response\":{\"Records\":5}}", Case{.columns = "a BIGINT", .records = c.records}).rows,
            "error: t.json:1: records_path 'response.Records' must lead from an object to an array, but 5}} is here");
}

TEST(JsonDecode, bytes_that_come_one_by_one_give_the_same_rows) {
  std::string lines =
      "{\"id\":12345678901,\"s\":\"caf\xC3\xA9 \\u00e9\\n\",\"n\":[1,2,3],\"d\":-1.5e3}\r\n"
      "{\"id\":2,\"s\":\"\",\"n\":[],\"d\":0.25}\n";
  std::string expected =
      "{\"id\":12345678901,\"s\":\"café é\\n\",\"n\":[1,2,3],\"d\":-1500.0}\n"
      "{\"id\":2,\"s\":\"\",\"n\":[],\"d\":0.25}\n";
  std::string array = "[" + lines.substr(0, lines.find('\r')) + "," + lines.substr(lines.find('\n') + 1) + "]";
  for (int64_t bytes : {1, 2, 5, 17, 64}) {
    EXPECT_EQ(decode(lines, Case{.bytes_at_once = bytes}).rows, expected);
    EXPECT_EQ(decode(array, Case{.bytes_at_once = bytes}).rows, expected);
  }
}

TEST(JsonDecode, integers_are_exact_to_the_last_digit) {
  EXPECT_EQ(rows("{\"a\":9007199254740993,\"b\":-9223372036854775808,\"c\":18446744073709551615}\n"),
            "{\"a\":9007199254740993,\"b\":-9223372036854775808,\"c\":18446744073709551615}\n");
  EXPECT_EQ(rows("{\"a\":1.0}\n{\"a\":12e2}\n{\"a\":\"42\"}\n{\"a\":1234567890123456}\n", "a BIGINT"),
            "{\"a\":1}\n{\"a\":1200}\n{\"a\":42}\n{\"a\":1234567890123456}\n");
  EXPECT_EQ(rows("{\"a\":1.5}\n", "a BIGINT"), "error: t.json:1: column 'a': 1.5 does not fit BIGINT without rounding");
  EXPECT_EQ(rows("{\"a\":0}\n{\"a\":9223372036854775808}\n", "a BIGINT"),
            "error: t.json:2: column 'a': 9223372036854775808 is out of range for BIGINT");
  EXPECT_EQ(rows("{\"a\":-129}\n", "a TINYINT"), "error: t.json:1: column 'a': -129 is out of range for TINYINT");
  EXPECT_EQ(rows("{\"a\":-128,\"b\":255,\"c\":4294967295}\n", "a TINYINT, b UTINYINT, c UINTEGER"),
            "{\"a\":-128,\"b\":255,\"c\":4294967295}\n");
  EXPECT_EQ(rows("{\"a\":-1}\n", "a UINTEGER"), "error: t.json:1: column 'a': -1 is out of range for UINTEGER");
  EXPECT_THAT(rows("{\"a\":true}\n", "a BIGINT"), testing::HasSubstr("true is not a BIGINT"));
}

TEST(JsonDecode, a_double_that_cannot_hold_an_integer_refuses_it) {
  EXPECT_EQ(rows("{\"a\":9007199254740992}\n{\"a\":123456789012345680000}\n{\"a\":1e22}\n{\"a\":-0}\n", "a DOUBLE"),
            "{\"a\":9007199254740992.0}\n{\"a\":1.2345678901234568e+20}\n{\"a\":1e+22}\n{\"a\":-0.0}\n");
  EXPECT_EQ(rows("{\"a\":9007199254740993}\n", "a DOUBLE"),
            "error: t.json:1: column 'a': 9007199254740993 has more digits than a DOUBLE holds; declare the column "
            "DECIMAL or VARCHAR");
  EXPECT_THAT(rows("{\"a\":1e400}\n", "a DOUBLE"), testing::HasSubstr("out of range for DOUBLE"));
  EXPECT_EQ(rows("{\"a\":0.1}\n{\"a\":1234567.12345678}\n{\"a\":123456789.123456789}\n{\"a\":\"NaN\"}\n", "a VARCHAR"),
            "{\"a\":\"0.1\"}\n{\"a\":\"1234567.12345678\"}\n{\"a\":\"123456789.123456789\"}\n{\"a\":\"NaN\"}\n");
}

TEST(JsonDecode, decimals_take_the_digits_as_written) {
  EXPECT_EQ(rows("{\"a\":12.5}\n{\"a\":\"-0.01\"}\n{\"a\":1e3}\n{\"a\":7.500}\n{\"a\":0}\n", "a DECIMAL(12,2)"),
            "{\"a\":12.50}\n{\"a\":-0.01}\n{\"a\":1000.00}\n{\"a\":7.50}\n{\"a\":0.00}\n");
  EXPECT_EQ(rows("{\"a\":123456789012345678901234567890.12345678}\n", "a DECIMAL(38,8)"),
            "{\"a\":123456789012345678901234567890.12345678}\n");
  EXPECT_THAT(rows("{\"a\":1.005}\n", "a DECIMAL(12,2)"), testing::HasSubstr("1.005 does not fit"));
  EXPECT_THAT(rows("{\"a\":99999999999}\n", "a DECIMAL(12,2)"), testing::HasSubstr("out of range"));
}

TEST(JsonDecode, text_columns_keep_the_json_of_other_values) {
  EXPECT_EQ(
      rows("{\"a\":{\"x\": [1, \"}\"]}}\n{\"a\":[1,2]}\n{\"a\":1.50}\n{\"a\":true}\n{\"a\":\"s\"}\n{\"a\":null}\n",
           "a VARCHAR"),
      "{\"a\":\"{\\\"x\\\": [1, \\\"}\\\"]}\"}\n{\"a\":\"[1,2]\"}\n{\"a\":\"1.50\"}\n{\"a\":\"true\"}\n"
      "{\"a\":\"s\"}\n{\"a\":null}\n");
  EXPECT_THAT(rows("{\"a\":{\"x\":nope}}\n", "a VARCHAR"), testing::HasSubstr("error"));
}

TEST(JsonDecode, escapes_and_long_strings) {
  EXPECT_EQ(rows("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\u0000\"}\n"),
            "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\tAé€😀\\u0000\"}\n");
  EXPECT_EQ(rows("{\"\\u0061\":1}\n{\"a\":2}\n", "a BIGINT"), "{\"a\":1}\n{\"a\":2}\n");
  for (size_t size : {15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 10000000}) {
    std::string line = "{\"a\":\"" + std::string(size, 'x') + "\",\"b\":1}\n";
    EXPECT_EQ(rows(line + line, "a VARCHAR, b BIGINT") == line + line, true) << size;
  }
}

TEST(JsonDecode, bad_json_is_named_with_its_line) {
  auto error = [](const std::string& record) { return rows("{\"a\":\"x\"}\n" + record + "\n", "a VARCHAR, b BIGINT"); };
  EXPECT_EQ(error("{\"a\":\"x"), "error: t.json:2: a control character inside a string must be written as an escape");
  EXPECT_EQ(error("{\"a\":\"x\""), "error: t.json:2: the record ends early");
  EXPECT_EQ(error("{\"a\":\"\\x\"}"), "error: t.json:2: column 'a': invalid escape in \"\\x\"");
  EXPECT_EQ(error("{\"a\":\"\\ud800\"}"), "error: t.json:2: column 'a': half a surrogate pair in \"\\ud800\"");
  EXPECT_EQ(error("{\"a\":\"\\ude00\"}"), "error: t.json:2: column 'a': half a surrogate pair in \"\\ude00\"");
  EXPECT_EQ(error("{\"a\":\"\xff\"}"),
            "error: t.json:2: the bytes are not UTF-8; set encoding to the file's, for example latin1");
  EXPECT_EQ(error("{\"b\":01}"), "error: t.json:2: column 'b': '01' is not a valid JSON number");
  EXPECT_EQ(error("{\"b\":nul}"), "error: t.json:2: column 'b': 'nul' is not a JSON value");
  EXPECT_EQ(error("{\"b\":1,}"), "error: t.json:2: unexpected '}'");
  EXPECT_EQ(error("{\"b\":1 \"a\":2}"), "error: t.json:2: unexpected '\"a\"'");
  EXPECT_EQ(error("{\"b\":1,\"b\":2}"), "error: t.json:2: the field 'b' appears twice in one record");
  EXPECT_EQ(error("[1]"), "error: t.json:2: a record must be an object, but [1] is here");
  EXPECT_EQ(error("{\"b\":1}}"), "error: t.json:2: a record must be an object, but } is here");
  EXPECT_THAT(rows("[{\"a\":1},]", "a BIGINT"), testing::HasSubstr("a record must be an object"));
  EXPECT_THAT(rows("[{\"a\":1}", "a BIGINT"), testing::HasSubstr("the record ends early"));
  EXPECT_THAT(rows("[{\"a\":1} {\"a\":2}]", "a BIGINT"), testing::HasSubstr("unexpected"));
  EXPECT_THAT(rows("{\"a\":1", "a BIGINT"), testing::HasSubstr("error"));
}

TEST(JsonDecode, a_scalar_of_a_register_s_width_at_the_very_end_is_read_alike_by_every_parser) {
  for (size_t size = 1; size < 70; ++size) {
    decode("[{\"a\":1}," + std::string(size, 'D'), Case{.columns = "a BIGINT", .collect_rejects = true});
    decode("{\"a\":1}\n" + std::string(size, '1'), Case{.columns = "a BIGINT", .collect_rejects = true});
  }
}

TEST(JsonDecode, unknown_fields_are_an_error_unless_ignored) {
  EXPECT_EQ(rows("{\"a\":1,\"u\":{\"c\":1}}\n", "a BIGINT, u STRUCT(b BIGINT)"),
            "error: t.json:1: field 'u.c' is not in the schema; name it in columns := '…', raise sample_rows or "
            "sample_files, or set unknown_fields := ignore");
  EXPECT_EQ(rows("{\"a\":1,\"u\":{\"c\": null,\"b\":2},\"z\":null}\n", "a BIGINT, u STRUCT(b BIGINT)"),
            "{\"a\":1,\"u\":{\"b\":2}}\n")
      << "null tells of no column";
  std::string text = "{\"x\":[1,{\"y\":\"]\"}],\"a\":1,\"z\":null}\n{\"a\":2,\"q\":-1.5,\"w\":\"\\\"\"}\n";
  EXPECT_EQ(decode(text, Case{.columns = "a BIGINT", .refuse_unknown = false}).rows, "{\"a\":1}\n{\"a\":2}\n");
  Case named{.columns = "a BIGINT"};
  named.request.columns = std::vector<ColumnPath>{{"a"}};
  EXPECT_EQ(decode(text, named).rows, "{\"a\":1}\n{\"a\":2}\n") << "who names his columns loses none";
}

TEST(JsonDecode, bad_lines_become_rejects_and_the_rest_is_read) {
  Case c{.columns = "a BIGINT", .collect_rejects = true};
  std::string text = "{\"a\":1}\n{\"a\":\"x\"}\r\n{\"a\":2}\nnot json\n\xff\xfe\n{\"a\":3}\n{\"a\":";
  Outcome outcome = decode(text, c);
  EXPECT_EQ(outcome.rows, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
  ASSERT_EQ(outcome.rejects.size(), 4U);
  EXPECT_EQ(outcome.rejects[0],
            "t.json:2 (byte 8): t.json:2: column 'a': \"x\" is not a BIGINT; declare the column "
            "VARCHAR to keep it");
  EXPECT_EQ(outcome.payloads, (std::vector<std::string>{"{\"a\":\"x\"}", "not json", "\xff\xfe", "{\"a\":"}));
  EXPECT_EQ(outcome.positions.back(), static_cast<int64_t>(text.size()));
  Outcome array = decode("[{\"a\":1},{\"a\":\"x\"},{\"a\":nope},{\"a\":3}]", c);
  EXPECT_EQ(array.rows, "{\"a\":1}\n{\"a\":3}\n");
  EXPECT_EQ(array.payloads, (std::vector<std::string>{"{\"a\":\"x\"}", "{\"a\":nope}"}));
}

TEST(JsonDecode, a_bad_row_leaves_nothing_behind) {
  Case c{.columns = "l STRUCT(x BIGINT, m VARCHAR[])[], s VARCHAR, a BIGINT, m MAP(VARCHAR, BIGINT)",
         .collect_rejects = true};
  std::string good = "{\"l\":[{\"x\":1,\"m\":[\"p\",null]},null],\"s\":\"t\",\"a\":1,\"m\":{\"k\":5,\"q\":null}}\n";
  std::string bad =
      "{\"l\":[{\"x\":1,\"m\":[null,\"r\"]},{\"x\":null,\"m\":[\"z\"]}],\"s\":null,\"m\":{\"k\":1},\"a\":x}\n";
  EXPECT_EQ(decode(good + bad + good + bad + bad + good, c).rows, good + good + good);
}

TEST(JsonDecode, byte_ranges_cover_every_line_once) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "{\"a\":" + std::to_string(i * i * i) + "}\n";
  int64_t size = static_cast<int64_t>(text.size());
  std::string whole = rows(text, "a BIGINT");
  for (int64_t cut = 2; cut < size; ++cut) {
    Case first{.columns = "a BIGINT", .end = cut};
    // A part that may begin anywhere is handed the byte before it: a line that begins right at the cut is its own.
    Case second{.columns = "a BIGINT", .begin = cut - 1, .at_record_start = false};
    EXPECT_EQ(decode(text, first).rows + decode(text, second).rows, whole) << cut;
  }
}

TEST(JsonDecode, a_reported_position_is_where_decoding_can_go_on) {
  std::string lines, array = "[";
  for (int i = 0; i < 30; ++i) {
    lines += "{\"a\":" + std::to_string(i) + "}\n";
    array += (i > 0 ? " , " : "") + ("{\"a\":" + std::to_string(i) + "}");
  }
  array += "]";
  std::string wrapped = "{\"x\":1,\"Records\":" + array + ",\"y\":[2]}\n{\"Records\":[{\"a\":30}]}";
  for (const std::string& text : {lines, array, wrapped}) {
    Case c{.columns = "a BIGINT"};
    if (&text == &wrapped || text[0] == '{') {
      if (text.find("Records") != std::string::npos) c.records.records_path = {"Records"};
    }
    c.request.batch_rows = 7;
    Outcome all = decode(text, c);
    EXPECT_GT(all.batches, 4);
    std::string whole = all.rows;
    for (size_t i = 0; i < all.positions.size(); ++i) {
      Case rest = c;
      rest.begin = all.positions[i];
      std::string tail = decode(text, rest).rows;
      ASSERT_GE(whole.size(), tail.size());
      EXPECT_EQ(whole.substr(whole.size() - tail.size()), tail);
      EXPECT_EQ(static_cast<size_t>(std::count(tail.begin(), tail.end(), '\n')) + std::min<size_t>(7 * (i + 1), 31),
                std::max<size_t>(std::count(whole.begin(), whole.end(), '\n'), std::min<size_t>(7 * (i + 1), 31)));
    }
  }
}

TEST(JsonDecode, an_unfinished_last_line_of_a_growing_file_is_left_for_later) {
  Outcome outcome = decode("{\"a\":1}\n{\"a\":2", Case{.columns = "a BIGINT", .tail = true});
  EXPECT_EQ(outcome.rows, "{\"a\":1}\n");
  EXPECT_EQ(outcome.positions.back(), 8);
  EXPECT_EQ(decode("{\"a\":1}\n{\"a\":2", Case{.columns = "a BIGINT, b BIGINT"}).rows.substr(0, 5), "error");
}

TEST(JsonDecode, only_the_wanted_fields_are_parsed) {
  Case c{.columns = "a BIGINT, u STRUCT(id BIGINT, city VARCHAR, z BIGINT), b VARCHAR"};
  c.request.columns = {{{"u", "city"}, {"a"}}};
  std::string text = "{\"a\":1,\"u\":{\"id\":\"no\",\"city\":\"Oslo\",\"z\":{}},\"b\":12,\"new\":1}\n{\"b\":\"}\"}\n";
  EXPECT_EQ(decode(text, c).rows, "{\"a\":1,\"u\":{\"city\":\"Oslo\"}}\n{\"a\":null,\"u\":null}\n");
  c.request.columns = std::vector<ColumnPath>{};
  EXPECT_EQ(decode(text, c).rows, "{}\n{}\n");
  c.request.columns = {{{"u", "town"}}};
  EXPECT_EQ(decode(text, c).rows, "error: there is no column u.town");
}

TEST(JsonDecode, filters_drop_rows_exactly) {
  std::string text =
      "{\"e\":\"buy\",\"n\":1,\"u\":{\"c\":\"Oslo\"},\"d\":1.5,\"ok\":true,\"t\":\"2026-01-01T00:00:00Z\"}\n"
      "{\"e\":\"sell\",\"n\":2,\"u\":{\"c\":\"Rome\"},\"d\":-2,\"ok\":false,\"t\":\"2026-01-02T00:00:00Z\"} "
      "{\"n\":3,\"u\":null,\"d\":2.5,\"ok\":null}\n"
      "{\"u\":{},\"n\":4,\"x\":[{\"}\":\"\\\"]\"}],\"e\":\"buyer\"}\n";
  auto kept = [&](std::vector<Predicate> filter) {
    Case c{.columns =
               "e VARCHAR, n BIGINT, u STRUCT(c VARCHAR), d DOUBLE, ok BOOLEAN, t TIMESTAMP WITH TIME ZONE, "
               "x VARCHAR"};
    c.request.columns = {{{"n"}}};
    c.request.filter = std::move(filter);
    World world;
    auto planned = plan(parse_columns(c.columns).value(), c.request).value();
    for (bool exact : planned.pushed.filter_exact) EXPECT_TRUE(exact);
    std::string out = decode(text, c).rows, digits;
    for (char ch : out) {
      if (ch >= '0' && ch <= '9') digits += ch;
    }
    return digits;
  };
  auto text_value = [](const char* value) { return arrow::MakeScalar(value); };
  auto number = [](double value) { return arrow::MakeScalar(value); };
  auto whole = [](int64_t value) { return arrow::MakeScalar(value); };
  using enum Predicate::Op;
  EXPECT_EQ(kept({{{"e"}, eq, {text_value("buy")}}}), "1");
  EXPECT_EQ(kept({{{"e"}, ne, {text_value("buy")}}}), "24");
  EXPECT_EQ(kept({{{"e"}, ge, {text_value("buy")}}}), "124");
  EXPECT_EQ(kept({{{"e"}, in, {text_value("sell"), text_value("buyer")}}}), "24");
  EXPECT_EQ(kept({{{"e"}, is_null, {}}}), "3");
  EXPECT_EQ(kept({{{"e"}, is_not_null, {}}}), "124");
  EXPECT_EQ(kept({{{"n"}, gt, {whole(2)}}}), "34");
  EXPECT_EQ(kept({{{"n"}, le, {whole(2)}}, {{"e"}, eq, {text_value("sell")}}}), "2");
  EXPECT_EQ(kept({{{"d"}, lt, {number(2)}}}), "12");
  EXPECT_EQ(kept({{{"d"}, ge, {whole(-2)}}}), "123");
  EXPECT_EQ(kept({{{"ok"}, eq, {arrow::MakeScalar(true)}}}), "1");
  EXPECT_EQ(kept({{{"u", "c"}, eq, {text_value("Rome")}}}), "2");
  EXPECT_EQ(kept({{{"u", "c"}, is_null, {}}}), "34");
  EXPECT_EQ(kept({{{"u"}, is_null, {}}}), "3");
  EXPECT_EQ(kept({{{"u"}, is_not_null, {}}}), "124");
  auto instant = std::make_shared<arrow::TimestampScalar>(1767225600, arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"));
  EXPECT_EQ(kept({{{"t"}, gt, {instant}}}), "2");
}

TEST(JsonDecode, comparisons_that_could_differ_from_sql_are_left_to_it) {
  auto schema = parse_columns("a BIGINT, l BIGINT[], s VARCHAR").value();
  ReadRequest request;
  request.filter = {{{"a"}, Predicate::Op::gt, {arrow::MakeScalar(1.5)}},
                    {{"l"}, Predicate::Op::eq, {arrow::MakeScalar(int64_t{1})}},
                    {{"s"}, Predicate::Op::eq, {arrow::MakeScalar(int64_t{1})}},
                    {{"a"}, Predicate::Op::eq, {arrow::MakeNullScalar(arrow::int64())}}};
  request.limit = 3;
  auto planned = plan(schema, request).value();
  EXPECT_EQ(planned.pushed.filter_exact, (std::vector<bool>{false, false, false, false}));
  EXPECT_FALSE(planned.pushed.limit);
}

TEST(JsonDecode, a_limit_ends_the_input_early) {
  Case c{.columns = "a BIGINT"};
  c.request.limit = 2;
  EXPECT_EQ(decode("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", c).rows, "{\"a\":1}\n{\"a\":2}\n");
}

TEST(JsonDecode, dates_and_times_in_all_their_spellings) {
  EXPECT_EQ(
      rows("{\"t\":\"2024-02-29 23:59:59.5+02:00\"}\n{\"t\":\"2024-02-29T01:02:03.123456Z\"}\n{\"t\":\"1969-12-31\"}\n"
           "{\"t\":\"2024-02-29T01:02:03-0130\"}\n",
           "t TIMESTAMP WITH TIME ZONE"),
      "{\"t\":\"2024-02-29T21:59:59.500Z\"}\n{\"t\":\"2024-02-29T01:02:03.123456Z\"}\n"
      "{\"t\":\"1969-12-31T00:00:00Z\"}\n{\"t\":\"2024-02-29T02:32:03Z\"}\n");
  EXPECT_THAT(rows("{\"t\":\"2023-02-29T00:00:00\"}\n", "t TIMESTAMP"), testing::HasSubstr("is not a valid TIMESTAMP"));
  EXPECT_THAT(rows("{\"t\":\"2023-02-28T24:00:00\"}\n", "t TIMESTAMP"), testing::HasSubstr("is not a valid TIMESTAMP"));
  EXPECT_THAT(rows("{\"t\":\"2023-02-28T00:00:00.1234567\"}\n", "t TIMESTAMP"), testing::HasSubstr("without rounding"));
  EXPECT_EQ(rows("{\"d\":\"2024-02-29\",\"t\":\"12:30:00.25\"}\n", "d DATE, t TIME"),
            "{\"d\":\"2024-02-29\",\"t\":\"12:30:00.250\"}\n");
}

TEST(JsonDecode, records_longer_than_allowed_are_an_error) {
  Case c{.columns = "a VARCHAR"};
  c.records.record_bytes_max = 4 << 20;
  EXPECT_EQ(decode("{\"a\":\"" + std::string(6 << 20, 'x') + "\"}\n", c).rows.substr(0, 60),
            "error: t.json:1: a record is longer than 4194304 bytes (reco");
}

}  // namespace
}  // namespace sluice::json
