// What every Format has to do. A format's test includes this and says what it can hold:
//
//   INSTANTIATE_TEST_SUITE_P(Json, FormatBattery, testing::Values(FormatCase{"json", json_format(), {}}));
//
// Values are written and read back with the schema declared, so that what is lost is lost by the format.
#pragma once

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "port/conformance/expect.h"
#include "port/conformance/test_context.h"
#include "port/format.h"

namespace sluice::conformance {

// Kinds of values a format may be unable to bring back as they were.
enum class Hard {
  integers,
  unsigned_integers,
  floats,
  non_finite,
  decimals,
  timestamps,
  dates,
  booleans,
  nulls,
  empty_strings,
  unicode,
  long_strings,
  nested,
  binary
};

struct FormatCase {
  std::string name;
  FormatDescriptor descriptor;
  std::set<Hard> cannot = {};
  RawOptions options = {};
  friend void PrintTo(const FormatCase& item, std::ostream* out) { *out << item.name; }
};

class FormatBattery : public testing::TestWithParam<FormatCase> {
 protected:
  void SetUp() override {
    const auto& item = GetParam();
    auto values = value_of(OptionValues::parse(item.name, item.descriptor.options, OptionScope::both, item.options));
    format_ = value_of(item.descriptor.create(values));
    ASSERT_NE(format_, nullptr);
  }
  bool can(Hard kind) { return !GetParam().cannot.contains(kind); }

  std::string encode(const std::vector<BatchPtr>& batches) {
    auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder = value_of(format_->create_encoder(context_, batches[0]->schema(), out));
    for (const auto& batch : batches) expect_ok(encoder->write(*batch));
    expect_ok(encoder->finish());
    EXPECT_EQ(encoder->bytes_buffered(), 0);
    auto bytes = out->Finish().ValueOrDie();
    EXPECT_EQ(encoder->bytes_out(), bytes->size());
    return bytes->ToString();
  }

  // The part of `content` from `begin` on, as a connector opens it.
  Input input(const std::string& content, int64_t begin = 0, int64_t end = INT64_MAX, bool at_record_start = true) {
    Input made;
    made.name = "battery";
    made.begin = begin;
    made.end = end;
    made.at_record_start = at_record_start;
    if (format_->traits().random_access) {
      made.file = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(content));
    } else {
      made.stream = std::make_shared<arrow::io::BufferReader>(
          arrow::Buffer::FromString(content.substr(static_cast<size_t>(begin))));
    }
    if (begin > 0) made.head = content.substr(0, static_cast<size_t>(Input::head_bytes));
    return made;
  }

  std::unique_ptr<Decoder> decoder(const SchemaPtr& schema, const ReadRequest& request = {}) {
    return value_of(format_->create_decoder(context_, {schema, request, false}));
  }

  struct Taken {
    std::vector<BatchPtr> batches;
    std::vector<std::pair<int64_t, int64_t>> positions;  // (position, rows decoded until then)
    int64_t rows = 0;
  };
  void take(Decoder& from, Taken& taken) {
    std::vector<Reject> rejects;
    auto batch = value_of(from.take(&rejects));
    EXPECT_TRUE(rejects.empty());
    if (batch == nullptr || batch->num_rows() == 0) return;
    EXPECT_TRUE(batch->ValidateFull().ok()) << batch->ValidateFull().ToString();
    taken.rows += batch->num_rows();
    taken.batches.push_back(std::move(batch));
  }
  // Reads one input to its end; takes at every full batch.
  Taken read(Decoder& from, Input opened) {
    Taken taken;
    expect_ok(from.open(context_, std::move(opened)));
    for (;;) {
      auto stepped = from.step(context_);
      if (!stepped.ok()) {
        ADD_FAILURE() << stepped.error().message();
        return taken;
      }
      take(from, taken);
      taken.positions.emplace_back(stepped->position, taken.rows);
      if (stepped->at_end) return taken;
    }
  }

