#include "connector/kafka/partition_reader.h"

#include <algorithm>

#include "connector/kafka/group_member.h"

namespace sluice::kafka {
namespace {

// Messages asked of a queue at once; between two such requests the bytes are looked at.
constexpr size_t kChunk = 4096;
// Messages are several times as large in librdkafka as they are: smaller batches than others read.
constexpr int64_t kBatchBytes = 4 << 20;
// A reader with an end gives up when its brokers are silent for this long.
constexpr Millis kSilence{60'000};

// Messages of one partition, in the order of their offsets. Gives them back to librdkafka.
class Messages {
 public:
  ~Messages() { clear(); }
  Messages() = default;
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  void clear() {
    auto* const destroy = api().message_destroy;
    for (auto* message : taken_) destroy(message);
    taken_.clear();
    bytes_ = 0;
  }
  [[nodiscard]] bool empty() const { return taken_.empty(); }
  [[nodiscard]] size_t size() const { return taken_.size(); }
  [[nodiscard]] int64_t bytes() const { return bytes_; }
  [[nodiscard]] std::span<rd_kafka_message_t* const> span() const { return taken_; }
  void drop_first(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      bytes_ -= static_cast<int64_t>(taken_[i]->len + taken_[i]->key_len);
      api().message_destroy(taken_[i]);
    }
    taken_.erase(taken_.begin(), taken_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  void add(rd_kafka_message_t* message) {
    taken_.push_back(message);
    bytes_ += static_cast<int64_t>(message->len + message->key_len);
  }

 private:
  std::vector<rd_kafka_message_t*> taken_;
  int64_t bytes_ = 0;
};

class PartitionReader final : public Reader {
 public:
  explicit PartitionReader(ReaderSetup setup) : setup_(std::move(setup)) {
    if (setup_.owned != nullptr) setup_.client = setup_.owned.get();
    setup_.batch_bytes = std::min(setup_.batch_bytes, kBatchBytes);
  }
  ~PartitionReader() override {
    messages_.clear();
    setup_.parts.clear();  // queues go before the client
  }

  Result<Event> next(Context& context, Deadline deadline) override {
    while (true) {
      if (part_ == setup_.parts.size()) return Event(End{});
      if (truncate_) return Event(*std::exchange(truncate_, std::nullopt));
      if (schema_change_) return Event(*schema_change_);  // nothing behind it can be read by this reader
      if (failed_ && messages_.empty()) return give_up();
      Partition& partition = *setup_.parts[part_].partition;
      if (part().alone && assigned_ != part_) TRY(assign_alone());
      const int64_t before = partition.next;
      if (messages_.empty()) TRY(fetch(context, deadline));  // else they lie behind a TRUNCATE
      auto rows = TRY(take_rows(context, before));
      if (at_end() && messages_.empty() && !truncate_) ++part_;
      if (rows) return Event(*std::move(rows));
      if (failed_ || part_ == setup_.parts.size()) continue;
      if (context.clock.steady() < deadline && !context.stop.stop_requested()) continue;
      return Event(Idle{});
    }
  }

 private:
  [[nodiscard]] const ReaderSetup::Part& part() const { return setup_.parts[part_]; }
  [[nodiscard]] bool at_end() const { return part().end && part().partition->next >= *part().end; }

  Result<void> assign_alone() {
    const PartitionOffset from{part().partition->name, part().partition->next};
    const auto code = api().assign(setup_.client->get(), partition_list(std::span(&from, 1)).get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return setup_.client->failure(code, what());
    assigned_ = part_;
    return {};
  }

  // What the queue had behind the gap is gone: whoever reads on has to seek.
  Error give_up() {
    part().partition->next = Partition::kLost;
    return *failed_;
  }

  static Rows progress_only(const Partition& partition) {
    Rows rows;
    rows.progress.push_back({partition.split, position_of(partition.next)});
    return rows;
  }

  // What is there now; when that is nothing, what comes first before the deadline.
  Result<void> fetch(Context& context, Deadline deadline) {
    messages_.clear();
    if (at_end()) return {};
    while (full() == false && !failed_ && !at_end()) {
      const size_t wanted = std::min(kChunk, static_cast<size_t>(setup_.batch_rows) - messages_.size());
      const size_t got = TRY(fetch_chunk(wanted, 0));
      if (got > 0) heard(context);
      if (got < wanted) break;
    }
    if (!messages_.empty() && !at_eof_ && !refills_) wake_fetcher();
    if (!messages_.empty() || failed_ || at_end()) return {};
    const auto left = std::chrono::duration_cast<Millis>(deadline - context.clock.steady());
    if (left.count() > 0) {
      if (TRY(fetch_chunk(1, static_cast<int>(left.count()))) > 0) heard(context);
    }
    if (messages_.empty() && !at_end()) TRY(watch(context));
    return {};
  }

  [[nodiscard]] bool full() const {
    return static_cast<int64_t>(messages_.size()) >= setup_.batch_rows || messages_.bytes() >= setup_.batch_bytes;
  }

  // A thread of librdkafka that found a queue full looks again after a second, unless it has something else to do: a
  // question to the partition's leader is that. Its answer is not waited for.
  void wake_fetcher() const {
    const PartitionOffset latest{part().partition->name, RD_KAFKA_OFFSET_END};
    const PartitionList list = partition_list(std::span(&latest, 1));
    (void)api().offsets_for_times(setup_.client->get(), list.get(), 1);
  }

  // How many messages and events were taken from the queue.
  Result<size_t> fetch_chunk(size_t wanted, int wait_ms) {
    chunk_.resize(wanted);
    const auto got = api().consume_batch_queue(part().partition->queue.get(), wait_ms, chunk_.data(), wanted);
    if (got < 0) return setup_.client->failure(api().last_error(), what());
    for (size_t i = 0; i < static_cast<size_t>(got); ++i) take(chunk_[i]);
    return static_cast<size_t>(got);
  }

  void take(rd_kafka_message_t* raw) {
    Message message(raw);
    if (failed_) return;  // it lies behind a gap
    Partition& partition = *part().partition;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      if (is_missing(message->offset)) return;
      // Behind the last message: what lies between are the marks of transactions and what they took back.
      if (message->offset > partition.next) partition.next = message->offset;
      at_eof_ = true;
      return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      failed_ = error_of_message(*message);
      return;
    }
    if (message->offset < partition.next) return;  // before a seek
    at_eof_ = false;
    if (is_missing(message->offset)) return;
    partition.next = message->offset + 1;
    if (part().end && message->offset >= *part().end) return;
    messages_.add(message.release());
  }

  [[nodiscard]] std::string what() const {
    return fmt::format("topic '{}', partition {}", part().partition->name.topic, part().partition->name.partition);
  }

  // The message that is asked for alone, where the next one comes in its place.
  bool is_missing(int64_t offset) {
    if (!part().alone || at_end() || offset < *part().end) return false;
    failed_ = refused("{}: {}: there is no message with offset {}: it was compacted away, or taken back",
                      setup_.client->where(), what(), *part().end - 1);
    return true;
  }

  Error error_of_message(const rd_kafka_message_t& message) const {
    const bool gone =
        message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    if (gone) {
      return refused(
          "{}: {}: offset {} is not there any more: the topic's retention removed messages before they were read, or "
          "the "
          "topic was made anew; 'sluice reset' the pipeline to go on with what is there",
          setup_.client->where(), what(), part().partition->next.load());
    }
    const char* detail = message.payload == nullptr ? "" : static_cast<const char*>(message.payload);
    return setup_.client->failure(message.err, what(), detail);
  }

  Result<std::optional<Rows>> take_rows(Context& context, int64_t before) {
    Partition& partition = *part().partition;
    std::optional<Rows> rows;
    if (messages_.empty()) {
      if (partition.next > before) rows = progress_only(partition);
      if (rows && part().end) rows->progress.back().upto = position_of(std::min<int64_t>(partition.next, *part().end));
      return rows;
    }
    rows = TRY(setup_.decoder->decode(context, messages_.span(), partition.name.topic, partition.split));
    if (const auto& stop = setup_.decoder->stopped()) {
      const int64_t offset = messages_.span()[stop->at]->offset;
      const TableId table{"", partition.name.topic};
      rows->progress.push_back({partition.split, position_of(offset)});
      if (stop->wider == nullptr) {
        truncate_ = Truncate{table, {partition.split, position_of(offset + 1)}};
        messages_.drop_first(stop->at + 1);
      } else {
        schema_change_ = SchemaChange{table, setup_.schema, stop->wider};
      }
      return rows;
    }
    int64_t upto = partition.next;
    if (part().end) upto = std::min(upto, *part().end);
    rows->progress.push_back({partition.split, position_of(upto)});
    messages_.clear();
    return rows;
  }

  void heard(Context& context) { heard_ = context.clock.steady(); }

  // Serves a client of our own, and gives up on brokers that are silent.
  Result<void> watch(Context& context) {
    if (setup_.owned == nullptr) return {};
    const Message ignored(api().consumer_poll(setup_.client->get(), 0));
    if (auto error = setup_.client->broken()) return *std::move(error);
    const auto now = context.clock.steady();
    if (!heard_) heard_ = now;
    if (now - *heard_ < kSilence) return {};
    return setup_.client->failure(RD_KAFKA_RESP_ERR__TIMED_OUT, what());
  }

  ReaderSetup setup_;
  size_t part_ = 0;
  size_t assigned_ = SIZE_MAX;  // of parts that are alone
  Messages messages_;
  std::vector<rd_kafka_message_t*> chunk_;
  const bool refills_ = queues_refill_at_once();
  bool at_eof_ = false;
  std::optional<SchemaChange> schema_change_;  // behind the rows that were handed out last, and the reader's end
  std::optional<Truncate> truncate_;  // behind the rows that were handed out last; messages_ are those behind it
  std::optional<Error> failed_;       // what came behind messages that are handed out first, and the reader's end
  std::optional<SteadyTime> heard_;
};

}  // namespace

std::unique_ptr<Reader> partition_reader(ReaderSetup setup) {
  return std::make_unique<PartitionReader>(std::move(setup));
}

}  // namespace sluice::kafka
