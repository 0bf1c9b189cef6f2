#include "format/orc/orc.h"

#include <arrow/adapters/orc/adapter.h>
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/orc/stripe_check.h"
#include "port/registry.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

class Orc : public ::testing::Test {
 protected:
  static std::unique_ptr<Format> format(const std::map<std::string, std::string>& given = {}) {
    RawOptions raw;
    for (const auto& [name, value] : given) raw[name] = {value, "the test"};
    auto descriptor = orc_format();
    auto values = OptionValues::parse("orc", descriptor.options, OptionScope::sink, raw);
    return descriptor.create(values.value()).value();
  }
  // Rows as JSON arrays: [[1, "a"], [2, null]].
  static BatchPtr batch(const SchemaPtr& schema, const std::string& json) {
    auto rows = arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), json).ValueOrDie();
    return arrow::RecordBatch::FromStructArray(rows).ValueOrDie()->ReplaceSchemaMetadata(nullptr);
  }
  static BatchPtr rows(int64_t count) {
    std::string json;
    for (int64_t i = 0; i < count; ++i) {
      json += fmt::format(R"({}[{}, "name {}", [{}]])", json.empty() ? "[" : ",", i, i * 7919 % 10007, i);
    }
    return batch(schema(), json + "]");
  }
  static SchemaPtr schema() {
    return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8()),
                          arrow::field("tags", arrow::list(arrow::int64()))});
  }

  Result<std::shared_ptr<arrow::Buffer>> encode(const BatchPtr& rows,
                                                const std::map<std::string, std::string>& options = {}) {
    auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder = TRY(format(options)->create_encoder(context_, rows->schema(), out));
    TRY(encoder->write(*rows));
    TRY(encoder->finish());
    EXPECT_FALSE(out->closed());
    return out->Finish().ValueOrDie();
  }
  static Input input(const std::shared_ptr<arrow::Buffer>& bytes, int64_t begin = 0, int64_t end = INT64_MAX) {
    Input input;
    input.name = "data/a.orc";
    input.file = std::make_shared<arrow::io::BufferReader>(bytes);
    input.begin = begin;
    input.end = end;
    return input;
  }
  Result<BatchPtr> decode(const Input& input, const ReadRequest& request = {}, SchemaPtr schema = nullptr) {
    auto reader = format();
    if (schema == nullptr) schema = TRY(reader->infer(context_, input));
    auto decoder = TRY(reader->create_decoder(context_, {schema, request, false}));
    TRY(decoder->open(context_, input));
    std::vector<BatchPtr> batches;
    for (bool at_end = false; !at_end;) {
      auto step = TRY(decoder->step(context_));
      at_end = step.at_end;
      if (!step.full && !at_end) continue;
      if (auto rows = TRY(decoder->take(nullptr)); rows != nullptr) batches.push_back(rows);
    }
    if (batches.empty()) return BatchPtr();
    return arrow::ConcatenateRecordBatches(batches).ValueOrDie();
  }

  std::stop_source stop_;
  Metrics metrics_;
  Budget budget_{64 << 20};
  Registry registry_;
  Context context_{stop_.get_token(), system_clock(), Log(), metrics_, budget_, registry_, "orders"};
};

