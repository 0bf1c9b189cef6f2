// Object container files ("Object Container Files" in the specification): a header with the schema, then blocks of
// rows, each followed by the file's sync marker. Iceberg's manifests are such files, too.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <arrow/io/type_fwd.h>

#include "avro/block_codec.h"
#include "avro/schema.h"
#include "avro/writer.h"

namespace sluice::avro {

using SyncMarker = std::array<uint8_t, 16>;

// One thread. Usage: while (next()) payload().
class ContainerReader {
 public:
  struct Block {
    int64_t offset = 0;        // where it begins in the file
    int64_t rows = 0;          // as it announces
    int64_t first_row = 0;     // of the file
    int64_t number = 0;        // from 0
    int64_t stored_bytes = 0;  // of the payload
    bool numbered = true;      // false after jump(): `number` counts from there
  };

  // Reads the header. `name` is for errors; `window_bytes` is what is read at once, more where a block needs it.
  static Result<std::unique_ptr<ContainerReader>> open(const std::string& name,
                                                       std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                       int64_t window_bytes = 1 << 20);

  [[nodiscard]] const SchemaRef& schema() const { return schema_; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }  // with avro.schema

  // To the next block, whose marker at the end is checked. False behind the last one. With `skipping` its payload is
  // not read unless asked for.
  Result<bool> next(bool skipping = false);
  [[nodiscard]] const Block& block() const { return block_; }
  // Of the current block, decompressed; valid until the next call.
  Result<ByteSpan> payload();
  // Goes on with the block at `offset`, which begins with `row`, as another reader of this file found it. False, and
  // nothing changes, when no block of this file ends there.
  Result<bool> jump(int64_t offset, int64_t row);
  // An error about the current block: "a.avro is damaged: block 3, after row 1200: …".
  [[nodiscard]] Error damaged(int64_t row, std::string_view problem) const;

 private:
  ContainerReader() = default;
  Result<void> read_header();
  Result<bool> parse_header(ByteSpan bytes);
  // `count` bytes of the file from `offset` on, fewer at its end; valid until the next call.
  Result<ByteSpan> bytes_at(int64_t offset, int64_t count);
  [[nodiscard]] Error incomplete(std::string_view problem) const;

  std::string name_;
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  int64_t file_bytes_ = 0;
  int64_t window_bytes_ = 0;
  std::shared_ptr<arrow::Buffer> window_;
  int64_t window_offset_ = 0;

  SchemaRef schema_;
  std::map<std::string, std::string> metadata_;
  SyncMarker sync_{};
  BlockCodec codec_ = BlockCodec::null;
  std::unique_ptr<BlockCoder> coder_;
  Bytes unpacked_;

  Block block_;
  int64_t payload_offset_ = 0;
  int64_t next_offset_ = 0;
  int64_t next_row_ = 0;
  int64_t next_number_ = 0;
};

struct ContainerOptions {
  BlockCodec codec = BlockCodec::null;
  std::optional<int> level;
  int64_t block_bytes = 256 << 10;              // before compression
  std::map<std::string, std::string> metadata;  // beside avro.schema and avro.codec
};

// One thread. The bytes are a function of schema, options and rows: the sync marker is a hash of the file's beginning.
class ContainerWriter {
 public:
  // `columns`: see RowWriter::make. The stream stays open.
  static Result<std::unique_ptr<ContainerWriter>> make(const ContainerOptions& options, SchemaRef schema,
                                                       const arrow::Schema& columns,
                                                       std::shared_ptr<arrow::io::OutputStream> out);

  Result<void> write(BatchPtr batch);
  // Ends the block.
  Result<void> flush();
  // The header, where no row has come, and the last block.
  Result<void> finish();
  [[nodiscard]] int64_t bytes_buffered() const { return block_.size(); }
  [[nodiscard]] int64_t bytes_out() const { return bytes_out_; }

 private:
  ContainerWriter() = default;
  Result<void> write_header();
  Result<void> put(ByteSpan bytes);

  ContainerOptions options_;
  std::shared_ptr<arrow::io::OutputStream> out_;
  std::unique_ptr<RowWriter> rows_;
  std::unique_ptr<BlockCoder> coder_;
  SyncMarker sync_{};
  bool begun_ = false;
  Bytes block_;
  int64_t block_rows_ = 0;
  Bytes packed_;
  int64_t bytes_out_ = 0;
};

}  // namespace sluice::avro
