#include "avro/container.h"

#include <set>

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

#include "avro/reader.h"

namespace sluice::avro {
namespace {

BatchPtr numbers(int64_t first, int64_t count) {
  arrow::Int64Builder builder;
  for (int64_t i = first; i < first + count; ++i) EXPECT_TRUE(builder.Append(i).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64(), false)}), count,
                                  {builder.Finish().ValueOrDie()});
}

std::shared_ptr<arrow::Buffer> container(const ContainerOptions& options, int64_t rows) {
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto batch = numbers(0, rows);
  auto schema = from_arrow(*batch->schema(), "row").value();
  auto writer = ContainerWriter::make(options, schema, *batch->schema(), out).value();
  EXPECT_TRUE(writer->write(batch).ok());
  EXPECT_TRUE(writer->finish().ok());
  auto bytes = out->Finish().ValueOrDie();
  EXPECT_EQ(writer->bytes_out(), bytes->size());
  return bytes;
}

Result<std::unique_ptr<ContainerReader>> open(const std::shared_ptr<arrow::Buffer>& bytes, int64_t window = 64) {
  return ContainerReader::open("a.avro", std::make_shared<arrow::io::BufferReader>(bytes), window);
}

// The sum of all numbers, or the error.
Result<int64_t> sum(const std::shared_ptr<arrow::Buffer>& bytes) {
  auto file = TRY(open(bytes));
  auto reader = TRY(RowReader::make(file->schema(), file->schema(), nullptr));
  int64_t total = 0;
  while (TRY(file->next())) {
    auto payload = TRY(file->payload());
    EXPECT_EQ(TRY(reader->read(payload, file->block().rows, INT64_MAX)), std::ssize(payload));
    auto batch = TRY(reader->take());
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      total += static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(i);
    }
  }
  return total;
}

ContainerOptions small_blocks(BlockCodec codec = BlockCodec::null) {
  ContainerOptions options;
  options.codec = codec;
  options.block_bytes = 100;
  options.metadata = {{"iceberg.schema", std::string(200, 'x')}};
  return options;
}

class EveryCodec : public testing::TestWithParam<BlockCodec> {};

TEST_P(EveryCodec, BringsTheRowsBack) {
  auto bytes = container(small_blocks(GetParam()), 1000);
  auto total = sum(bytes);
  ASSERT_TRUE(total.ok()) << total.error().what;
  EXPECT_EQ(total.value(), 999 * 500);
  auto file = open(bytes).value();
  EXPECT_EQ(file->metadata().at("iceberg.schema"), std::string(200, 'x'));
  EXPECT_EQ(file->metadata().at("avro.codec"), kBlockCodecs[static_cast<size_t>(GetParam())]);
}

TEST_P(EveryCodec, EveryCutIsNoticed) {
  auto bytes = container(small_blocks(GetParam()), 300);
  std::set<int64_t> block_ends;  // a file may end with any block
  auto file = open(bytes).value();
  block_ends.insert(0);
  while (file->next(true).value()) block_ends.insert(file->block().offset);
  for (int64_t size = 0; size < bytes->size(); ++size) {
    auto total = sum(arrow::SliceBuffer(bytes, 0, size));
    if (size > 0 && block_ends.contains(size)) continue;
    ASSERT_FALSE(total.ok()) << size << " bytes";
    EXPECT_EQ(total.error().fault, Fault::user) << total.error().what;
  }
}

TEST_P(EveryCodec, DamageEndsInAValueOrAUserError) {
  auto bytes = container(small_blocks(GetParam()), 200);
  for (int64_t at = 0; at < bytes->size(); ++at) {
    std::string text = bytes->ToString();
    text[static_cast<size_t>(at)] = static_cast<char>(text[static_cast<size_t>(at)] ^ 0x41);
    auto file = open(arrow::Buffer::FromString(text));
    if (!file.ok()) continue;
    auto reader = RowReader::make(file.value()->schema(), file.value()->schema(), nullptr);
    if (!reader.ok()) continue;
    for (;;) {
      auto more = file.value()->next();
      if (!more.ok() || !more.value()) break;
      auto payload = file.value()->payload();
      if (!payload.ok()) {
        EXPECT_EQ(payload.error().fault, Fault::user) << payload.error().what;
        break;
      }
      if (!reader.value()->read(payload.value(), file.value()->block().rows, INT64_MAX).ok()) break;
      EXPECT_TRUE(reader.value()->take().value()->ValidateFull().ok());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, EveryCodec,
                         testing::Values(BlockCodec::null, BlockCodec::deflate, BlockCodec::snappy,
                                         BlockCodec::zstandard, BlockCodec::bzip2, BlockCodec::xz),
                         [](const auto& info) { return std::string(kBlockCodecs[static_cast<size_t>(info.param)]); });

TEST(AvroContainer, JumpsToABlockThatIsThereOnly) {
  auto bytes = container(small_blocks(), 300);
  auto file = open(bytes).value();
  while (file->next(true).value() && file->block().number < 2) {
  }
  const auto third = file->block();
  auto other = open(bytes).value();
  EXPECT_FALSE(other->jump(third.offset + 1, third.first_row).value());
  EXPECT_TRUE(other->jump(third.offset, third.first_row).value());
  ASSERT_TRUE(other->next().value());
  EXPECT_EQ(other->block().first_row, third.first_row);
  EXPECT_EQ(other->block().rows, third.rows);
}

TEST(AvroContainer, AWrongChecksumIsNamed) {
  auto text = container(small_blocks(BlockCodec::snappy), 50)->ToString();
  text[text.size() - 17] ^= 1;
  auto total = sum(arrow::Buffer::FromString(text));
  ASSERT_FALSE(total.ok());
  EXPECT_NE(total.error().what.find("a.avro is damaged: block 0, after row 0: its CRC32 checksum is wrong"),
            std::string::npos)
      << total.error().what;
}

TEST(AvroContainer, ABlockMayBeCompressedFarBelowItsSize) {
  ContainerOptions options;
  options.block_bytes = 1 << 20;
  for (auto codec :
       {BlockCodec::deflate, BlockCodec::snappy, BlockCodec::zstandard, BlockCodec::bzip2, BlockCodec::xz}) {
    auto coder = make_block_coder(codec);
    const std::vector<uint8_t> zeros(3 << 20, 0);
    Bytes packed;
    Bytes back;
    ASSERT_TRUE(coder->compress(zeros, packed).ok());
    auto done = coder->decompress(packed.span(), back);
    ASSERT_TRUE(done.ok()) << kBlockCodecs[static_cast<size_t>(codec)] << done.error().what;
    EXPECT_EQ(back.size(), std::ssize(zeros));
  }
}

}  // namespace
}  // namespace sluice::avro