TEST_F(Orc, reading_begins_at_any_row_and_ends_with_the_stripe_before_its_end) {
  auto all = rows(60'000);
  auto bytes =
      encode(all, {{"stripe_bytes", "64KB"}, {"block_bytes", "64KB"}, {"compression", "none"}, {"dictionary", "false"}})
          .value();
  auto cuts = format()->cuts(context_, input(bytes), 30'000).value();
  ASSERT_GT(cuts.size(), 1u);
  int64_t begin = 0;
  cuts.push_back(all->num_rows());
  for (int64_t end : cuts) {
    EXPECT_TRUE(decode(input(bytes, begin, end)).value()->Equals(*all->Slice(begin, end - begin))) << begin;
    begin = end;
  }
  for (int64_t from : {int64_t{1}, cuts[0] - 1, cuts[0], cuts[0] + 1, int64_t{12'345}, int64_t{59'999}}) {
    EXPECT_TRUE(decode(input(bytes, from)).value()->Equals(*all->Slice(from))) << from;
  }
  EXPECT_EQ(decode(input(bytes, 60'000)).value(), nullptr);
}

TEST_F(Orc, only_the_number_of_rows_is_read_when_no_column_is_wanted) {
  ReadRequest request;
  request.columns.emplace();
  EXPECT_EQ(decode(input(encode(rows(777)).value()), request).value()->num_rows(), 777);
}

TEST_F(Orc, a_file_cut_anywhere_is_an_error_that_names_it) {
  auto bytes = encode(rows(50), {{"compression", "zlib"}}).value();
  for (int64_t size = 0; size < bytes->size(); ++size) {
    auto decoded = decode(input(arrow::SliceBuffer(bytes, 0, size)));
    ASSERT_FALSE(decoded.ok()) << "cut at " << size;
    EXPECT_THAT(decoded.error().what, HasSubstr("data/a.orc is not a complete ORC file"));
    EXPECT_EQ(decoded.error().fault, Fault::user);
  }
}

TEST_F(Orc, a_flipped_byte_is_an_error_or_changes_values_but_never_crashes) {
  auto uneven = batch(arrow::schema({arrow::field("name", arrow::utf8()), arrow::field("word", arrow::utf8()),
                                     arrow::field("tags", arrow::list(arrow::utf8())),
                                     arrow::field("of", arrow::map(arrow::utf8(), arrow::int64()))}),
                      [] {
                        std::string json;
                        for (int i = 0; i < 80; ++i) {
                          json +=
                              fmt::format(R"({}["{:.{}}", "w{}", [{}], [["k", {}]]])", i == 0 ? "[" : ",",
                                          "a text of some length", i % 20, i % 3, i % 4 == 0 ? "" : R"("t","u")", i);
                        }
                        return json + "]";
                      }());
  for (const char* codec : {"none", "zlib", "zstd"}) {
    for (const char* dictionary : {"false", "true"}) {
      auto bytes = encode(uneven, {{"compression", codec}, {"dictionary", dictionary}}).value();
      EXPECT_TRUE(decode(input(bytes)).value()->Equals(*uneven));
      for (int64_t at = 0; at < bytes->size(); ++at) {
        for (int flip : {0x55, 0x80}) {
          auto copy = bytes->ToString();
          copy[static_cast<size_t>(at)] = static_cast<char>(copy[static_cast<size_t>(at)] ^ flip);
          auto decoded = decode(input(arrow::Buffer::FromString(copy)));
          if (!decoded.ok()) {
            EXPECT_NE(decoded.error().fault, Fault::bug) << decoded.error().what;
          }
        }
      }
    }
  }
}

// The examples of ORC's specification, and what lies just beyond them.
TEST(OrcLengths, every_kind_of_run_is_added_up) {
  using orc_format_detail::check_lengths;
  struct Example {
    bool version_2;
    std::string_view bytes;
    int64_t sum;
  };
  using namespace std::string_view_literals;
  const Example examples[] = {
      {false, "\x61\x00\x07"sv, 700},
      {false, "\xfb\x02\x03\x06\x07\x0b"sv, 29},
      {true, "\x0a\x27\x10"sv, 50'000},
      {true, "\x5e\x03\x5c\xa1\xab\x1e\xde\xad\xbe\xef"sv, 173'403},
      {true,
       "\x8e\x13\x2b\x21\x07\xd0\x1e\x00\x14\x70\x28\x32\x3c\x46\x50\x5a\x64\x6e\x78\x82\x8c\x96\xa0\xaa\xb4"
       "\xbe\xfc\xe8"sv,
       1'039'890},
      {true, "\xc6\x09\x02\x02\x22\x42\x42\x46"sv, 129},
  };
  for (const auto& example : examples) {
    EXPECT_TRUE(check_lengths(example.bytes, example.version_2, example.sum).ok()) << example.sum;
    EXPECT_FALSE(check_lengths(example.bytes, example.version_2, example.sum - 1).ok()) << example.sum;
    for (size_t cut = 0; cut < example.bytes.size(); ++cut) {
      EXPECT_TRUE(check_lengths(example.bytes.substr(0, cut), example.version_2, INT64_MAX).ok()) << cut;
    }
  }
  // Below zero: 1 - 2 (version 1), 2 - 3 (version 2); and 2^31.
  EXPECT_FALSE(check_lengths("\x00\xfe\x01"sv, false, INT64_MAX).ok());
  EXPECT_FALSE(check_lengths("\xc0\x01\x02\x05"sv, true, INT64_MAX).ok());
  EXPECT_FALSE(check_lengths("\x18\x80\x00\x00\x00"sv, true, INT64_MAX).ok());
}

TEST_F(Orc, what_has_no_orc_type_is_refused_by_name) {
  for (const auto& type : {arrow::time64(arrow::TimeUnit::MICRO), arrow::duration(arrow::TimeUnit::MICRO),
                           arrow::decimal256(50, 2), arrow::month_day_nano_interval()}) {
    auto inner = arrow::schema({arrow::field("a", arrow::struct_({arrow::field("b", type)}))});
    auto refused = format()->validate_schema(*inner);
    ASSERT_FALSE(refused.ok()) << type->ToString();
    EXPECT_THAT(refused.error().what, HasSubstr("column 'a.b': ORC has no type for"));
    EXPECT_FALSE(encode(arrow::RecordBatch::MakeEmpty(inner).ValueOrDie()).ok());
  }
}

TEST_F(Orc, unsigned_integers_are_written_as_the_next_larger_type) {
  auto unsigned_schema = arrow::schema({arrow::field("a", arrow::uint8()), arrow::field("b", arrow::uint16()),
                                        arrow::field("c", arrow::uint32()), arrow::field("d", arrow::uint64()),
                                        arrow::field("e", arrow::list(arrow::uint64()))});
  auto all = batch(unsigned_schema, R"([[255, 65535, 4294967295, 18446744073709551615, [18446744073709551615]]])");
  auto read = decode(input(encode(all).value())).value();
  EXPECT_EQ(read->schema()->ToString(),
            "a: int16\nb: int32\nc: int64\nd: decimal128(20, 0)\ne: list<item: decimal128(20, 0)>");
  EXPECT_TRUE(decode(input(encode(all).value()), {}, unsigned_schema).value()->Equals(*all));
}

TEST_F(Orc, timestamps_that_nanoseconds_cannot_hold_are_an_error_not_another_time) {
  auto times = arrow::schema({arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO))});
  auto decoded = decode(input(encode(batch(times, "[[253402300799999999]]")).value()));
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.error().what, HasSubstr("out of range"));
  EXPECT_EQ(decoded.error().fault, Fault::user);
}

TEST_F(Orc, every_compression_reads_back) {
  auto all = rows(3000);
  for (const char* codec : {"none", "zlib", "gzip", "snappy", "lz4", "zstd"}) {
    auto bytes = encode(all, {{"compression", codec}}).value();
    EXPECT_TRUE(decode(input(bytes)).value()->Equals(*all)) << codec;
    auto reader = arrow::adapters::orc::ORCFileReader::Open(std::make_shared<arrow::io::BufferReader>(bytes),
                                                            arrow::default_memory_pool());
    EXPECT_TRUE((*reader)->GetCompression().ok()) << codec;
  }
}

}  // namespace
}  // namespace sluice
