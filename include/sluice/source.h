// Reading from anywhere: file:///data/*.csv, s3://bucket/events/?region=…, postgresql://…, kafka://….
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/batch.h"

namespace sluice {

struct ReadOptions {
  std::vector<std::string> columns;  // only these; empty: all
  int64_t batch_rows = 64 * 1024;    // most rows of one batch
  std::string from;                  // a position() of an earlier reader: goes on behind it; empty: from the beginning
  bool streaming = false;            // goes on after what is there now has been read
};

// Used by one thread. Reads ahead nothing that position() does not say.
class DataReader {
 public:
  virtual ~DataReader() = default;
  // The next rows. Null: the end, or for a streaming reader that nothing came within `wait` (see finished()).
  virtual Result<BatchPtr> read(std::chrono::milliseconds wait = std::chrono::seconds(1)) = 0;
  [[nodiscard]] virtual bool finished() const = 0;
  // How far it has read, rows handed out by read() included: text for ReadOptions::from and DataWriter::commit().
  [[nodiscard]] virtual std::string position() const = 0;
  // Everything up to `position` is safe elsewhere: the source may forget it (commit offsets, advance a slot).
  virtual Result<void> settle(const std::string& position) = 0;
  virtual Result<void> close() = 0;
};

class DataSource {
 public:
  virtual ~DataSource() = default;
  virtual Result<SchemaPtr> fetch_schema() = 0;
  [[nodiscard]] virtual bool supports_streaming() const = 0;
  [[nodiscard]] virtual bool supports_batch() const = 0;
  // Outlives this object. Each reader has connections of its own.
  virtual Result<std::unique_ptr<DataReader>> create_reader(const ReadOptions& options = {}) = 0;
};

// Connects to nothing yet: what is wrong with the location or its options is an error here, what is wrong with the
// other side one of fetch_schema() and create_reader().
Result<std::unique_ptr<DataSource>> create_source(std::string_view uri);

}  // namespace sluice
