#include "connector/postgresql/stream_reader.h"

#include <map>
#include <optional>

#include "connector/postgresql/spill.h"
#include "postgres/bytes.h"

namespace sluice::postgresql {
namespace {

namespace pgoutput = postgres::pgoutput;

// Rows wait no longer than this for company.
constexpr Millis kGather{10};
// While rows flow the socket is looked at this often: reading each message as it comes costs both ends a system call
// and a switch for each.
constexpr Millis kNap{4};
// With nothing to read the connection is let go this often, so that others may answer on it.
constexpr Millis kSlice{50};
// What is held of a transaction that has not committed before it goes to disk: this where --memory has it to spare …
constexpr int64_t kSpillMemory = 4 << 20;
// … else this.
constexpr size_t kSpillMemoryMin = 64 << 10;
constexpr int kMessagesPerLook = 1024;

class StreamReader final : public Reader {
 public:
  explicit StreamReader(StreamSetup setup)
      : link_(std::move(setup.link)),
        batch_rows_(setup.batch_rows),
        batch_bytes_(setup.batch_bytes),
        changes_(std::move(setup.changes)) {}

  Result<Event> next(Context& context, Deadline deadline) override;

 private:
  struct Applying {
    std::unique_ptr<TransactionSpill> spill;
    Lsn end_lsn = 0;
  };

  Result<bool> read(Context& context, SteadyTime deadline);
  Result<void> take(Context& context, const ReplicationLink::Received& received);
  Result<void> take_streamed(std::string_view message);
  Result<void> apply(Context& context);
  Result<void> handle(Context& context, const pgoutput::Message& message, int64_t sent_us);
  Result<void> begin_applying(const pgoutput::StreamCommit& commit);
  void start_spill(Context& context, uint32_t xid);

  // A batch is full, or has to leave before anything else is read.
  [[nodiscard]] bool enough() const {
    return changes_.rows() >= batch_rows_ || changes_.bytes() >= batch_bytes_ || changes_.has_events() ||
           changes_.stalled();
  }

