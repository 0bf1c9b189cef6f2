#include "connector/kafka/writer.h"

#include <charconv>
#include <map>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/json_text.h"
#include "connector/kafka/record_encoder.h"

namespace sluice::kafka {
namespace {

// Encoded while the epoch before is committed. Then the lane waits for the turn of this one for a while before the
// epoch is to end: cut whenever a commit took that long, epochs would be short and the brokers busy with commits.
constexpr int64_t kWaitBytes = 16 << 20;
constexpr Millis kTurnPatience{500};
constexpr Millis kTurnStep{2};
constexpr std::string_view kPayloadStart = R"({"part":)";

class RecordWriter final : public Writer {
 public:
  RecordWriter(const SinkSettings& settings, TargetTopics& topics, Delivery& delivery, const WriterId& id)
      : settings_(settings),
        topics_(topics),
        delivery_(delivery),
        table_(id.table),
        judges_(id.collect_rejects),
        seat_(delivery, id.epoch) {}

  Result<WriteAck> write(Context& context, const Rows& rows) override {
    WriteAck ack;
    if (rows.batch == nullptr || rows.batch->num_rows() == 0) return ack;
    auto* encoder = TRY(encoder_for(context, rows));
    if (encoder->lacks_partition(*rows.batch)) encoder = TRY(encoder_for_grown_topic(context, rows));
    Piece& piece = pieces_.emplace_back(std::exchange(spare_, {}));
    piece.topic = encoder->topic();
    const auto unfit = TRY(encoder->encode(context, *rows.batch, judges_, piece));
    for (const auto& bad : unfit) reject(rows, *encoder->topic(), bad, ack);
    rows_ += rows.batch->num_rows() - static_cast<int64_t>(unfit.size());
    bytes_ += static_cast<int64_t>(piece.keys.bytes.size() + piece.values.bytes.size());
    TRY(send(context, ack));
    return ack;
  }

  Result<WriteAck> tick(Context& context) override {
    WriteAck ack;
    TRY(send(context, ack));
    return ack;
  }

  Result<std::vector<Prepared>> prepare(Context&, Epoch epoch) override {
    std::vector<Prepared> prepared;
    waiting_bytes_ = 0;
    const auto part = delivery_.hand_in(seat_, std::exchange(pieces_, {}), epoch);
    const int64_t rows = std::exchange(rows_, 0);
    const int64_t bytes = std::exchange(bytes_, 0);
    if (part.has_value()) prepared.push_back({payload_of(*part), rows, bytes, 0});
    return prepared;
  }

 private:
  [[nodiscard]] const TableId& table_of(const Rows& rows) const { return table_ == TableId{} ? rows.table : table_; }

  Result<RecordEncoder*> encoder_for(Context& context, const Rows& rows) {
    const TableId& table = table_of(rows);
    auto& encoder = encoders_[table];
    const SchemaPtr& schema = rows.batch->schema();
    if (encoder == nullptr || (encoder->schema() != schema && !encoder->schema()->Equals(*schema, false))) {
      encoder = TRY(RecordEncoder::make(context, settings_, TRY(topics_.open(context, table)), table, schema));
    }
    return encoder.get();
  }

  // Before rows are rejected for a partition that the topic lacked when it was opened.
  Result<RecordEncoder*> encoder_for_grown_topic(Context& context, const Rows& rows) {
    const TableId& table = table_of(rows);
    auto& encoder = encoders_[table];
    auto topic = TRY(topics_.look_again(context, table));
    if (topic->partitions > encoder->topic()->partitions) {
      encoder = TRY(RecordEncoder::make(context, settings_, std::move(topic), table, rows.batch->schema()));
    }
    return encoder.get();
  }

  Result<void> send(Context& context, WriteAck& ack) {
    ack.wants_cut = delivery_.is_old(context, seat_);
    if (pieces_.empty()) return {};
    if (TRY(delivery_.send(context, seat_, pieces_, &spare_))) {
      waiting_bytes_ = 0;
      return {};
    }
    // Waiting for memory here could wait for this very epoch: without any the epoch ends.
    Piece& last = pieces_.back();
    if (last.memory.bytes() != 0) return {};
    const int64_t bytes = last.held_bytes();
    waiting_bytes_ += bytes;
    auto memory = context.memory.try_reserve(bytes);
    const bool has_memory = memory.has_value();
    if (has_memory) last.memory = *std::move(memory);
    ack.wants_cut = !has_memory || (waiting_bytes_ >= kWaitBytes && !TRY(gets_its_turn(context)));
    return {};
  }

  // Holds up to kWaitBytes of memory meanwhile, and no longer than kTurnPatience: others may need it to hand in theirs.
  Result<bool> gets_its_turn(Context& context) {
    const auto until = context.clock.steady() + kTurnPatience;
    while (context.clock.steady() < until && !context.stop.stop_requested()) {
      context.clock.sleep(kTurnStep, context.stop);
      if (!TRY(delivery_.send(context, seat_, pieces_, &spare_))) continue;
      waiting_bytes_ = 0;
      return true;
    }
    return false;
  }

  static void reject(const Rows& rows, const TargetTopic& topic, const UnfitRow& bad, WriteAck& ack) {
    ack.rejects.push_back(Reject{row_as_json(*rows.batch, bad.row), bad.reason,
                                 fmt::format("topic '{}', row {} of its batch", topic.name, bad.row),
                                 rows.progress.size() == 1 ? rows.progress[0].split : SplitId()});
  }

  const SinkSettings& settings_;
  TargetTopics& topics_;
  Delivery& delivery_;
  const TableId table_;
  const bool judges_;
  Delivery::Seat seat_;
  std::map<TableId, std::unique_ptr<RecordEncoder>> encoders_;
  Pieces pieces_;
  Piece spare_;  // its buffers are used again
  int64_t waiting_bytes_ = 0;
  int64_t rows_ = 0;   // of the epoch
  int64_t bytes_ = 0;  // … of keys and values
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
  return bug("'{}' was not prepared by a kafka sink", prepared.payload);
}

std::unique_ptr<Writer> create_writer(const SinkSettings& settings, TargetTopics& topics, Delivery& delivery,
                                      const WriterId& id) {
  return std::make_unique<RecordWriter>(settings, topics, delivery, id);
}

}  // namespace sluice::kafka
