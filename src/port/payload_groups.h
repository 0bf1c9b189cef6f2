// Puts a decoded call together out of parts that were decoded apart: rows by writer's schema, payloads without bytes,
// bad ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "port/payload.h"

namespace sluice {

// One call of PayloadDecoder::decode(); one thread.
class PayloadGroups {
 public:
  PayloadGroups(SchemaPtr planned, size_t payloads, bool collect_rejects)
      : planned_(std::move(planned)), payloads_(payloads), collect_rejects_(collect_rejects) {}

  void add_absent(size_t index) { absent_.push_back(static_cast<int64_t>(index)); }
  // An error where bad payloads are not collected.
  Result<void> add_bad(size_t index, std::string reason, bool unknown_field = false);
  // Row i of `batch` is payload rows[i], ascending. It is conformed to the planned schema; rows that do not fit are
  // bad.
  Result<void> add_rows(BatchPtr batch, std::vector<int64_t> rows);
  Result<DecodedPayloads> finish();

 private:
  Result<void> add_rows_one_by_one(const BatchPtr& batch, const std::vector<int64_t>& rows);

  const SchemaPtr planned_;
  const size_t payloads_;
  const bool collect_rejects_;
  std::vector<int64_t> absent_;
  std::vector<BatchPtr> batches_;
  std::vector<int64_t> payload_of_;  // of the batches' rows, one batch after another
  std::vector<BadPayload> bad_;
};

}  // namespace sluice