  const std::shared_ptr<ReplicationLink> link_;
  const int64_t batch_rows_;
  const int64_t batch_bytes_;
  ChangeAssembly changes_;
  std::optional<uint32_t> block_;  // inside a streamed transaction's block
  std::map<uint32_t, std::unique_ptr<TransactionSpill>> spills_;
  std::optional<Applying> applying_;
  SteadyTime first_row_at_{};
};

Result<Event> StreamReader::next(Context& context, Deadline deadline) {
  while (true) {
    if (auto event = changes_.take_event()) return std::move(*event);
    auto now = context.clock.steady();
    if (changes_.stalled()) {
      context.clock.sleep(Millis(5), context.stop);
      return Event(Idle{});
    }
    bool drained = false;
    if (applying_) {
      TRY(apply(context));
    } else {
      drained = !TRY(read(context, changes_.rows() > 0 ? now : std::min(deadline, now + kSlice)));
    }
    now = context.clock.steady();
    TRY(link_->answer_when_due(now, Millis(0)));
    const bool full = changes_.rows() >= batch_rows_ || changes_.bytes() >= batch_bytes_;
    if (full || (changes_.rows() > 0 && now - first_row_at_ >= kGather)) {
      TRY(changes_.flush());
    } else if (changes_.rows() == 0) {
      changes_.send_progress(now);
      if (!changes_.has_events() && now >= deadline) return Event(Idle{});
    } else if (drained) {
      context.clock.sleep(kNap, context.stop);
    }
  }
}

// Reads what is there, up to a batch. False: nothing more is there now.
Result<bool> StreamReader::read(Context& context, SteadyTime deadline) {
  for (int i = 0; i < kMessagesPerLook && !enough() && !applying_; ++i) {
    using What = ReplicationLink::Received::What;
    const auto received = TRY(link_->receive(deadline));
    if (received.what == What::nothing) return false;
    if (received.what == What::change) {
      const bool first = changes_.rows() == 0;
      if (block_) {
        TRY(take_streamed(received.change));
      } else {
        TRY(take(context, received));
      }
      if (first && changes_.rows() > 0) {
        first_row_at_ = SteadyTime::clock::now();
        deadline = first_row_at_;
      }
    } else if (!changes_.in_transaction() && !block_) {
      // Everything that committed before it has come.
      changes_.reached(received.log_end, received.sent_us);
    }
  }
  return true;
}

Result<void> StreamReader::take(Context& context, const ReplicationLink::Received& received) {
  changes_.count_bytes(static_cast<int64_t>(received.change.size()));
  auto parsed = TRY(pgoutput::parse(received.change, false));
  return handle(context, parsed, received.sent_us);
}

// Kept as it came, until the transaction commits.
Result<void> StreamReader::take_streamed(std::string_view message) {
  if (message.starts_with('E')) {
    block_.reset();
    return {};
  }
  if (message.starts_with('O')) return {};
  if (message.size() < 5) return refused("a change message of {} bytes is cut short", message.size());
  return spills_.at(*block_)->add(postgres::load_be<uint32_t>(message.data() + 1), message);
}

Result<void> StreamReader::apply(Context& context) {
  for (int i = 0; i < kMessagesPerLook && !enough(); ++i) {
    const auto record = TRY(applying_->spill->next());
    if (!record) {
      const Lsn end = applying_->end_lsn;
      applying_.reset();
      changes_.commit(end);
      return {};
    }
    // The description of a table stands, although the subtransaction in which it was sent was rolled back: the server
    // does not repeat it (src/backend/replication/pgoutput/pgoutput.c, maybe_send_schema).
    const bool describes = record->message.starts_with('R');
    if (applying_->spill->is_aborted(record->subxid) && !describes) continue;
    auto parsed = TRY(pgoutput::parse(record->message, true));
    const bool first = changes_.rows() == 0;
    changes_.count_bytes(static_cast<int64_t>(record->message.size()));
    TRY(handle(context, parsed, 0));
    if (first && changes_.rows() > 0) first_row_at_ = SteadyTime::clock::now();
  }
  return {};
}

Result<void> StreamReader::handle(Context& context, const pgoutput::Message& message, int64_t sent_us) {
  struct Visitor {
    StreamReader& reader;
    Context& context;
    int64_t sent_us;
    Result<void> operator()(const pgoutput::Begin& begin) {
      reader.changes_.begin(begin.commit_lsn, begin.commit_time, begin.xid);
      return {};
    }
    Result<void> operator()(const pgoutput::Commit& commit) {
      reader.changes_.commit(commit.end_lsn);
      return {};
    }
    Result<void> operator()(const pgoutput::Relation& relation) { return reader.changes_.describe(relation); }
    Result<void> operator()(const pgoutput::Insert& change) { return reader.changes_.insert(change); }
    Result<void> operator()(const pgoutput::Update& change) { return reader.changes_.update(change); }
    Result<void> operator()(const pgoutput::Delete& change) { return reader.changes_.remove(change); }
    Result<void> operator()(const pgoutput::Truncate& change) { return reader.changes_.truncate(change); }
    Result<void> operator()(const pgoutput::LogicalMessage& message) {
      const bool alone = !message.transactional && !reader.changes_.in_transaction();
      if (alone) reader.changes_.reached(message.lsn, sent_us);
      return {};
    }
    Result<void> operator()(const pgoutput::StreamStart& start) {
      reader.block_ = start.xid;
      reader.start_spill(context, start.xid);
      return {};
    }
    Result<void> operator()(const pgoutput::StreamStop&) { return {}; }
    Result<void> operator()(const pgoutput::StreamCommit& commit) { return reader.begin_applying(commit); }
    Result<void> operator()(const pgoutput::StreamAbort& abort) {
      auto found = reader.spills_.find(abort.xid);
      if (found == reader.spills_.end()) return {};
      if (abort.xid == abort.subxid) {
        reader.spills_.erase(found);
      } else {
        found->second->abort(abort.subxid);
      }
      return {};
    }
    Result<void> operator()(const pgoutput::Origin&) { return {}; }
    Result<void> operator()(const pgoutput::TypeName&) { return {}; }
  };
  return std::visit(Visitor{*this, context, sent_us}, message);
}

// Many may be open at once, each with its own memory: it is the process's to give.
void StreamReader::start_spill(Context& context, uint32_t xid) {
  auto& spill = spills_[xid];
  if (spill != nullptr) return;
  auto memory = context.memory.try_reserve(kSpillMemory);
  spill = memory.has_value() ? std::make_unique<TransactionSpill>(static_cast<size_t>(kSpillMemory), std::move(*memory))
                             : std::make_unique<TransactionSpill>(kSpillMemoryMin, Budget::Reservation());
}

Result<void> StreamReader::begin_applying(const pgoutput::StreamCommit& commit) {
  auto found = spills_.find(commit.xid);
  if (found == spills_.end()) return refused("the server committed transaction {} without having sent it", commit.xid);
  changes_.begin(commit.commit_lsn, commit.commit_time, commit.xid);
  applying_ = Applying{std::move(found->second), commit.end_lsn};
  spills_.erase(found);
  return {};
}

}  // namespace

std::unique_ptr<Reader> stream_reader(StreamSetup setup) { return std::make_unique<StreamReader>(std::move(setup)); }

}  // namespace sluice::postgresql
