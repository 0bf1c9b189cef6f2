#include <gmock/gmock.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include "format/parquet/encodings.h"
#include "format/parquet/test_file.h"

namespace sluice::parquet_format_detail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Encode : public ParquetTest {
 protected:
  static std::unique_ptr<parquet::ParquetFileReader> open(const std::shared_ptr<arrow::Buffer>& bytes) {
    return parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(bytes));
  }
  static BatchPtr numbers(int64_t rows, int64_t first = 0) {
    arrow::Int64Builder ids;
    arrow::StringBuilder names;
    for (int64_t i = first; i < first + rows; ++i) {
      EXPECT_TRUE(ids.Append(i).ok());
      EXPECT_TRUE(names.Append("name " + std::to_string(i * 7919 % 10007)).ok());
    }
    return arrow::RecordBatch::Make(numbers_schema(), rows, {ids.Finish().ValueOrDie(), names.Finish().ValueOrDie()});
  }
  static SchemaPtr numbers_schema() {
    return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())});
  }
};

TEST_F(Encode, every_type_reads_back_equal) {
  auto schema = arrow::schema({
      arrow::field("b", arrow::boolean()),
      arrow::field("i8", arrow::int8()),
      arrow::field("u16", arrow::uint16()),
      arrow::field("u32", arrow::uint32()),
      arrow::field("u64", arrow::uint64()),
      arrow::field("f", arrow::float32()),
      arrow::field("s", arrow::utf8()),
      arrow::field("x", arrow::binary()),
      arrow::field("fx", arrow::fixed_size_binary(2)),
      arrow::field("d", arrow::date32()),
      arrow::field("t", arrow::time64(arrow::TimeUnit::MICRO)),
      arrow::field("ms", arrow::timestamp(arrow::TimeUnit::MILLI)),
      arrow::field("us", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
      arrow::field("ns", arrow::timestamp(arrow::TimeUnit::NANO)),
      arrow::field("berlin", arrow::timestamp(arrow::TimeUnit::MICRO, "Europe/Berlin")),
      arrow::field("took", arrow::duration(arrow::TimeUnit::MICRO)),
      arrow::field("m9", arrow::decimal128(9, 2)),
      arrow::field("m38", arrow::decimal128(38, 10)),
      arrow::field("m76", arrow::decimal256(76, 3)),
  });
  auto rows = batch(schema, R"([
    [true, -128, 65535, 4294967295, 18446744073709551615, 1.5, "ä", "\u0001", "ab", -719162, 86399999999, -1,
     -62135596800000000, -1, 5, -7, "-1234567.89", "1234567890123456789012345678.0123456789",
     "-1234567890123456789012345678901234567890123456789012345678901234567890123.456"],
    [null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null],
    [false, 127, 0, 0, 0, -0.0, "", "", "zz", 2932896, 0, 253402300799999, 253402300799999999, 9223372036854775807, 0,
     0, "0.00", "-0.0000000001", "0.001"]])");
  auto read = decode_one(encode(schema, {rows})).value();
  EXPECT_TRUE(read->schema()->Equals(*schema)) << read->schema()->ToString();
  EXPECT_TRUE(read->Equals(*rows)) << read->ToString();
}

TEST_F(Encode, special_floats_keep_their_bits) {
  auto schema = arrow::schema({arrow::field("d", arrow::float64())});
  auto rows = batch(schema, "[[NaN], [-0.0], [0.0], [Inf], [-Inf], [5e-324], [null]]");
  auto read = decode_one(encode(schema, {rows})).value();
  EXPECT_EQ(std::memcmp(read->column_data(0)->buffers[1]->data(), rows->column_data(0)->buffers[1]->data(), 48), 0);
}

