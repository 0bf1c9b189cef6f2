#include "connector/postgresql/writer.h"

#include <charconv>
#include <utility>

#include <arrow/record_batch.h>

#include "batch/json_text.h"

namespace sluice::postgresql {
namespace {

constexpr size_t kPieceBytes = 1 << 20;  // sent together
constexpr size_t kAheadBytes = 8 << 20;  // encoded while another lane is sending
constexpr size_t kWaitBytes = 32 << 20;  // encoded while the epoch before is committed; then this one is to end
constexpr std::string_view kPayloadStart = R"({"part":)";

class RowWriter final : public Writer {
 public:
  RowWriter(const SinkSettings& settings, Delivery& delivery, const WriterId& id)
      : settings_(settings), delivery_(delivery), table_(id.table), judges_(id.collect_rejects), seat_(delivery, id) {}

  Result<WriteAck> write(Context& context, const Rows& rows) override {
    WriteAck ack;
    if (rows.batch == nullptr || rows.batch->num_rows() == 0) return ack;
    for (const auto& step : rows.progress) splits_.insert(step.split);
    const TableId id = table_ == TableId{} && settings_.many_tables() ? rows.table : table_;
    auto target = TRY(delivery_.target(context, id, rows.batch->schema()));
    if (judges_) {
      TRY(write_judged(context, rows, target, ack));
      return ack;
    }
    Piece& piece = open_piece(target);
    const size_t capacity = piece.bytes.capacity();
    const int64_t before = piece.rows;
    const int64_t number = target->upsert ? delivery_.take_row_numbers(rows.batch->num_rows()) : 0;
    for (const auto& bad : encode_rows(*rows.batch, number, piece)) reject(rows, *target, bad.row, bad.reason, ack);
    piece.ends.clear();  // nobody will ask for a single row
    rows_ += piece.rows - before;
    const bool has_memory = reserve(context, piece, capacity);
    TRY(send(context, has_memory, ack));
    return ack;
  }

  Result<std::vector<Prepared>> prepare(Context&, Epoch epoch) override {
    std::vector<Prepared> prepared;
    waiting_bytes_ = 0;
    const auto part = delivery_.hand_in(seat_, std::exchange(pieces_, {}), std::exchange(splits_, {}), epoch);
    const int64_t rows = std::exchange(rows_, 0);
    const int64_t bytes = std::exchange(bytes_, 0);
    if (part.has_value()) prepared.push_back({payload_of(*part), rows, bytes, 0});
    return prepared;
  }

 private:
  Piece& open_piece(const TargetPtr& target) {
    if (pieces_.empty() || pieces_.back().table != target || pieces_.back().bytes.size() >= kPieceBytes) {
      pieces_.emplace_back();
      pieces_.back().table = target;
    }
    return pieces_.back();
  }

  // Waiting for memory here could wait for this very epoch: without any the rows are sent, or the epoch ends.
  bool reserve(Context& context, Piece& piece, size_t capacity_before) {
    const size_t grown = piece.bytes.capacity() - capacity_before;
    waiting_bytes_ += grown;
    if (grown == 0) return true;
    auto memory = context.memory.try_reserve(static_cast<int64_t>(piece.bytes.capacity()));
    if (!memory.has_value()) return false;
    piece.memory = *std::move(memory);
    return true;
  }

  Result<void> send(Context& context, bool has_memory, WriteAck& ack) {
    if (has_memory && pieces_.back().bytes.size() < kPieceBytes) return {};
    const int64_t waiting = bytes_waiting();
    const bool patient = !has_memory || waiting_bytes_ >= kAheadBytes;
    const bool its_turn = TRY(delivery_.send(context, seat_, pieces_, patient));
    bytes_ += waiting - bytes_waiting();
    if (pieces_.empty()) waiting_bytes_ = 0;
    ack.wants_cut = !its_turn && (!has_memory || waiting_bytes_ >= kWaitBytes);
    return {};
  }

  [[nodiscard]] int64_t bytes_waiting() const {
    size_t bytes = 0;
    for (const auto& piece : pieces_) bytes += piece.bytes.size();
    return static_cast<int64_t>(bytes);
  }

  // Rows that the table refuses are to be known now: they go into the transaction at once, under savepoints.
  Result<void> write_judged(Context& context, const Rows& rows, const TargetPtr& target, WriteAck& ack) {
    Piece piece;
    piece.table = target;
    const int64_t number = target->upsert ? delivery_.take_row_numbers(rows.batch->num_rows()) : 0;
    const auto unfit = encode_rows(*rows.batch, number, piece);
    for (const auto& bad : unfit) reject(rows, *target, bad.row, bad.reason, ack);
    const auto refused = TRY(delivery_.send_judged(context, seat_, piece));
    for (const auto& bad : refused) reject(rows, *target, batch_row(unfit, bad.row), bad.reason, ack);
    rows_ += piece.rows - static_cast<int64_t>(refused.size());
    bytes_ += static_cast<int64_t>(piece.bytes.size());
    return {};
  }

  // The piece has the batch's rows without the unfit ones.
  static int64_t batch_row(const std::vector<UnfitRow>& unfit, size_t piece_row) {
    auto row = static_cast<int64_t>(piece_row);
    for (const auto& bad : unfit) {
      if (bad.row > row) break;
      ++row;
    }
    return row;
  }

  static void reject(const Rows& rows, const TargetTable& target, int64_t row, const std::string& reason,
                     WriteAck& ack) {
    ack.rejects.push_back(Reject{row_as_json(*rows.batch, row), reason,
                                 fmt::format("table '{}', row {} of its batch", target.name.plain(), row),
                                 rows.progress.size() == 1 ? rows.progress[0].split : SplitId()});
  }

  const SinkSettings& settings_;
  Delivery& delivery_;
  const TableId table_;
  const bool judges_;
  Delivery::Seat seat_;
  Delivery::Pieces pieces_;
  std::set<SplitId> splits_;  // of the epoch's rows
  size_t waiting_bytes_ = 0;  // of memory, in pieces_
  int64_t rows_ = 0;          // of the epoch
  int64_t bytes_ = 0;         // … as sent
};

}  // namespace

std::string payload_of(uint64_t part) { return fmt::format("{}{}}}", kPayloadStart, part); }

Result<uint64_t> part_of(const Prepared& prepared) {
  uint64_t part = 0;
  std::string_view text = prepared.payload;
  if (text.starts_with(kPayloadStart) && text.ends_with('}')) {
    text.remove_prefix(kPayloadStart.size());
    auto parsed = std::from_chars(text.data(), text.data() + text.size() - 1, part);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() - 1) return part;
  }
  return bug("'{}' was not prepared by a postgresql sink", prepared.payload);
}

std::unique_ptr<Writer> create_writer(const SinkSettings& settings, Delivery& delivery, const WriterId& id) {
  return std::make_unique<RowWriter>(settings, delivery, id);
}

}  // namespace sluice::postgresql
