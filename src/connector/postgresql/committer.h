// The end of an epoch's transactions, mostly one: rows, their positions, and the check of both the fence and the old
// positions.
#pragma once

#include <memory>

#include "connector/postgresql/delivery.h"
#include "connector/postgresql/ledger.h"

namespace sluice::postgresql {

// `settings` and `delivery` are the sink's, which outlives its committer. Used by the commit thread only.
std::unique_ptr<Committer> create_committer(const SinkSettings& settings, Delivery& delivery);

Ledger ledger_of(const SinkSettings& settings);

}  // namespace sluice::postgresql
