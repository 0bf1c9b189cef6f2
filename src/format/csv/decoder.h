// CSV text to Arrow batches.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codec/encoding.h"
#include "format/csv/column.h"
#include "format/csv/window.h"
#include "port/format.h"

namespace sluice::csv {

// The columns a decoder hands out: those of the request, in its order. One for which no sample had a value is VARCHAR:
// whatever comes can be kept.
Result<SchemaPtr> planned_schema(const SchemaPtr& schema, const ReadRequest& request);

class CsvDecoder final : public Decoder {
 public:
  static Result<std::unique_ptr<Decoder>> create(const Dialect& dialect, const DecoderOptions& options);

  Result<void> open(Context& context, Input input) override;
  Result<Step> step(Context& context) override;
  Result<BatchPtr> take(std::vector<Reject>* rejects) override;

 private:
  CsvDecoder(const Dialect& dialect, const DecoderOptions& options, SchemaPtr planned);

  Result<void> bind_columns(const std::vector<std::string>& names);
  Result<bool> advance();  // false: the input is read
  Result<void> bind_first_record(uint32_t* records_used);
  Result<void> choose_records(uint32_t skip);  // fills first_ and counts_ from the window
  Result<void> check_text();
  Result<void> convert(uint32_t begin, uint32_t end);
  Result<void> reject_failures(uint32_t begin, std::vector<Failure> failures);
  Result<void> refuse(uint32_t at, std::string_view raw, std::string reason);
  Result<int64_t> position();

  [[nodiscard]] bool header_pending() const { return dialect_.header && !bound_; }
  [[nodiscard]] std::string where(uint32_t at) const;  // of a byte in the window: "a.csv:17"
  [[nodiscard]] uint32_t record_begin(uint32_t index) const;
  [[nodiscard]] std::string_view record_text(uint32_t index) const;

  const Dialect dialect_;
  const DecoderOptions options_;
  const SchemaPtr planned_;
  const int64_t batch_rows_;
  std::vector<std::unique_ptr<Column>> columns_;  // as planned_
  int64_t rows_ = 0;
  std::vector<Reject> rejects_;

  Input input_;
  std::shared_ptr<Utf8Stream> encoded_;  // between input_.stream and the window, unless that is UTF-8
  Window window_;
  bool bound_ = false;  // field_of_ is of this input
  bool at_end_ = false;
  std::vector<int32_t> field_of_;   // per planned column: its field in a record, -1: this file has none
  std::vector<std::string> names_;  // of the file's fields, for errors
  uint32_t width_ = 0;              // fields in a record

  std::vector<uint32_t> first_;   // the window's good records, see Fields
  std::vector<uint32_t> counts_;  // only when some are short and padded
  bool padded_ = false;
  uint32_t next_ = 0;            // of first_: not converted yet
  int64_t position_behind_ = 0;  // in the window's stream: where to resume once all of first_ is converted
  int64_t bytes_reported_ = 0;
};

}  // namespace sluice::csv
