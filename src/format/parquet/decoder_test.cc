#include <arrow/builder.h>
#include <gmock/gmock.h>
#include <parquet/arrow/writer.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>

#include "format/parquet/test_file.h"

namespace sluice::parquet_format_detail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Decode : public ParquetTest {
 protected:
  static SchemaPtr schema() {
    return arrow::schema({arrow::field("id", arrow::int64()),
                          arrow::field("user", arrow::struct_({arrow::field("id", arrow::int64()),
                                                               arrow::field("city", arrow::utf8())})),
                          arrow::field("note", arrow::utf8())});
  }
  static BatchPtr rows(int64_t count, int64_t first = 0) {
    std::string json;
    for (int64_t i = first; i < first + count; ++i) {
      json += fmt::format(R"({}[{}, [{}, "city {}"], {}])", json.empty() ? "[" : ",", i, i * 2, i % 3,
                          i % 5 == 0 ? "null" : "\"note\"");
    }
    return batch(schema(), count == 0 ? "[]" : json + "]");
  }
  // A file as another writer makes it.
  static std::shared_ptr<arrow::Buffer> foreign(const BatchPtr& rows, bool arrow_schema, bool int96 = false) {
    auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
    parquet::ArrowWriterProperties::Builder properties;
    if (arrow_schema) properties.store_schema();
    if (int96) properties.enable_deprecated_int96_timestamps();
    auto table = arrow::Table::FromRecordBatches({rows}).ValueOrDie();
    EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 1000,
                                           parquet::default_writer_properties(), properties.build())
                    .ok());
    return out->Finish().ValueOrDie();
  }
};

TEST_F(Decode, rows_of_small_files_share_a_batch) {
  auto batches = decode({input(encode(schema(), {rows(10)})), input(encode(schema(), {rows(5, 10)}))}).value();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_TRUE(batches[0]->Equals(*rows(15)));
}

TEST_F(Decode, batches_are_cut_at_their_rows) {
  ReadRequest request;
  request.batch_rows = 100;
  auto batches =
      decode({input(encode(schema(), {rows(250)})), input(encode(schema(), {rows(30, 250)}))}, request).value();
  int64_t total = 0;
  for (const auto& one : batches) {
    EXPECT_LE(one->num_rows(), 100);
    total += one->num_rows();
  }
  EXPECT_EQ(total, 280);
  EXPECT_TRUE(arrow::ConcatenateRecordBatches(batches).ValueOrDie()->Equals(*rows(280)));
}