TEST_F(Encode, nested_values_keep_empty_and_null_apart) {
  auto schema = arrow::schema({
      arrow::field("l", arrow::list(arrow::int64())),
      arrow::field("s", arrow::struct_({arrow::field("a", arrow::int64()),
                                        arrow::field("t", arrow::struct_({arrow::field("b", arrow::utf8())}))})),
      arrow::field("ls", arrow::list(arrow::struct_(
                             {arrow::field("k", arrow::utf8()), arrow::field("v", arrow::list(arrow::float64()))}))),
      arrow::field("m", arrow::map(arrow::utf8(), arrow::int64())),
  });
  auto rows = batch(schema, R"([
    [[1, null, 3], [1, ["x"]], [["a", [1.5]], null, ["b", []]], [["k", 1], ["l", null]]],
    [[], [null, null], [], []],
    [null, null, null, null],
    [[null], [2, [null]], [[null, null]], [["z", 5]]]])");
  auto read = decode_one(encode(schema, {rows})).value();
  EXPECT_TRUE(read->Equals(*rows)) << read->ToString();
  EXPECT_TRUE(decode_one(encode(schema, {rows->Slice(1, 2), rows->Slice(3)})).value()->Equals(*rows->Slice(1)));
}

TEST_F(Encode, a_file_without_rows_still_has_its_schema) {
  auto bytes = encode(numbers_schema(), {});
  EXPECT_TRUE(format()->infer(context_, input(bytes)).value()->Equals(*numbers_schema()));
  EXPECT_TRUE(decode({input(bytes)}).value().empty());
}

TEST_F(Encode, row_groups_end_at_their_rows_whatever_the_batches) {
  auto bytes = encode(numbers_schema(), {numbers(700), numbers(700, 700), numbers(700, 1400)},
                      options({{"row_group_rows", "1000"}}));
  auto metadata = open(bytes)->metadata();
  EXPECT_EQ(metadata->num_row_groups(), 3);
  EXPECT_EQ(metadata->RowGroup(0)->num_rows(), 1000);
  EXPECT_TRUE(decode_one(bytes).value()->Equals(*numbers(2100)));
}

TEST_F(Encode, row_groups_end_at_their_bytes) {
  auto bytes = encode(numbers_schema(), {numbers(5000), numbers(5000)}, options({{"row_group_bytes", "100KB"}}));
  EXPECT_EQ(open(bytes)->metadata()->num_row_groups(), 2);
}

TEST_F(Encode, says_who_wrote_the_file) {
  EXPECT_THAT(open(encode(numbers_schema(), {numbers(1)}))->metadata()->created_by(), HasSubstr("sluice version "));
}

TEST_F(Encode, options_choose_codec_statistics_and_encodings) {
  std::vector<std::shared_ptr<parquet::FileMetaData>> kept;  // column chunks point into it
  auto codec_of = [&](const std::map<std::string, std::string>& given) {
    kept.push_back(open(encode(numbers_schema(), {numbers(100)}, options(given)))->metadata());
    return kept.back()->RowGroup(0)->ColumnChunk(0);
  };
  EXPECT_EQ(codec_of({})->compression(), parquet::Compression::ZSTD);
  EXPECT_EQ(codec_of({{"compression", "snappy"}})->compression(), parquet::Compression::SNAPPY);
  EXPECT_EQ(codec_of({{"compression", "gzip"}, {"compression_level", "9"}})->compression(), parquet::Compression::GZIP);
  EXPECT_EQ(codec_of({{"compression", "lz4"}})->compression(), parquet::Compression::LZ4);
  EXPECT_EQ(codec_of({{"compression", "brotli"}})->compression(), parquet::Compression::BROTLI);
  EXPECT_EQ(codec_of({{"compression", "none"}})->compression(), parquet::Compression::UNCOMPRESSED);
  EXPECT_TRUE(codec_of({})->is_stats_set());
  EXPECT_FALSE(codec_of({{"statistics", "false"}})->is_stats_set());
  using parquet::Encoding;
  EXPECT_THAT(codec_of({})->encodings(), ::testing::Contains(Encoding::DELTA_BINARY_PACKED));
  auto plain = codec_of({{"encodings", "compatible"}})->encodings();
  EXPECT_THAT(plain, ::testing::Not(::testing::Contains(Encoding::DELTA_BINARY_PACKED)));
}

