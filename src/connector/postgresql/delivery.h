// What the lanes and the commit thread of one sink share: epochs on their way to the target. The rows of the oldest
// epoch that is not committed are sent into its open transaction while it is being written, so that an epoch may be
// larger than the memory; those of the next wait, encoded, until it is their turn. Thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "connector/postgresql/transaction.h"
#include "port/sink.h"

namespace sluice::postgresql {

class Delivery {
 public:
  explicit Delivery(const SinkSettings& settings) : settings_(settings) {}

  // A writer's place: which epoch its rows belong to. What it sent and has not handed in is undone when it leaves.
  class Seat {
   public:
    Seat(Delivery& delivery, Epoch epoch) : epoch_(epoch), delivery_(delivery) { delivery_.enter(this); }
    ~Seat() { delivery_.leave(this); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

   private:
    friend class Delivery;
    Epoch epoch_;
    uint64_t transaction_ = 0;  // holds rows of this epoch; 0: none does
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
  // Ends the epoch for this writer; nothing when it wrote nothing.
  std::optional<uint64_t> hand_in(Seat& seat, Pieces rest, Epoch epoch);

  // --- the sink ---
  void remember(const TableId& table, TargetPtr target);
  void forget_targets();  // their schemas changed: sessions and descriptions

  // --- the commit thread ---
  struct Work {
    std::unique_ptr<EpochTransaction> transaction;  // open
    std::vector<const Piece*> rest;                 // of the handed-in parts, which stay until forget()
    bool complete = true;                           // false: a part is gone, as after an earlier commit of it
  };
  // Begins with an empty table (if_exists := replace) until an epoch is committed.
  void start_anew(bool replace);
  Result<Work> take(Context& context, std::span<const uint64_t> parts);
  void committed(Session session);
  void forget(std::span<const uint64_t> parts);

 private:
  struct Part {
    Epoch epoch = 0;
    uint64_t transaction = 0;
    Pieces rest;
  };
  // The transaction of the epoch whose turn it is.
  struct Live {
    uint64_t id = 0;
    Epoch epoch = 0;
    std::timed_mutex sending;
    std::unique_ptr<EpochTransaction> transaction;  // null: not begun
    bool failed = false;
  };
  void enter(Seat* seat);
  void leave(Seat* seat);
  std::shared_ptr<Live> turn_of(const Seat& seat);
  Result<EpochTransaction*> transaction_of(Context& context, Live& live);
  std::optional<Session> idle_session();
  Result<std::unique_ptr<EpochTransaction>> begin_somewhere(Context& context);
  Result<std::unique_ptr<EpochTransaction>> begin(Context& context);

  const SinkSettings& settings_;
  std::mutex targets_mutex_;  // one table is opened at a time
  std::map<TableId, TargetPtr> targets_;

  std::mutex mutex_;  // of everything below
  std::set<Seat*> seats_;
  std::shared_ptr<Live> live_;
  std::map<uint64_t, Part> parts_;
  std::vector<Session> idle_;
  uint64_t last_id_ = 0;
  int64_t last_row_ = 0;
  bool replace_ = false;
};

}  // namespace sluice::postgresql
