#include "flow/nothing_source.h"

#include <arrow/type.h>

namespace sluice {
namespace {

class NothingSource final : public Source {
 public:
  [[nodiscard]] SourceTraits traits() const override { return {}; }
  Result<SchemaPtr> fetch_schema(Context&) override { return arrow::schema({}); }
  Result<Planned> plan(Context& context, const ReadRequest& request) override {
    Planned planned{TRY(fetch_schema(context)), {}};
    planned.pushed.filter_exact.resize(request.filter.size());
    return planned;
  }
  Result<void> start(Context&, const Positions&) override { return {}; }
  Result<SplitEvents> poll_splits(Context&, Deadline) override {
    SplitEvents events;
    events.finished = true;
    return events;
  }
  Result<std::unique_ptr<Reader>> create_reader(Context&, std::span<const Split>) override {
    return bug("a statement without a source asked for a reader");
  }
};

}  // namespace

std::unique_ptr<Source> nothing_source() { return std::make_unique<NothingSource>(); }

}  // namespace sluice