TEST_F(Encode, every_codec_reads_back) {
  for (const char* codec : {"zstd", "snappy", "gzip", "lz4", "brotli", "none", "uncompressed"}) {
    auto bytes = encode(numbers_schema(), {numbers(3000)}, options({{"compression", codec}}));
    EXPECT_TRUE(decode_one(bytes).value()->Equals(*numbers(3000))) << codec;
  }
}

TEST_F(Encode, a_level_the_codec_lacks_is_the_users_error) {
  auto descriptor = parquet_format();
  auto create = [&](const std::map<std::string, std::string>& given) {
    return descriptor.create(
        OptionValues::parse("parquet", descriptor.options, OptionScope::sink, options(given)).value());
  };
  EXPECT_THAT(create({{"compression_level", "99"}}).error().what, HasSubstr("not 99"));
  EXPECT_THAT(create({{"compression", "snappy"}, {"compression_level", "1"}}).error().what, HasSubstr("no meaning"));
}

TEST_F(Encode, bytes_buffered_counts_what_is_held_and_falls_when_it_is_written) {
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto encoder = format(options({{"row_group_rows", "1000"}}))->create_encoder(context_, numbers_schema(), out).value();
  EXPECT_EQ(encoder->bytes_buffered(), 0);
  ASSERT_TRUE(encoder->write(*numbers(500)).ok());
  EXPECT_GT(encoder->bytes_buffered(), 500 * 16);
  EXPECT_LT(encoder->bytes_buffered(), 500 * 40);
  EXPECT_EQ(encoder->bytes_out(), 0);
  ASSERT_TRUE(encoder->write(*numbers(500)).ok());
  int64_t idle = encoder->bytes_buffered();  // what the file's footer will need
  EXPECT_LT(idle, 64 << 10);
  EXPECT_GT(encoder->bytes_out(), 100);
  ASSERT_TRUE(encoder->write(*numbers(999)).ok());
  EXPECT_GT(encoder->bytes_buffered(), idle + 999 * 16);
  ASSERT_TRUE(encoder->flush().ok());
  EXPECT_LT(encoder->bytes_buffered(), idle + (16 << 10));
  ASSERT_TRUE(encoder->finish().ok());
  EXPECT_EQ(open(out->Finish().ValueOrDie())->metadata()->num_rows(), 1999);
}

