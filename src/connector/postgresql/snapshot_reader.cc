// Reads pieces of the snapshot, each by one COPY in the order of its key, so that every batch ends at a key that
// reading can go on from.
#include <algorithm>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include "batch/arrow_result.h"
#include "connector/postgresql/change_builder.h"
#include "connector/postgresql/snapshot.h"
#include "postgres/decode.h"

namespace sluice::postgresql {
namespace {

class SnapshotReader final : public Reader {
 public:
  SnapshotReader(std::shared_ptr<Connection> connection, std::shared_ptr<const SnapshotPlan> plan,
                 std::vector<Chunk> chunks)
      : connection_(std::move(connection)), plan_(std::move(plan)), chunks_(std::move(chunks)) {}

  Result<Event> next(Context& context, Deadline deadline) override {
    if (at_ == chunks_.size()) return Event(End{});
    const Chunk& chunk = chunks_[at_];
    if (!decoder_) TRY(begin(chunk).while_doing(fmt::format("reading {}", chunk.id)));
    bool ended = false;
    while (decoder_->rows() < plan_->batch_rows && decoder_->bytes() < plan_->batch_bytes) {
      const auto row = TRY(connection_->copy_row());
      if (!row) {
        ended = true;
        break;
      }
      TRY(decoder_->add(*row).while_doing(fmt::format("reading {}", chunk.id)));
      constexpr int64_t kRowsPerLook = 1024;
      if (decoder_->rows() % kRowsPerLook == 0 && decoder_->rows() > 0 && context.clock.steady() >= deadline) break;
    }
    auto rows = finish(chunk, ended);
    if (ended) {
      if (chunk.whole) --*plan_->reading_whole;
      decoder_.reset();
      if (++at_ == chunks_.size()) connection_.reset();  // others may wait for it
    }
    return rows;
  }

 private:
  // The columns that are delivered, those that the table has no more aside, and the key's.
  Result<void> begin(const Chunk& chunk) {
    const auto& read = plan_->tables.at(chunk.table);
    std::vector<postgres::Column> columns;
    key_indexes_.clear();
    for (const auto& column : read.table.columns) {
      const bool is_key = read.key && column.in_key;
      if (!is_key && read.schema->GetFieldByName(column.name) == nullptr) continue;
      if (is_key) key_indexes_.push_back(static_cast<int>(columns.size()));
      columns.push_back(column);
    }
    if (columns.empty()) columns.push_back(read.table.columns.at(0));
    std::string sql =
        fmt::format("SELECT {} FROM {}", postgres::CopyDecoder::select_list(columns, plan_->types), read.table.from());
    std::string condition = read.key ? read.key->condition(chunk.range) : std::string();
    if (!plan_->condition.empty()) condition += (condition.empty() ? "(" : " AND (") + plan_->condition + ")";
    if (!condition.empty()) sql += " WHERE " + condition;
    if (read.key) sql += " ORDER BY " + read.key->column_list();
    decoder_.emplace(TRY(postgres::CopyDecoder::create(std::move(columns), plan_->types)));
    return connection_->begin_copy_out(fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", sql));
  }

  Result<Event> finish(const Chunk& chunk, bool ended) {
    const auto& read = plan_->tables.at(chunk.table);
    Rows out;
    out.table = chunk.table;
    out.source_bytes = decoder_->bytes();
    auto batch = TRY(decoder_->take());
    Position upto = end_of(chunk, *plan_);
    if (!ended) {
      if (batch->num_rows() == 0) return Event(Idle{});
      upto = between(chunk, read, *batch);
    }
    out.progress = {{chunk.id, std::move(upto)}, plan_->stream};
    if (batch->num_rows() > 0) out.batch = TRY(stamp(batch, read.schema));
    return Event(std::move(out));
  }

  Position between(const Chunk& chunk, const SnapshotPlan::Read& read, const arrow::RecordBatch& batch) const {
    ChunkPosition position{read.table.name.plain(), chunk.range, plan_->seen, plan_->log_end, chunk.whole};
    if (read.key) {
      position.range.to = read.key->row_of(batch, batch.num_rows() - 1, key_indexes_);
      position.range.to_inclusive = true;
    }
    return position.token();
  }

  Result<BatchPtr> stamp(const BatchPtr& batch, const SchemaPtr& schema) const {
    arrow::FieldVector fields = batch->schema()->fields();
    arrow::ArrayVector arrays = batch->columns();
    StampColumns stamps;
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      TRY(stamps.add(Op::snapshot, {plan_->place, plan_->taken_at}, {}));
    }
    TRY(stamps.finish(*schema, &fields, &arrays));
    auto stamped = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch->num_rows(), std::move(arrays));
    return conform(stamped, schema);
  }

  std::shared_ptr<Connection> connection_;
  const std::shared_ptr<const SnapshotPlan> plan_;
  const std::vector<Chunk> chunks_;
  std::optional<postgres::CopyDecoder> decoder_;
  std::vector<int> key_indexes_;
  size_t at_ = 0;
};

}  // namespace

Position end_of(const Chunk& chunk, const SnapshotPlan& plan) {
  const auto& read = plan.tables.at(chunk.table);
  return ChunkPosition{read.table.name.plain(), chunk.range, plan.seen, plan.log_end, false}.token();
}

std::unique_ptr<Reader> snapshot_reader(std::shared_ptr<Connection> connection,
                                        std::shared_ptr<const SnapshotPlan> plan, std::vector<Chunk> chunks) {
  return std::make_unique<SnapshotReader>(std::move(connection), std::move(plan), std::move(chunks));
}

}  // namespace sluice::postgresql
