// What the lanes and the commit thread of one sink share: epochs on their way to the target. The rows of the oldest
// epoch that is not committed are sent into its open transaction while it is being written, so that an epoch may be
// larger than the memory; those of the next wait, encoded, until it is their turn. Thread-safe.
//
// One server process takes rows in at half the rate that a lane has them ready. So an epoch is several transactions
// where the source's splits stand alone and no row of one can wait for another's (EpochTransaction::lock): each has the
// rows of some lanes, and the positions of the splits they are of. See
// docs/decisions/0010-an-epoch-in-several-transactions.md.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "connector/postgresql/transaction.h"
#include "port/sink.h"

namespace sluice::postgresql {

class Delivery {
  // An open transaction of the epoch whose turn it is.
  struct Live {
    uint64_t id = 0;
    Epoch epoch = 0;
    std::timed_mutex sending;
    std::unique_ptr<EpochTransaction> transaction;
    bool admits_others = false;  // beside it; the first one decides
    bool failed = false;
  };

 public:
  explicit Delivery(const SinkSettings& settings) : settings_(settings) {}

  // A writer's place: which epoch its rows belong to. What it sent and has not handed in is undone when it leaves.
  class Seat {
   public:
    Seat(Delivery& delivery, const WriterId& id)
        : stands_alone_(id.splits_stand_alone), epoch_(id.epoch), delivery_(delivery) {
      delivery_.enter(this);
    }
    ~Seat() { delivery_.leave(this); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

   private:
    friend class Delivery;
    const bool stands_alone_;
    Epoch epoch_;
    std::shared_ptr<Live> live_;  // holds its rows of this epoch; null: none does
    Delivery& delivery_;
  };
  using Pieces = std::deque<Piece>;

  // --- lanes ---
  // How the rows of a table are written; opens it when it is not known.
  Result<TargetPtr> target(Context& context, const TableId& table, const SchemaPtr& schema);
  int64_t take_row_numbers(int64_t rows);
  // Sends pieces as far as it is their epoch's turn and nobody else is sending; `patient`: waits for the latter. False:
  // it is not their turn.
  Result<bool> send(Context& context, Seat& seat, Pieces& pieces, bool patient);
  // Waits for the epoch's turn.
  Result<std::vector<RefusedRow>> send_judged(Context& context, Seat& seat, const Piece& piece);
  // Ends the epoch for this writer, whose rows were of `splits`; nothing when it wrote nothing.
  std::optional<uint64_t> hand_in(Seat& seat, Pieces rest, std::set<SplitId> splits, Epoch epoch);

  // --- the sink ---
  void remember(const TableId& table, TargetPtr target);
  void forget_targets();  // their schemas change: sessions and descriptions
  void drop_idle();       // a connection is needed that the server may not have to spare

  // --- the commit thread ---
  struct Share {
    std::unique_ptr<EpochTransaction> transaction;  // open
    std::vector<const Piece*> rest;                 // of the handed-in parts, which stay until forget()
    std::set<SplitId> splits;                       // that its rows are of; no other share has rows of these
  };
  struct Work {
    std::vector<Share> shares;  // at least one
    bool complete = true;       // false: a part is gone, as after an earlier commit of it
  };
  // Undoes what is open, and closes all connections.
  void stop();
  // Begins with an empty table (if_exists := replace) until an epoch is committed.
  void start_anew(bool replace);
  Result<Work> take(Context& context, std::span<const uint64_t> parts);
  // Unset: its connection is gone.
  void committed(std::optional<Session> session);
  void forget(std::span<const uint64_t> parts);

 private:
  struct Part {
    Epoch epoch = 0;
    uint64_t transaction = 0;  // Live::id; 0: nothing was sent
    Pieces rest;
    std::set<SplitId> splits;
  };
  void enter(Seat* seat);
  void leave(Seat* seat);
  [[nodiscard]] bool has_turn(const Seat& seat) const;
  Result<void> take_place(Context& context, Seat& seat, const TargetTable& table, bool judged);
  Result<void> open_first(Context& context, Seat& seat, const TargetTable& table, bool may_admit);
  Result<bool> open_beside(Context& context, Seat& seat, const TargetTable& table);
  void take_seat(Seat& seat, std::unique_ptr<EpochTransaction> transaction, bool admits_others);
  [[nodiscard]] std::shared_ptr<Live> find(uint64_t transaction) const;
  void end(uint64_t transaction);
  std::vector<Share> shares_of(std::span<const uint64_t> parts);
  Result<EpochTransaction*> transaction_of(Context& context, Live& live) const;
  std::optional<Session> idle_session();
  Result<std::unique_ptr<EpochTransaction>> begin_somewhere(Context& context);
  Result<std::unique_ptr<EpochTransaction>> begin(Context& context);

  const SinkSettings& settings_;
  std::mutex targets_mutex_;  // one table is opened at a time
  std::map<TableId, TargetPtr> targets_;

  std::timed_mutex opening_;  // one transaction is opened at a time
  mutable std::mutex mutex_;  // of everything below
  std::set<Seat*> seats_;
  std::vector<std::shared_ptr<Live>> live_;
  size_t places_taken_ = 0;
  std::map<uint64_t, Part> parts_;
  std::vector<Session> idle_;
  uint64_t last_id_ = 0;
  int64_t last_row_ = 0;
  bool replace_ = false;
};

}  // namespace sluice::postgresql
