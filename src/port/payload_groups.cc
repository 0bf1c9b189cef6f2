#include "port/payload_groups.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <arrow/array/builder_primitive.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"

namespace sluice {

Result<void> PayloadGroups::add_bad(size_t index, std::string reason, bool unknown_field) {
  if (!collect_rejects_) return user_error("message {}: {}", index + 1, reason);
  bad_.push_back({static_cast<int64_t>(index), std::move(reason), unknown_field});
  return {};
}

Result<void> PayloadGroups::add_rows(BatchPtr batch, std::vector<int64_t> rows) {
  auto conformed = conform(batch, planned_);
  if (!conformed.ok()) {
    if (conformed.error().fault != Fault::user) return std::move(conformed).error();
    return add_rows_one_by_one(batch, rows);
  }
  batches_.push_back(std::move(conformed).value());
  payload_of_.insert(payload_of_.end(), rows.begin(), rows.end());
  return {};
}

Result<void> PayloadGroups::add_rows_one_by_one(const BatchPtr& batch, const std::vector<int64_t>& rows) {
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    const int64_t payload = rows[static_cast<size_t>(i)];
    auto conformed = conform(batch->Slice(i, 1), planned_);
    if (conformed.ok()) {
      batches_.push_back(std::move(conformed).value());
      payload_of_.push_back(payload);
    } else if (conformed.error().fault == Fault::user) {
      TRY(add_bad(static_cast<size_t>(payload), conformed.error().what));
    } else {
      return std::move(conformed).error();
    }
  }
  return {};
}

Result<DecodedPayloads> PayloadGroups::finish() {
  DecodedPayloads out;
  if (!absent_.empty()) {
    arrow::ArrayVector nulls;
    for (const auto& field : planned_->fields()) {
      nulls.push_back(TRY(to_result(arrow::MakeArrayOfNull(field->type(), static_cast<int64_t>(absent_.size())))));
    }
    batches_.push_back(arrow::RecordBatch::Make(planned_, static_cast<int64_t>(absent_.size()), std::move(nulls)));
    payload_of_.insert(payload_of_.end(), absent_.begin(), absent_.end());
  }
  std::sort(bad_.begin(), bad_.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
  out.bad = std::move(bad_);
  const auto rows = static_cast<int64_t>(payload_of_.size());
  if (batches_.empty()) {
    out.batch = TRY(to_result(arrow::RecordBatch::MakeEmpty(planned_)));
  } else if (batches_.size() == 1) {
    out.batch = batches_[0];
  } else if (planned_->num_fields() == 0) {
    out.batch = arrow::RecordBatch::Make(planned_, rows, arrow::ArrayVector{});
  } else {
    out.batch = TRY(to_result(arrow::ConcatenateRecordBatches(batches_)));
  }
  if (!std::is_sorted(payload_of_.begin(), payload_of_.end())) {
    std::vector<int64_t> order(payload_of_.size());
    std::iota(order.begin(), order.end(), 0);
    auto payload_at = [this](int64_t row) { return payload_of_[static_cast<size_t>(row)]; };
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return payload_at(a) < payload_at(b); });
    std::sort(payload_of_.begin(), payload_of_.end());
    if (planned_->num_fields() > 0) {
      arrow::Int64Builder indices;
      TRY(to_result(indices.AppendValues(order)));
      auto taken =
          TRY(to_result(arrow::compute::Take(arrow::Datum(out.batch), arrow::Datum(TRY(to_result(indices.Finish()))),
                                             arrow::compute::TakeOptions::NoBoundsCheck())));
      out.batch = taken.record_batch();
    }
  }
  if (payload_of_.size() != payloads_) out.payload_of = std::move(payload_of_);
  return out;
}

}  // namespace sluice
