#include "format/ipc/ipc.h"

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "port/registry.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

class Ipc : public ::testing::Test {
 protected:
  static std::unique_ptr<Format> format(const std::map<std::string, std::string>& given = {}) {
    RawOptions raw;
    for (const auto& [name, value] : given) raw[name] = {value, "the test"};
    auto descriptor = arrow_format();
    auto values = OptionValues::parse("arrow", descriptor.options, OptionScope::sink, raw);
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
    input.name = "data/a.arrow";
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

TEST_F(Ipc, reading_begins_at_any_row_and_ends_with_the_batch_before_its_end) {
  auto all = rows(20'000);
  auto bytes = encode(all, {{"record_batch_rows", "1500"}}).value();
  auto cuts = format()->cuts(context_, input(bytes), 100'000).value();
  ASSERT_GT(cuts.size(), 1u);
  EXPECT_EQ(cuts[0] % 1500, 0);
  int64_t begin = 0;
  cuts.push_back(all->num_rows());
  for (int64_t end : cuts) {
    EXPECT_TRUE(decode(input(bytes, begin, end)).value()->Equals(*all->Slice(begin, end - begin))) << begin;
    begin = end;
  }
  for (int64_t from : {int64_t{1}, cuts[0] - 1, cuts[0], cuts[0] + 1, int64_t{12'345}, int64_t{19'999}}) {
    EXPECT_TRUE(decode(input(bytes, from)).value()->Equals(*all->Slice(from))) << from;
  }
  EXPECT_EQ(decode(input(bytes, 20'000)).value(), nullptr);
}

TEST_F(Ipc, a_stream_is_told_from_a_file_and_resumes_too) {
  auto all = rows(3'000);
  auto bytes = encode(all, {{"layout", "stream"}, {"record_batch_rows", "1000"}, {"compression", "zstd"}}).value();
  for (int64_t from : {0, 1, 999, 1000, 2500}) {
    EXPECT_TRUE(decode(input(bytes, from)).value()->Equals(*all->Slice(from))) << from;
  }
  EXPECT_TRUE(format()->cuts(context_, input(bytes), 1).value().empty());
}

TEST_F(Ipc, only_the_number_of_rows_is_read_when_no_column_is_wanted) {
  ReadRequest request;
  request.columns.emplace();
  for (const char* layout : {"file", "stream"}) {
    auto bytes = encode(rows(777), {{"layout", layout}}).value();
    EXPECT_EQ(decode(input(bytes), request).value()->num_rows(), 777) << layout;
  }
}

TEST_F(Ipc, a_projection_skips_columns_and_keeps_their_order) {
  ReadRequest request;
  request.columns = {{"tags"}, {"id"}};
  auto all = rows(100);
  auto wanted = all->SelectColumns({0, 2}).ValueOrDie();
  for (const char* layout : {"file", "stream"}) {
    EXPECT_TRUE(decode(input(encode(all, {{"layout", layout}}).value()), request).value()->Equals(*wanted)) << layout;
  }
}

TEST_F(Ipc, a_file_or_stream_cut_anywhere_is_an_error_that_names_it) {
  for (const char* layout : {"file", "stream"}) {
    auto bytes = encode(rows(50), {{"layout", layout}, {"record_batch_rows", "20"}}).value();
    for (int64_t size = 0; size < bytes->size(); ++size) {
      auto decoded = decode(input(arrow::SliceBuffer(bytes, 0, size)));
      ASSERT_FALSE(decoded.ok()) << layout << " cut at " << size;
      EXPECT_THAT(decoded.error().what, HasSubstr("data/a.arrow is not a complete Arrow file"));
      EXPECT_EQ(decoded.error().fault, Fault::user);
    }
  }
}

TEST_F(Ipc, a_flipped_byte_is_an_error_or_changes_values_but_never_crashes) {
  for (const char* layout : {"file", "stream"}) {
    auto bytes = encode(rows(50), {{"layout", layout}, {"compression", "lz4"}}).value();
    for (int64_t at = 0; at < bytes->size(); ++at) {
      auto copy = bytes->ToString();
      copy[static_cast<size_t>(at)] = static_cast<char>(copy[static_cast<size_t>(at)] ^ 0x55);
      auto decoded = decode(input(arrow::Buffer::FromString(copy)));
      if (!decoded.ok()) {
        EXPECT_NE(decoded.error().fault, Fault::bug) << decoded.error().what;
      }
    }
  }
}

TEST_F(Ipc, dictionaries_and_large_and_view_types_come_out_plain) {
  auto text = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["b", null, "a"])").ValueOrDie();
  auto as = [&](const TypePtr& type) { return arrow::compute::Cast(text, type).ValueOrDie().make_array(); };
  auto dictionary = arrow::compute::DictionaryEncode(text).ValueOrDie().make_array();
  auto all = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("d", dictionary->type()), arrow::field("l", arrow::large_utf8()),
                     arrow::field("v", arrow::utf8_view())}),
      3, {dictionary, as(arrow::large_utf8()), as(arrow::utf8_view())});
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto writer = arrow::ipc::MakeFileWriter(out, all->schema()).ValueOrDie();
  ASSERT_TRUE(writer->WriteRecordBatch(*all).ok() && writer->Close().ok());
  auto read = decode(input(out->Finish().ValueOrDie())).value();
  EXPECT_EQ(read->schema()->ToString(), "d: string\nl: string\nv: string");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(read->column(i)->Equals(text)) << i;
}

TEST_F(Ipc, text_that_is_not_utf8_is_an_error) {
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.Append("\xff\xfe").ok());
  auto bad = arrow::RecordBatch::Make(arrow::schema({arrow::field("s", arrow::utf8())}), 1, {*builder.Finish()});
  auto decoded = decode(input(encode(bad).value()));
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.error().what, HasSubstr("data/a.arrow is damaged: record batch"));
}

TEST_F(Ipc, the_first_version_of_feather_is_named) {
  auto decoded = decode(input(arrow::Buffer::FromString("FEA1 and then something")));
  ASSERT_FALSE(decoded.ok());
  EXPECT_THAT(decoded.error().what, HasSubstr("Feather version 1"));
}

}  // namespace
}  // namespace sluice
