#include "sql/bounded_select.h"

#include <algorithm>
#include <thread>

#include <arrow/api.h>

#include "base/heap.h"
#include "sql/input.h"
#include "sql/names.h"
#include "sql/output.h"
#include "sql/spill_folder.h"
#include "sql/splice.h"

namespace sluice::sql {
namespace {

constexpr int64_t kEmitRows = 64 * 1024;
constexpr int64_t kLeastMemory = 64 << 20;
// DuckDB counts its buffers, not what it builds results and sorts with: a third of the budget leaves room for that and
// for the readers.
constexpr int64_t kShareOfMemory = 3;
// Each of DuckDB's threads sorts a run of its own, and merging pins a block of every run: with less than this it spills
// small runs and cannot merge many of them.
constexpr int64_t kMemoryPerThread = 64 << 20;

// Batches of a few MB live between the readers and DuckDB for a moment: a sort of 200 MB under --memory 256MB peaked at
// 320 MB, with blocks of 1 MB and more given back at once 240 MB, at equal CPU. Pipelines that keep no rows are better
// off without, so this is set where a query begins.
constexpr size_t kGiveBackBytes = 1 << 20;

class BoundedSelect : public BoundedQuery {
 public:
  explicit BoundedSelect(std::shared_ptr<const Select> select) : select_(std::move(select)) {}

  Result<ReadRequest> request(Context&, size_t input, const SchemaPtr& full, const ReadRequest& planned) override {
    full_.resize(std::max(full_.size(), input + 1));
    full_[input] = full;
    ReadRequest out = planned;
    const auto& info = select_->info;
    const auto& alias = info.inputs[input].alias;
    if (!info.all_columns) out.columns = columns_of(alias, *full);
    if (info.inputs.size() == 1) {
      for (const auto& simple : info.filter) {
        auto predicate = resolve_predicate(simple, alias, *full);
        if (predicate) out.filter.push_back(std::move(*predicate));
      }
      if (info.limit) out.limit = info.limit;
    }
    return out;
  }

  Result<SchemaPtr> bind(Context& context, const std::vector<SchemaPtr>& inputs) override {
    CHECK(inputs.size() == select_->info.inputs.size());
    return_blocks_at_once(kGiveBackBytes);
    use_few_heaps();
    memory_bytes_ = std::max(kLeastMemory, context.memory.limit() / kShareOfMemory);
    auto threads =
        std::clamp<int64_t>(memory_bytes_ / kMemoryPerThread, 1, std::max(1U, std::thread::hardware_concurrency()));
    auto engine = TRY(Engine::open({static_cast<int>(threads), memory_bytes_, new_spill_folder()}));
    connection_ = TRY(engine->connect());
    std::vector<Splice> splices;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto& ref = select_->info.inputs[i];
      auto input = TRY(Input::make(*connection_, inputs[i]).while_doing(ref.endpoint.text));
      input->read_once(ref.endpoint.text);
      std::string alias = ref.needs_alias ? " AS " + quote_identifier(ref.alias) : "";
      splices.push_back({ref.begin, ref.end, input->call() + alias});
      inputs_.push_back(std::move(input));
    }
    spliced_.emplace(*select_, std::move(splices));
    DuckError failure;
    auto statement = connection_->prepare(spliced_->text(), &failure);
    if (!statement.ok()) {
      failure.message = with_candidates(failure.message, full_.empty() ? inputs : full_);
      return spliced_->explain(failure);
    }
    statement_ = std::move(*statement);
    output_.emplace(TRY(OutputColumns::make(*connection_, statement_.get())));
    schema_ = with_unique_names(output_->schema());
    return schema_;
  }

  Result<void> run(Context& context, const std::vector<BatchStream*>& inputs,
                   const std::function<Result<void>(BatchPtr)>& emit) override {
    for (size_t i = 0; i < inputs.size(); ++i) {
      inputs_[i]->set_next([stream = inputs[i]] { return stream->next(); });
    }
    auto memory = context.memory.try_reserve(std::min(memory_bytes_, context.memory.limit() / kShareOfMemory));
    std::stop_callback on_stop(context.stop, [this] { connection_->interrupt(); });
    auto done = pull(context, emit);
    if (!done.ok() && context.stop.stop_requested()) return cancelled();
    return done;
  }

  [[nodiscard]] std::string describe() const override {
    std::string out = "one DuckDB query over " + (inputs_.size() == 1 ? std::string("its input") : "all inputs");
    if (select_->info.not_row_wise) out += " (" + select_->info.not_row_wise->reason + ")";
    return out + "; spills to disk beyond " + format_bytes(memory_bytes_) + '\n';
  }

 private:
  // Without knowing which input an unqualified name belongs to, every input that has such a column delivers it.
  std::optional<std::vector<ColumnPath>> columns_of(const std::string& alias, const arrow::Schema& full) const {
    bool whole_row = false;
    std::vector<Names> tops;
    for (const auto& names : select_->info.columns) {
      for (size_t i = 0; i < std::min<size_t>(names.size(), 2); ++i) tops.push_back({names[i]});
    }
    auto columns = needed_columns(tops, alias, full, &whole_row);
    bool as_value = std::any_of(select_->info.columns.begin(), select_->info.columns.end(), [&](const Names& names) {
      return names.size() == 1 && equals_ignoring_case(names[0], alias);
    });
    if (as_value) return std::nullopt;
    return columns;
  }

  Error failed(const char* message) {
    for (auto& input : inputs_) {
      if (auto error = input->take_error()) return std::move(*error);
    }
    return spliced_->explain(parse_duck_error(message));
  }

  Result<void> pull(Context& context, const std::function<Result<void>(BatchPtr)>& emit) {
    const auto& api = connection_->api();
    Owned<duckdb_pending_result> pending(api.destroy_pending);
    Owned<duckdb_result> result(api.destroy_result);
    if (api.pending_prepared_streaming(statement_.get(), pending.out()) != DuckDBSuccess) {
      return failed(api.pending_error(pending.get()));
    }
    if (api.execute_pending(pending.get(), result.out()) != DuckDBSuccess)
      return failed(api.result_error(result.out()));
    arrow::RecordBatchVector held;
    int64_t rows = 0;
    auto flush = [&]() -> Result<void> {
      if (rows == 0) return {};
      auto batch = TRY(output_->join(held));
      held.clear();
      rows = 0;
      return emit(arrow::RecordBatch::Make(schema_, batch->num_rows(), batch->columns()));
    };
    while (!context.stop.stop_requested()) {
      Owned<duckdb_data_chunk> chunk(api.fetch_chunk(result.get()), api.destroy_data_chunk);
      if (chunk.get() == nullptr || api.data_chunk_get_size(chunk.get()) == 0) {
        const char* error = api.result_error(result.out());
        if (error != nullptr && *error != 0) return failed(error);
        return flush();
      }
      held.push_back(TRY(output_->convert(chunk.get())));
      rows += held.back()->num_rows();
      if (rows >= kEmitRows) TRY(flush());
    }
    return cancelled();
  }

  std::shared_ptr<const Select> select_;
  std::vector<SchemaPtr> full_;
  int64_t memory_bytes_ = 0;
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Input>> inputs_;  // before the statement, which is destroyed first
  std::optional<SplicedSelect> spliced_;
  Owned<duckdb_prepared_statement> statement_;
  std::optional<OutputColumns> output_;
  SchemaPtr schema_;
};

}  // namespace

std::unique_ptr<BoundedQuery> make_bounded_select(std::shared_ptr<const Select> select) {
  return std::make_unique<BoundedSelect>(std::move(select));
}

}  // namespace sluice::sql
