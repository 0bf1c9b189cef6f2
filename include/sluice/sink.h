// Writing to anywhere: file:///lake/, s3://bucket/prefix/?region=…, postgresql://…, kafka://….
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sluice/batch.h"

namespace sluice {

struct WriterOptions {
  // With a name, what was committed is remembered in `state`: after a crash the same name goes on where it was
  // (position()), an epoch that was decided is completed, one that was not leaves nothing behind, and two processes
  // cannot write under it at once. Without one nothing is remembered.
  std::string name;
  std::string state = "sqlite:.sluice/state.db";
  // Names the files where the location does not say otherwise ({collection} of key strategies); a table's name.
  std::string collection;
};

// Used by one thread. Destroyed without close(), what was not committed is discarded.
class DataWriter {
 public:
  virtual ~DataWriter() = default;
  // Takes the rows; nothing of them is visible before commit(). The first batch's schema is that of all, until a
  // commit() separates it from the next.
  virtual Result<void> write(const BatchPtr& batch) = 0;
  // Buffers are full or a file is large enough: a good moment for commit().
  [[nodiscard]] virtual bool wants_commit() const = 0;
  // All that was written since the last one becomes visible, together with `position`, or nothing of it does. The
  // position is the caller's: how far its source has been read (DataReader::position()).
  virtual Result<void> commit(const std::string& position = {}) = 0;
  // The last committed one, also an earlier process's; empty: none.
  [[nodiscard]] virtual const std::string& position() const = 0;
  // Commits what is left, with the position as it is, and gives the name free.
  virtual Result<void> close() = 0;
};

class DataSink {
 public:
  virtual ~DataSink() = default;
  // Can rows of this schema be written? Names the column and type that cannot.
  virtual Result<void> validate_schema(const arrow::Schema& schema) = 0;
  [[nodiscard]] virtual bool supports_transactions() const = 0;
  [[nodiscard]] virtual bool supports_upsert() const = 0;
  // Outlives this object. Completes what an earlier process of that name had decided.
  virtual Result<std::unique_ptr<DataWriter>> create_writer(const WriterOptions& options = {}) = 0;
};

// Connects to nothing yet, as create_source().
Result<std::unique_ptr<DataSink>> create_sink(std::string_view uri);

}  // namespace sluice
