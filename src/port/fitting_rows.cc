#include "port/fitting_rows.h"

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <fmt/format.h>

#include "batch/arrow_result.h"
#include "batch/json_text.h"

namespace sluice {
namespace {

struct Parting {
  const SchemaPtr& schema;
  const std::string& file;
  arrow::RecordBatchVector good;
  std::vector<Reject>& rejects;

  // What does not fit is halved until the rows that are at fault stand alone.
  void part(const BatchPtr& rows, int64_t first) {
    auto conformed = conform(rows, schema);
    if (conformed.ok()) {
      good.push_back(std::move(conformed).value());
      return;
    }
    if (rows->num_rows() > 1) {
      const int64_t half = rows->num_rows() / 2;
      part(rows->Slice(0, half), first);
      return part(rows->Slice(half), first + half);
    }
    std::string reason = std::move(conformed).error().what;
    constexpr std::string_view kNumber = ", row 0";  // of a row alone it says nothing
    if (auto at = reason.find(kNumber); at != std::string::npos) reason.erase(at, kNumber.size());
    rejects.push_back({row_as_json(*rows, 0), std::move(reason), fmt::format("{} (row {})", file, first), {}});
  }
};

}  // namespace

Result<BatchPtr> fitting_rows(const BatchPtr& rows, const SchemaPtr& schema, const std::string& file, int64_t first,
                              std::vector<Reject>* rejects) {
  auto conformed = conform(rows, schema);
  if (conformed.ok()) return conformed;
  auto error = std::move(conformed).error();
  if (rejects == nullptr || error.fault != Fault::user || !conform(rows->Slice(0, 0), schema).ok()) {
    error.what = fmt::format("{}: {} (rows counted from row {})", file, error.what, first);
    return error;
  }
  Parting parting{schema, file, {}, *rejects};
  parting.part(rows, first);
  if (parting.good.empty()) return to_result(arrow::RecordBatch::MakeEmpty(schema));
  return to_result(arrow::ConcatenateRecordBatches(parting.good));
}

}  // namespace sluice
