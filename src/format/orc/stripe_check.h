// Looks at what a stripe says about the lengths of texts, lists and maps, and at the index, before the ORC library
// reads it: the library trusts them, and damaged ones make it read outside of its memory.
// https://orc.apache.org/specification/ORCv1/
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/util/compression.h>

namespace sluice::orc_format_detail {

// The lengths that a run-length encoded stream holds, as far as it goes: what is cut off is left to the library to
// report. Invalid: one is negative or above 2^31 - 1, or they add up to more than `total_max`.
arrow::Status check_lengths(std::string_view stream, bool version_2, int64_t total_max);

// Of one file; one thread.
class StripeCheck {
 public:
  static arrow::Result<StripeCheck> open(std::shared_ptr<arrow::io::RandomAccessFile> file);

  // Invalid: the library must not read these columns (numbers of top-level columns) of this stripe, from this row of
  // it.
  arrow::Status check(int64_t stripe, const std::vector<int>& columns, int64_t row) const;

 private:
  struct Stripe {
    uint64_t offset = 0, index_bytes = 0, data_bytes = 0, footer_bytes = 0;
  };
  struct Type {
    uint64_t kind = 0;
    std::vector<uint32_t> subtypes;
  };
  struct Stream {
    uint64_t offset = 0, bytes = 0, kind = 0;
    uint32_t column = 0;
  };
  struct Contents {
    std::vector<Stream> streams;
    std::vector<uint64_t> encodings;  // by column
  };
  arrow::Status read_footer(std::string_view footer);
  arrow::Result<std::string> read(uint64_t offset, uint64_t bytes) const;
  arrow::Result<std::string> decompressed(std::string_view stored) const;
  arrow::Result<int64_t> unpack(std::string_view chunk, uint8_t* out) const;
  arrow::Result<Contents> contents_of(const Stripe& stripe) const;
  arrow::Status check_index(std::string_view index, uint64_t group, size_t positions) const;
  void collect(uint32_t column, std::vector<bool>& wanted) const;

  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  uint64_t file_bytes_ = 0;
  std::unique_ptr<arrow::util::Codec> codec_;  // null: not compressed
  uint64_t block_bytes_ = 0;
  std::vector<Stripe> stripes_;
  std::vector<Type> types_;  // by column; 0 is the row
  uint64_t row_index_stride_ = 0;
};

}  // namespace sluice::orc_format_detail