  static BatchPtr whole(const SchemaPtr& schema, const std::vector<BatchPtr>& batches) {
    auto table = arrow::Table::FromRecordBatches(schema, batches).ValueOrDie();
    return table->CombineChunksToBatch().ValueOrDie();
  }
  static void expect_same(const BatchPtr& actual, const BatchPtr& wanted) {
    ASSERT_EQ(actual->num_columns(), wanted->num_columns());
    ASSERT_EQ(actual->num_rows(), wanted->num_rows());
    auto options = arrow::EqualOptions::Defaults().nans_equal(true);
    for (int column = 0; column < wanted->num_columns(); ++column) {
      EXPECT_EQ(actual->schema()->field(column)->name(), wanted->schema()->field(column)->name());
      EXPECT_TRUE(actual->column(column)->type()->Equals(wanted->column(column)->type()))
          << actual->column(column)->type()->ToString() << " instead of " << wanted->column(column)->type()->ToString();
      EXPECT_TRUE(actual->column(column)->Equals(wanted->column(column), options))
          << actual->column(column)->ToString().substr(0, 500) << "\ninstead of\n"
          << wanted->column(column)->ToString().substr(0, 500);
    }
  }

  // One column of hard values beside a number, so that no record is empty.
  static BatchPtr with_ids(const std::shared_ptr<arrow::Array>& values) {
    arrow::Int64Builder ids;
    for (int64_t id = 0; id < values->length(); ++id) EXPECT_TRUE(ids.Append(id).ok());
    auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", values->type())});
    return arrow::RecordBatch::Make(schema, values->length(), {*ids.Finish(), values});
  }
  static std::shared_ptr<arrow::Array> array(const TypePtr& type, const std::string& json) {
    return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
  }
  void round_trip(const BatchPtr& batch) {
    auto reader = decoder(batch->schema());
    ASSERT_NE(reader, nullptr);
    auto taken = read(*reader, input(encode({batch})));
    ASSERT_FALSE(taken.batches.empty());
    expect_same(whole(batch->schema(), taken.batches), batch);
  }
  void round_trip(const TypePtr& type, const std::string& json) { round_trip(with_ids(array(type, json))); }

  static BatchPtr plain_rows(int64_t first, int64_t count) {
    arrow::Int64Builder ids;
    arrow::StringBuilder names;
    for (int64_t id = first; id < first + count; ++id) {
      EXPECT_TRUE(ids.Append(id).ok());
      EXPECT_TRUE(names.Append("name " + std::string(static_cast<size_t>(id % 13), 'x') + std::to_string(id)).ok());
    }
    return arrow::RecordBatch::Make(
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())}), count,
        {*ids.Finish(), *names.Finish()});
  }

  TestContext context_;
  std::unique_ptr<Format> format_;
};

TEST_P(FormatBattery, IntegersBeyondDoublesStayExact) {
  if (!can(Hard::integers)) GTEST_SKIP();
  round_trip(arrow::int64(), "[9007199254740993, -9007199254740993, 9223372036854775807, -9223372036854775808, 0]");
  round_trip(arrow::int32(), "[2147483647, -2147483648, 0]");
  if (can(Hard::unsigned_integers)) round_trip(arrow::uint64(), "[18446744073709551615, 0]");
}

TEST_P(FormatBattery, FloatsComeBackBitForBit) {
  if (!can(Hard::floats)) GTEST_SKIP();
  round_trip(arrow::float64(), "[0.1, -0.0, 1e308, 5e-324, 2.2250738585072014e-308, 123456789.12345679, 1e22]");
}

TEST_P(FormatBattery, InfinitiesAndNaN) {
  if (!can(Hard::non_finite)) GTEST_SKIP();
  round_trip(arrow::float64(), "[Inf, -Inf, NaN, 1.5]");
}