TEST_F(Decode, batches_are_cut_at_their_bytes) {
  ReadRequest request;
  request.batch_bytes = 20 << 10;
  auto batches =
      decode({input(encode(schema(), {rows(20'000)}, options({{"row_group_rows", "2000"}})))}, request).value();
  EXPECT_GT(batches.size(), 20u);
}

TEST_F(Decode, the_position_is_the_number_of_rows_read_and_reading_resumes_there) {
  auto bytes = encode(schema(), {rows(250)}, options({{"row_group_rows", "60"}}));
  ReadRequest request;
  request.batch_rows = 50;
  ASSERT_TRUE(decode({input(bytes)}, request).ok());
  EXPECT_EQ(positions_.back(), 250);
  for (int64_t begin : {1, 49, 60, 61, 119, 240, 249}) {
    EXPECT_TRUE(decode_one(bytes, request, begin).value()->Equals(*rows(250 - begin, begin))) << begin;
  }
  EXPECT_EQ(decode_one(bytes, request, 250).value(), nullptr);
}

TEST_F(Decode, positions_match_the_rows_taken) {
  auto bytes = encode(schema(), {rows(250)}, options({{"row_group_rows", "60"}}));
  auto reader = format({}, OptionScope::source);
  DecoderOptions decoder_options;
  decoder_options.schema = schema();
  decoder_options.request.batch_rows = 70;
  auto decoder = reader->create_decoder(context_, decoder_options).value();
  ASSERT_TRUE(decoder->open(context_, input(bytes)).ok());
  int64_t taken = 0;
  for (;;) {
    auto step = decoder->step(context_).value();
    if (step.full || step.at_end) {
      if (auto got = decoder->take(nullptr).value()) taken += got->num_rows();
      EXPECT_EQ(step.position, taken);
    }
    if (step.at_end) break;
  }
  EXPECT_EQ(taken, 250);
}

TEST_F(Decode, rows_that_do_not_fit_become_rejects_of_the_batch_they_were_in) {
  auto wide = arrow::schema({arrow::field("id", arrow::int64())});
  auto bytes = encode(wide, {batch(wide, "[[1], [5000000000], [3], [4], [5], [-6000000000], [7]]")},
                      options({{"row_group_rows", "2"}}));
  DecoderOptions decoder_options{arrow::schema({arrow::field("id", arrow::int32())}), {}, true};
  decoder_options.request.batch_rows = 3;
  auto decoder = format({}, OptionScope::source)->create_decoder(context_, decoder_options).value();
  ASSERT_TRUE(decoder->open(context_, input(bytes)).ok());
  std::vector<Reject> rejects;
  int64_t taken = 0;
  for (bool at_end = false; !at_end;) {
    auto step = decoder->step(context_).value();
    at_end = step.at_end;
    if (!step.full && !at_end) continue;
    if (auto got = decoder->take(&rejects).value()) taken += got->num_rows();
    EXPECT_EQ(step.position, taken + static_cast<int64_t>(rejects.size()));
  }
  EXPECT_EQ(taken, 5);
  ASSERT_EQ(rejects.size(), 2u);
  EXPECT_EQ(rejects[0].where, "data/a.parquet (row 1)");
  EXPECT_EQ(rejects[0].payload, R"({"id":5000000000})");
  EXPECT_THAT(rejects[0].reason, HasSubstr("column 'id': "));
  EXPECT_EQ(rejects[1].where, "data/a.parquet (row 5)");

  decoder_options.schema = arrow::schema({arrow::field("id", arrow::list(arrow::int32()))});
  decoder = format({}, OptionScope::source)->create_decoder(context_, decoder_options).value();
  ASSERT_TRUE(decoder->open(context_, input(bytes)).ok());
  EXPECT_FALSE(decoder->step(context_).ok()) << "types of which no value fits are no matter of rows";
}

TEST_F(Decode, only_the_requested_columns_and_fields_come_out) {
  auto bytes = encode(schema(), {rows(3)});
  ReadRequest request;
  request.columns = std::vector<ColumnPath>{{"note"}, {"user", "city"}};
  auto read = decode_one(bytes, request).value();
  auto expected = arrow::schema({arrow::field("user", arrow::struct_({arrow::field("city", arrow::utf8())})),
                                 arrow::field("note", arrow::utf8())});
  EXPECT_TRUE(read->schema()->Equals(*expected)) << read->schema()->ToString();
  EXPECT_TRUE(read->Equals(*batch(expected, R"([[["city 0"], null], [["city 1"], "note"], [["city 2"], "note"]])")));
  request.columns = std::vector<ColumnPath>{{"user", "town"}};
  EXPECT_THAT(decode_one(bytes, request).error().what, HasSubstr("user.town"));
}

TEST_F(Decode, no_columns_at_all_still_count_rows) {
  auto bytes = encode(schema(), {rows(250)}, options({{"row_group_rows", "60"}}));
  ReadRequest request;
  request.columns = std::vector<ColumnPath>{};
  auto read = decode_one(bytes, request).value();
  EXPECT_EQ(read->num_columns(), 0);
  EXPECT_EQ(read->num_rows(), 250);
}

TEST_F(Decode, columns_and_fields_that_a_file_lacks_are_null) {
  auto bytes = encode(schema(), {rows(2)});
  auto wider = arrow::schema(
      {arrow::field("id", arrow::float64()),
       arrow::field("user", arrow::struct_({arrow::field("age", arrow::int32()), arrow::field("city", arrow::utf8())})),
       arrow::field("more", arrow::utf8())});
  ReadRequest request;
  request.columns = std::vector<ColumnPath>{{"user", "age"}, {"more"}};
  auto batches = decode({input(bytes)}, request, wider).value();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_TRUE(batches[0]->Equals(*batch(batches[0]->schema(), "[[[null], null], [[null], null]]")))
      << batches[0]->ToString();
}

TEST_F(Decode, row_groups_that_cannot_match_are_skipped) {
  auto bytes = encode(schema(), {rows(250)}, options({{"row_group_rows", "50"}}));
  ReadRequest request;
  request.filter = {{{"id"}, Predicate::Op::ge, {arrow::MakeScalar(int64_t{120})}},
                    {{"user", "id"}, Predicate::Op::lt, {arrow::MakeScalar(int64_t{260})}}};
  auto read = decode_one(bytes, request).value();
  EXPECT_TRUE(read->Equals(*rows(50, 100)));
  EXPECT_EQ(positions_.back(), 250);
  request.filter = {{{"id"}, Predicate::Op::gt, {arrow::MakeScalar(int64_t{1000})}}};
  EXPECT_EQ(decode_one(bytes, request).value(), nullptr);
}

TEST_F(Decode, large_dictionary_and_view_types_become_plain) {
  auto odd = arrow::schema({arrow::field("l", arrow::large_utf8()), arrow::field("b", arrow::large_binary()),
                            arrow::field("d", arrow::dictionary(arrow::int32(), arrow::utf8())),
                            arrow::field("ll", arrow::large_list(arrow::large_utf8())),
                            arrow::field("s", arrow::struct_({arrow::field("l", arrow::large_utf8())})),
                            arrow::field("h", arrow::float16())});
  auto bytes =
      foreign(batch(odd, R"([["a", "b", "c", ["d", null], ["e"], 1.5], [null, null, null, null, null, null]])"), true);
  auto read = decode_one(bytes).value();
  auto plain = arrow::schema(
      {arrow::field("l", arrow::utf8()), arrow::field("b", arrow::binary()), arrow::field("d", arrow::utf8()),
       arrow::field("ll", arrow::list(arrow::field("element", arrow::utf8()))),
       arrow::field("s", arrow::struct_({arrow::field("l", arrow::utf8())})), arrow::field("h", arrow::float32())});
  EXPECT_TRUE(read->Equals(
      *batch(plain, R"([["a", "b", "c", ["d", null], ["e"], 1.5], [null, null, null, null, null, null]])")))
      << read->ToString();
}

TEST_F(Decode, int96_timestamps_keep_dates_far_from_today) {
  auto schema = arrow::schema({arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO))});
  auto rows = batch(schema, "[[0], [-62135596800000000], [253402300799999999]]");
  EXPECT_TRUE(decode_one(foreign(rows, false, true)).value()->Equals(*rows));
}

TEST_F(Decode, timestamps_of_every_unit_survive) {
  auto schema = arrow::schema({arrow::field("s", arrow::timestamp(arrow::TimeUnit::SECOND)),
                               arrow::field("ms", arrow::timestamp(arrow::TimeUnit::MILLI, "UTC")),
                               arrow::field("us", arrow::timestamp(arrow::TimeUnit::MICRO)),
                               arrow::field("ns", arrow::timestamp(arrow::TimeUnit::NANO, "UTC"))});
  auto read = decode_one(foreign(batch(schema, "[[-1, -1, -1, -1], [1, 2, 3, 4]]"), false)).value();
  // Parquet has no seconds.
  auto stored = arrow::schema({arrow::field("s", arrow::timestamp(arrow::TimeUnit::MILLI)), schema->field(1),
                               schema->field(2), schema->field(3)});
  EXPECT_TRUE(read->Equals(*batch(stored, "[[-1000, -1, -1, -1], [1000, 2, 3, 4]]"))) << read->ToString();
}

TEST_F(Decode, files_that_are_empty_cut_or_something_else_are_named) {
  auto error_of = [&](const std::shared_ptr<arrow::Buffer>& bytes) {
    auto result = decode({input(bytes)}, {}, schema());
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.error().fault, Fault::user);
    return result.error().what;
  };
  EXPECT_THAT(error_of(arrow::Buffer::FromString("")),
              HasSubstr("data/a.parquet is not a complete Parquet file: it is empty"));
  EXPECT_THAT(error_of(arrow::Buffer::FromString("id,name\n1,2\n3,4\n5,6\n")),
              HasSubstr("not a complete Parquet file"));
  EXPECT_THAT(error_of(arrow::Buffer::FromString("PAR1")), HasSubstr("not a complete Parquet file"));
  auto whole = encode(schema(), {rows(1000)});
  for (double part : {0.1, 0.5, 0.9, 0.999}) {
    auto cut = arrow::SliceBuffer(whole, 0, static_cast<int64_t>(part * static_cast<double>(whole->size())));
    EXPECT_THAT(error_of(cut), HasSubstr("not a complete Parquet file")) << part;
  }
  EXPECT_FALSE(format()->infer(context_, input(arrow::Buffer::FromString(""))).ok());
}

TEST_F(Decode, damaged_pages_are_an_error_or_harmless_but_never_a_crash) {
  auto whole = encode(schema(), {rows(3000)}, options({{"row_group_rows", "1000"}}));
  int damaged = 0;
  for (int64_t at = 4; at < whole->size(); at += 37) {
    std::string text = whole->ToString();
    text[static_cast<size_t>(at)] = static_cast<char>(text[static_cast<size_t>(at)] ^ 0x55);
    auto result = decode({input(arrow::Buffer::FromString(std::move(text)))}, {}, schema());
    if (result.ok()) continue;
    ++damaged;
    EXPECT_THAT(result.error().what, HasSubstr("data/a.parquet"));
  }
  EXPECT_GT(damaged, 10);
}

TEST_F(Decode, text_that_is_not_utf8_in_an_enum_is_an_error_naming_the_column) {
  auto node = parquet::schema::GroupNode::Make(
      "schema", parquet::Repetition::REQUIRED,
      {parquet::schema::PrimitiveNode::Make("e", parquet::Repetition::REQUIRED, parquet::LogicalType::Enum(),
                                            parquet::Type::BYTE_ARRAY)});
  for (bool valid : {true, false}) {
    auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto writer = parquet::ParquetFileWriter::Open(out, std::static_pointer_cast<parquet::schema::GroupNode>(node));
    auto* column = static_cast<parquet::ByteArrayWriter*>(writer->AppendRowGroup()->NextColumn());
    parquet::ByteArray value(valid ? "ok" : "\xFF\xFE");
    column->WriteBatch(1, nullptr, nullptr, &value);
    writer->Close();
    auto read = decode_one(out->Finish().ValueOrDie());
    if (valid) {
      EXPECT_EQ(read.value()->column(0)->type()->ToString(), "string");
    } else {
      EXPECT_THAT(read.error().what, ::testing::AllOf(HasSubstr("data/a.parquet"), HasSubstr("UTF8")));
    }
  }
}

TEST_F(Decode, two_columns_of_one_name_are_refused) {
  auto twice = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("a", arrow::int64())});
  auto bytes = foreign(arrow::RecordBatch::Make(twice, 1, {rows(1)->column(0), rows(1)->column(0)}), false);
  auto read = format()->infer(context_, input(bytes));
  EXPECT_EQ(read.error().fault, Fault::user);
  EXPECT_THAT(read.error().what, HasSubstr("two columns named a"));
}

}  // namespace
}  // namespace sluice::parquet_format_detail