TEST_F(Encode, a_small_slice_does_not_keep_its_batch_alive) {
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto encoder = format()->create_encoder(context_, numbers_schema(), out).value();
  auto large = numbers(10'000);
  std::weak_ptr<arrow::Buffer> ids = large->column_data(0)->buffers[1];
  ASSERT_TRUE(encoder->write(*large->Slice(5000, 10)).ok());
  large.reset();
  EXPECT_TRUE(ids.expired());
  ASSERT_TRUE(encoder->finish().ok());
  EXPECT_TRUE(decode_one(out->Finish().ValueOrDie()).value()->Equals(*numbers(10, 5000)));
}

TEST_F(Encode, many_tiny_batches_are_joined_in_order) {
  std::vector<BatchPtr> batches;
  for (int i = 0; i < 1000; ++i) batches.push_back(numbers(3, 3 * i));
  EXPECT_TRUE(decode_one(encode(numbers_schema(), batches)).value()->Equals(*numbers(3000)));
}

TEST_F(Encode, a_type_that_parquet_lacks_is_refused_in_words) {
  auto schema = arrow::schema({arrow::field("e", arrow::struct_(arrow::FieldVector{}))});
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto encoder = format()->create_encoder(context_, schema, out).value();
  auto finished = encoder->finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_THAT(finished.error().what, HasSubstr("'e'"));
}

TEST_F(Encode, columns_that_repeat_get_a_dictionary_and_unique_ones_do_not) {
  auto schema = arrow::schema({arrow::field("unique", arrow::utf8()), arrow::field("few", arrow::utf8()),
                               arrow::field("random", arrow::int64()), arrow::field("status", arrow::int64()),
                               arrow::field("price", arrow::float64()),
                               arrow::field("u", arrow::struct_({arrow::field("id", arrow::int64())})),
                               arrow::field("tags", arrow::list(arrow::utf8()))});
  std::string json;
  uint64_t random = 88172645463325252ULL;
  for (int i = 0; i < 4000; ++i) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    auto r = static_cast<int64_t>(random % 1'000'000'000);
    json += fmt::format(R"({}["u{}", "f{}", {}, {}, {}.5, [{}], ["a", "b{}"]])", i == 0 ? "[" : ",", r, r % 5, r,
                        r % 3 == 0 ? 9'000'000 : 200, r, i, r % 7);
  }
  auto rows = batch(schema, json + "]");
  std::map<std::string, ColumnEncoding> choices;
  for (auto& choice : choose_encodings(*schema, {rows->Slice(0, 1500), rows->Slice(1500)}))
    choices[choice.path] = choice;
  ASSERT_EQ(choices.size(), 7u);
  EXPECT_FALSE(choices["unique"].dictionary);
  EXPECT_EQ(choices["unique"].encoding, parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY);
  EXPECT_TRUE(choices["few"].dictionary);
  EXPECT_FALSE(choices["random"].dictionary);
  EXPECT_TRUE(choices["status"].dictionary);
  EXPECT_FALSE(choices["price"].dictionary);
  EXPECT_EQ(choices["price"].encoding, parquet::Encoding::PLAIN);
  EXPECT_FALSE(choices["u.id"].dictionary);
  EXPECT_TRUE(choices["tags.list.element"].dictionary);
  EXPECT_TRUE(decode_one(encode(schema, {rows})).value()->Equals(*rows));
}

// The first row group decides for a dictionary; later ones must survive texts that are all different.
TEST_F(Encode, text_that_stops_repeating_is_still_written_right) {
  auto schema = arrow::schema(
      {arrow::field("t", arrow::utf8()),
       arrow::field("s", arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("t", arrow::binary())}))});
  arrow::StringBuilder top;
  arrow::Int64Builder numbers;
  arrow::BinaryBuilder inner;
  arrow::TypedBufferBuilder<bool> valid;
  constexpr int64_t kRows = 80'000;
  for (int64_t i = 0; i < kRows; ++i) {
    bool repeats = i < kRows / 2;
    std::string text = repeats ? std::string(static_cast<size_t>(i % 40), 'x') : "different text " + std::to_string(i);
    ASSERT_TRUE((i % 7 == 0 ? top.AppendNull() : top.Append(text)).ok());
    ASSERT_TRUE(numbers.Append(i).ok());
    ASSERT_TRUE((i % 5 == 0 ? inner.AppendNull() : inner.Append(text)).ok());
    ASSERT_TRUE(valid.Append(i % 11 != 0).ok());
  }
  auto structs = arrow::StructArray::Make({numbers.Finish().ValueOrDie(), inner.Finish().ValueOrDie()},
                                          schema->field(1)->type()->fields(), valid.Finish().ValueOrDie())
                     .ValueOrDie();
  auto rows = arrow::RecordBatch::Make(schema, kRows, {top.Finish().ValueOrDie(), structs});
  std::vector<BatchPtr> slices;
  for (int64_t begin = 0; begin < kRows; begin += 9'999) slices.push_back(rows->Slice(begin, 9'999));
  auto read = decode_one(encode(schema, slices, options({{"row_group_rows", "40000"}}))).value();
  EXPECT_TRUE(read->Equals(*rows));
}

}  // namespace
}  // namespace sluice::parquet_format_detail