TEST_P(FormatBattery, DecimalsKeepAllTheirDigits) {
  if (!can(Hard::decimals)) GTEST_SKIP();
  round_trip(arrow::decimal128(38, 10),
             R"(["1234567890123456789012345678.0123456789", "-0.0000000001", "0.0000000000", "1.5000000000"])");
  round_trip(arrow::decimal128(38, 0), R"(["99999999999999999999999999999999999999", "-1"])");
}

TEST_P(FormatBattery, TimestampsBefore1970AndToTheMicrosecond) {
  if (!can(Hard::timestamps)) GTEST_SKIP();
  for (const char* zone : {"", "UTC"}) {
    round_trip(arrow::timestamp(arrow::TimeUnit::MICRO, zone),
               R"(["1969-12-31 23:59:59.999999", "1900-01-01 00:00:00.000001", "2026-02-28 12:00:00", "1970-01-01"])");
  }
}

TEST_P(FormatBattery, DatesAcrossTheCalendar) {
  if (!can(Hard::dates)) GTEST_SKIP();
  round_trip(arrow::date32(), "[-719162, -1, 0, 20454, 2932896]");
}

TEST_P(FormatBattery, Booleans) {
  if (!can(Hard::booleans)) GTEST_SKIP();
  round_trip(arrow::boolean(), "[true, false, true]");
}

TEST_P(FormatBattery, NullsAreNotValuesAndValuesAreNotNull) {
  if (!can(Hard::nulls)) GTEST_SKIP();
  round_trip(arrow::int64(), "[null, 0, null]");
  round_trip(arrow::utf8(), R"([null, "null", "NULL", "0", null])");
  if (can(Hard::empty_strings)) round_trip(arrow::utf8(), R"([null, "", " ", null])");
}

TEST_P(FormatBattery, TextWithEverythingIn) {
  if (!can(Hard::unicode)) GTEST_SKIP();
  round_trip(arrow::utf8(), R"(["日本語", "😀 e\u0301", "a,b;c\td", "it's \"quoted\"", "back\\slash", "line\nfeed",
                               "carriage\r\nreturn", " spaces ", "\u0001\u001f", "{\"a\": [1]}", "#not a comment"])");
}

TEST_P(FormatBattery, ALongString) {
  if (!can(Hard::long_strings)) GTEST_SKIP();
  arrow::StringBuilder builder;
  std::string text;
  for (int i = 0; text.size() < (1U << 20); ++i) text += std::to_string(i) + " ü ";
  ASSERT_TRUE(builder.Append("short").ok() && builder.Append(text).ok() && builder.Append("short").ok());
  round_trip(with_ids(*builder.Finish()));
}

TEST_P(FormatBattery, NestedValues) {
  if (!can(Hard::nested)) GTEST_SKIP();
  round_trip(arrow::list(arrow::int64()), "[[1, 2], [], null, [null, 9007199254740993]]");
  auto inner = arrow::struct_({arrow::field("x", arrow::utf8()), arrow::field("y", arrow::list(arrow::float64()))});
  round_trip(inner, R"([{"x": "a", "y": [0.1]}, {"x": null, "y": []}, {"x": "", "y": null}])");
  round_trip(arrow::list(inner), R"([[{"x": "a", "y": [1.5, null]}, {"x": "b", "y": []}], [], null])");
}

TEST_P(FormatBattery, Binary) {
  if (!can(Hard::binary)) GTEST_SKIP();
  arrow::BinaryBuilder builder;
  ASSERT_TRUE(builder.Append(std::string("\0\xff\n\"", 4)).ok() && builder.Append("").ok());
  round_trip(with_ids(*builder.Finish()));
}

TEST_P(FormatBattery, ManyBatchesAndSlicesAreOneStream) {
  auto all = plain_rows(0, 1000);
  auto content = encode({all->Slice(0, 1), all->Slice(1, 499), all->Slice(500, 0), all->Slice(500)});
  auto taken = read(*decoder(all->schema()), input(content));
  expect_same(whole(all->schema(), taken.batches), all);
}

