#include "connector/postgresql/copy_reader.h"

#include <algorithm>

namespace sluice::postgresql {
namespace {

class CopyReader final : public Reader {
 public:
  CopyReader(std::shared_ptr<Connection> connection, std::vector<CopyPiece> pieces, postgres::TypePolicy policy,
             CopyLimits limits)
      : connection_(std::move(connection)), pieces_(std::move(pieces)), policy_(policy), limits_(limits) {}

  // Splits are pieces of a table that is being read as fast as the server hands it out: the deadline only matters when
  // the server is slow, and then the wait for a row ends with the stop request.
  Result<Event> next(Context& context, Deadline deadline) override {
    if (at_ == pieces_.size()) return Event(End{});
    const CopyPiece& piece = pieces_[at_];
    if (!decoder_) {
      decoder_.emplace(TRY(postgres::CopyDecoder::create(piece.columns, policy_)));
      TRY(connection_->begin_copy_out(fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", piece.select)));
      rows_ = 0;
    }
    bool ended = false;
    while (decoder_->rows() < limits_.batch_rows && decoder_->bytes() < limits_.batch_bytes) {
      const auto row = TRY(connection_->copy_row());
      if (!row) {
        ended = true;
        break;
      }
      auto added = decoder_->add(*row);
      if (!added.ok()) return std::move(added).error().while_doing(fmt::format("reading {}", piece.split));
      // A clock is asked rarely: it costs as much as decoding a value.
      constexpr int64_t kRowsPerLook = 1024;
      if (decoder_->rows() % kRowsPerLook == 0 && decoder_->rows() > 0 && context.clock.steady() >= deadline) break;
    }
    Rows out;
    out.table = piece.table;
    out.source_bytes = decoder_->bytes();
    rows_ += decoder_->rows();
    out.batch = TRY(decoder_->take());
    out.progress.push_back({piece.split, {ended ? fmt::format("{} rows, all", rows_) : fmt::format("{} rows", rows_)}});
    if (ended) {
      decoder_.reset();
      if (++at_ == pieces_.size()) connection_.reset();  // others may wait for it
    }
    return Event(std::move(out));
  }

 private:
  std::shared_ptr<Connection> connection_;
  const std::vector<CopyPiece> pieces_;
  const postgres::TypePolicy policy_;
  const CopyLimits limits_;
  std::optional<postgres::CopyDecoder> decoder_;
  size_t at_ = 0;
  int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<Reader> copy_reader(std::shared_ptr<Connection> connection, std::vector<CopyPiece> pieces,
                                    postgres::TypePolicy policy, CopyLimits limits) {
  return std::make_unique<CopyReader>(std::move(connection), std::move(pieces), policy, limits);
}

}  // namespace sluice::postgresql
