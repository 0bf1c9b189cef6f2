#include "flow/outlet.h"

#include <arrow/api.h>
#include <arrow/util/base64.h>

#include "base/json_string.h"
#include "batch/arrow_result.h"
#include "batch/change.h"
#include "batch/utf8.h"

namespace sluice {
namespace {

const char* stage_name(Reject::Stage stage) {
  switch (stage) {
    case Reject::Stage::read:
      return "read";
    case Reject::Stage::transform:
      return "transform";
    case Reject::Stage::write:
      return "write";
  }
  return "read";
}

// A row with the image before a change belongs to the row behind it.
int64_t rows_delivered(const arrow::RecordBatch& batch) {
  int64_t rows = batch.num_rows();
  const auto column = batch.GetColumnByName(std::string(kOpColumn));
  if (column == nullptr || column->type_id() != arrow::Type::STRING) return rows;
  const auto& ops = static_cast<const arrow::StringArray&>(*column);
  for (int64_t i = 0; i < ops.length(); ++i) rows -= ops.IsValid(i) && ops.GetView(i) == "before" ? 1 : 0;
  return rows;
}

// The columns are text. A payload that is none (a Latin-1 line, a file's name) is shown as far as it is, and kept here.
std::string message_of(const Reject& reject) {
  if (!reject.message.empty() || is_utf8(reject.payload)) return as_utf8(reject.message);
  std::string out = R"({"value":{"base64":)";
  append_json_string(arrow::util::base64_encode(reject.payload), out);
  return out + "}}";
}

Result<BatchPtr> dead_letter_batch(const std::vector<Reject>& rejects, const std::string& pipeline, WallTime now) {
  auto schema = dead_letter_schema();
  auto builder = TRY(to_result(arrow::RecordBatchBuilder::Make(schema, arrow::default_memory_pool())));
  auto text = [&](int column) { return builder->GetFieldAs<arrow::StringBuilder>(column); };
  for (const auto& reject : rejects) {
    TRY(to_result(text(0)->Append(pipeline)));
    TRY(to_result(builder->GetFieldAs<arrow::TimestampBuilder>(1)->Append(now.time_since_epoch().count())));
    TRY(to_result(text(2)->Append(as_utf8(reject.reason))));
    TRY(to_result(text(3)->Append(as_utf8(reject.where))));
    TRY(to_result(text(4)->Append(as_utf8(reject.split))));
    TRY(to_result(text(5)->Append(as_utf8(reject.payload))));
    TRY(to_result(text(6)->Append(stage_name(reject.stage))));
    const std::string message = message_of(reject);
    TRY(to_result(message.empty() ? text(7)->AppendNull() : text(7)->Append(message)));
  }
  return to_result(builder->Flush());
}

}  // namespace

SchemaPtr dead_letter_schema() {
  auto text = [](const char* name) { return arrow::field(name, arrow::utf8()); };
  return arrow::schema({text("pipeline"), arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                        text("reason"), text("position"), text("split"), text("payload"), text("stage"),
                        text("message")});
}

Result<void> Outlet::deliver(Context& context, Rows rows) {
  std::vector<Reject> rejects = std::move(rows.rejects);
  rows.rejects.clear();
  if (rows.batch != nullptr && rows.batch->num_rows() > 0) {
    auto ack = TRY(TRY(writer_for(context, rows.table))->write(context, rows));
    wants_cut_ = wants_cut_ || ack.wants_cut;
    part_.rows += rows_delivered(*rows.batch) - static_cast<int64_t>(ack.rejects.size());
    for (auto& reject : ack.rejects) {
      reject.stage = Reject::Stage::write;
      rejects.push_back(std::move(reject));
    }
  }
  if (!rejects.empty()) TRY(bury(context, std::move(rejects)));
  for (auto& step : rows.progress) part_.upto[step.split] = std::move(step.upto);
  return {};
}

Result<Writer*> Outlet::writer_for(Context& context, const TableId& table) {
  if (auto one = writers_.find(TableId{}); one != writers_.end()) return one->second.get();
  auto found = writers_.find(table);
  if (found == writers_.end()) found = writers_.emplace(table, TRY(make_writer_(context, table, epoch_))).first;
  return found->second.get();
}

Result<void> Outlet::bury(Context& context, std::vector<Reject> rejects) {
  if (dead_letters_ == nullptr) {
    const auto& first = rejects.front();
    return user_error("{}{}{}", first.where, first.where.empty() ? "" : ": ", first.reason);
  }
  Rows rows;
  rows.table = {"", "dead_letters"};
  rows.batch = TRY(dead_letter_batch(rejects, pipeline_, context.clock.wall()));
  // The first reject's split and position make the dead letter file's name repeatable.
  rows.progress.push_back({rejects.front().split, Position{rejects.front().where}});
  auto ack = TRY(dead_letters_->write(context, rows));
  if (!ack.rejects.empty()) return refused("the dead-letter target refuses a row: {}", ack.rejects.front().reason);
  wants_cut_ = wants_cut_ || ack.wants_cut;
  part_.dead_rows += static_cast<int64_t>(rejects.size());
  return {};
}

Result<void> Outlet::tick(Context& context) {
  for (auto& [table, writer] : writers_) {
    auto ack = TRY(writer->tick(context));
    wants_cut_ = wants_cut_ || ack.wants_cut;
  }
  return {};
}

Result<LanePart> Outlet::prepare(Context& context, Epoch epoch) {
  for (auto& [table, writer] : writers_) {
    auto prepared = TRY(writer->prepare(context, epoch));
    std::move(prepared.begin(), prepared.end(), std::back_inserter(part_.main));
  }
  if (dead_letters_ != nullptr) part_.dead_letters = TRY(dead_letters_->prepare(context, epoch));
  epoch_ = epoch + 1;
  wants_cut_ = false;
  return std::exchange(part_, {});
}

}  // namespace sluice
