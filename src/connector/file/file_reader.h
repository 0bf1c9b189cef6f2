// Reads the works of one bundle, in order, into shared batches with one decoder.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/file/endpoint.h"
#include "connector/file/ledger.h"
#include "port/source.h"

namespace sluice::file {

// What every reader of a source shares; the source outlives them.
struct ReadPlan {
  const Endpoint& endpoint;
  Ledger& ledger;
  bool watch = false;
  bool fingerprints = true;  // false: the store's version names the content
  TableId table;
  DecoderOptions decoder;
  SchemaPtr schema;  // of the rows that come out: the format's, then `extras`
};

// Constant columns of a file: its partition values and its name. Files with equal values share one.
using Extras = std::shared_ptr<const std::vector<std::shared_ptr<arrow::Scalar>>>;

struct ReadItem {
  Work work;
  Extras extras;
  std::optional<Error> flaw = std::nullopt;  // why it cannot be read whatever is in it: dealt with like bad content
};

class FileReader final : public Reader {
 public:
  FileReader(const ReadPlan& plan, std::vector<ReadItem> items);
  ~FileReader() override;
  Result<Event> next(Context& context, Deadline deadline) override;

 private:
  // Opens the next item; false when there is none or it has to wait (watching).
  Result<bool> open_next(Context& context);
  void prefetch(Context& context);
  Result<void> open_input(Context& context, ReadItem& item);
  Result<Input> make_input(Context& context, ReadItem& item);
  Result<void> finish_current(const Decoder::Step& step);
  // What to do with a file that cannot be read (further): an error, a reject, or another try later.
  Result<void> give_up_current(Context& context, Error error);
  Result<int64_t> bytes_used(const Decoder::Step& step);
  // Moves the decoder's rows to `ready_`, with the extra columns.
  Result<void> take_rows();
  Result<Event> flush();
  [[nodiscard]] bool batch_full() const;

  const ReadPlan& plan_;
  std::deque<ReadItem> items_;
  std::optional<ReadItem> current_;
  std::shared_ptr<arrow::io::RandomAccessFile> file_;  // of current_
  std::unique_ptr<Decoder> decoder_;
  Extras extras_;                                         // of the rows in the decoder
  std::vector<std::shared_ptr<arrow::Array>> constants_;  // of extras_, as long as was needed so far
  std::vector<BatchPtr> ready_;
  int64_t ready_rows_ = 0;
  struct Compressed {
    std::shared_ptr<arrow::io::InputStream> stored;  // which tells how far it was read
    int64_t decompressed = 0;
    int64_t used = 0;  // stored bytes that the rows so far were
  };
  Compressed compressed_;        // current_, if it is
  int64_t unflushed_bytes_ = 0;  // read since the last flush
  int64_t unflushed_used_bytes_ = 0;
  std::vector<Progress> progress_;
  std::vector<Reject> rejects_;
  bool decoder_full_ = false;
  size_t opened_ = 0;  // files so far
};

}  // namespace sluice::file
