// What the lanes and the commit thread of one sink share: the producer, and whose turn it is to use it. A producer has
// one transaction at a time. The records of the oldest epoch that is not committed are sent into it while the epoch is
// being written; those of the next wait, encoded, until it is their turn: sent by a second producer meanwhile they
// could come to stand before older ones of their key. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "connector/kafka/producer.h"
#include "connector/kafka/takeover.h"
#include "port/sink.h"

namespace sluice::kafka {

class Delivery {
 public:
  explicit Delivery(Takeover& takeover) : takeover_(takeover) {}

  // A writer's place: which epoch its records belong to. What it sent and has not handed in is undone when it leaves.
  class Seat {
   public:
    Seat(Delivery& delivery, Epoch epoch) : epoch_(epoch), delivery_(delivery) { delivery_.enter(this); }
    ~Seat() { delivery_.leave(this); }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

   private:
    friend class Delivery;
    Epoch epoch_;
    uint64_t transaction_ = 0;  // holds records of this epoch; 0: none does
    Delivery& delivery_;
  };

  // --- lanes ---
  // Sends pieces if it is their epoch's turn; false: it is not. The last one is left in `spare`, emptied.
  Result<bool> send(Context& context, Seat& seat, Pieces& pieces, Piece* spare);
  // Ends the epoch for this writer; nothing when it wrote nothing.
  std::optional<uint64_t> hand_in(Seat& seat, Pieces rest, Epoch epoch);
  // The transaction of this epoch has been open for so long that the epoch is to end.
  [[nodiscard]] bool is_old(Context& context, const Seat& seat);

  // --- the commit thread ---
  // Forgets all epochs. The producer may have a transaction open, which ends with it.
  std::unique_ptr<Producer> take_back();
  // With a producer that has fenced all others: at the start, and after a failure.
  void start_anew(std::unique_ptr<Producer> producer);
  // The same in the middle of a commit.
  void replace(std::unique_ptr<Producer> producer) { producer_ = std::move(producer); }
  struct Work {
    Producer* producer = nullptr;    // in the transaction of these parts
    std::vector<const Piece*> rest;  // of the parts, which stay until finish()
    bool complete = true;            // false: a part is gone, as after an earlier commit of it
  };
  Result<Work> take(Context& context, std::span<const uint64_t> parts);
  // The epoch of these parts (without any: the one that was handed in first) is committed, or will never be: the next
  // one has its turn.
  void finish(std::span<const uint64_t> parts);
  // A transaction between epochs, while there is no writer: it is the caller's to commit.
  Result<Producer*> begin_alone(Context& context);
  // The epoch is undecided from now on, although no writer may have a part of it: the next one has to wait.
  void cut(Epoch epoch);
  // There was nothing in it.
  void skip(Epoch epoch);

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
    std::mutex beginning;
    bool begun = false;
    bool failed = false;
  };
  void enter(Seat* seat);
  void leave(Seat* seat);
  std::shared_ptr<Live> turn_of(const Seat& seat);
  Result<Producer*> producer_in(Context& context, Live& live);

  Takeover& takeover_;
  std::unique_ptr<Producer> producer_;  // changes while no epoch has its turn

  std::mutex mutex_;  // of everything below
  std::set<Seat*> seats_;
  std::set<Epoch> handed_in_;  // cut, and not finished
  std::shared_ptr<Live> live_;
  std::map<uint64_t, Part> parts_;
  uint64_t last_id_ = 0;
};

}  // namespace sluice::kafka