TEST_P(FormatBattery, BatchesAreCutAtTheirRows) {
  auto all = plain_rows(0, 1000);
  ReadRequest request;
  request.batch_rows = 64;
  auto taken = read(*decoder(all->schema(), request), input(encode({all})));
  for (const auto& batch : taken.batches) EXPECT_LE(batch->num_rows(), 64);
  expect_same(whole(all->schema(), taken.batches), all);
}

TEST_P(FormatBattery, ReadingResumesAtEveryReportedPosition) {
  auto all = plain_rows(0, 300);
  auto content = encode({all});
  ReadRequest request;
  request.batch_rows = 7;
  auto once = read(*decoder(all->schema(), request), input(content));
  ASSERT_EQ(once.rows, 300);
  EXPECT_GE(once.positions.size(), 300U / 7);
  for (auto [position, rows] : once.positions) {
    auto rest = read(*decoder(all->schema(), request), input(content, position));
    ASSERT_EQ(rest.rows, 300 - rows) << "from position " << position;
    if (rest.rows > 0) expect_same(whole(all->schema(), rest.batches), all->Slice(rows));
  }
}

TEST_P(FormatBattery, RangesTakeEachRecordExactlyOnce) {
  const auto traits = format_->traits();
  if (!traits.line_based) GTEST_SKIP() << "not cut into byte ranges";
  auto all = plain_rows(0, 60);
  auto content = encode({all});
  arrow::io::BufferReader file(arrow::Buffer::FromString(content));
  for (int64_t at = 2; at < static_cast<int64_t>(content.size()); ++at) {
    int64_t cut = at;
    if (traits.quoted_newlines) cut = value_of(format_->next_record_start(context_, file, 0, at));
    // A range that begins anywhere is handed out from the byte before it, which shows whether a record begins with it.
    const int64_t begin = traits.quoted_newlines ? cut : cut - 1;
    auto first = read(*decoder(all->schema()), input(content, 0, cut));
    auto second = read(*decoder(all->schema()), input(content, begin, INT64_MAX, traits.quoted_newlines));
    ASSERT_EQ(first.rows + second.rows, 60) << "cut at byte " << cut;
    auto batches = first.batches;
    batches.insert(batches.end(), second.batches.begin(), second.batches.end());
    expect_same(whole(all->schema(), batches), all);
    if (HasFailure()) return;
  }
}

TEST_P(FormatBattery, ManySmallInputsShareABatch) {
  auto all = plain_rows(0, 100);
  auto reader = decoder(all->schema());
  Taken taken;
  for (int64_t at = 0; at < 100; at += 2) {
    expect_ok(reader->open(context_, input(encode({all->Slice(at, 2)}))));
    for (bool at_end = false; !at_end;) {
      auto stepped = reader->step(context_);
      ASSERT_TRUE(stepped.ok()) << stepped.error().message();
      EXPECT_FALSE(stepped->full);
      at_end = stepped->at_end;
    }
  }
  take(*reader, taken);
  EXPECT_EQ(taken.batches.size(), 1U);
  expect_same(whole(all->schema(), taken.batches), all);
}

TEST_P(FormatBattery, AProjectionThatIsPromisedIsKept) {
  auto all = plain_rows(0, 50);
  ReadRequest request;
  request.columns = {{"name"}};
  auto planned = value_of(format_->plan(all->schema(), request));
  if (!planned.pushed.columns) GTEST_SKIP() << "columns are not pushed";
  ASSERT_EQ(planned.schema->num_fields(), 1);
  auto taken = read(*decoder(all->schema(), request), input(encode({all})));
  auto wanted = arrow::RecordBatch::Make(planned.schema, 50, {all->column(1)});
  expect_same(whole(planned.schema, taken.batches), wanted);
}

TEST_P(FormatBattery, AnInputWithoutRowsIsNoError) {
  auto none = plain_rows(0, 0);
  auto taken = read(*decoder(none->schema()), input(encode({none})));
  EXPECT_EQ(taken.rows, 0);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FormatBattery);

}  // namespace sluice::conformance
