// What happens between reader and writer. sql/ makes these, flow/ runs them; they meet only here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "port/context.h"
#include "port/event.h"
#include "port/pushdown.h"

namespace sluice {

// Row by row, without memory of earlier batches. One per lane, single-threaded; keeps its prepared statement.
class Transform {
 public:
  virtual ~Transform() = default;
  // Output rows keep the order of input rows. A row that fails is a Reject when `collect_rejects` was asked for, else
  // the error names it.
  virtual Result<BatchPtr> apply(Context& context, const BatchPtr& input, std::vector<Reject>* rejects) = 0;
};

// Made once per pipeline; loads lookup tables when it is bound.
class RowTransform {
 public:
  virtual ~RowTransform() = default;
  // Called first, with the source's full schema, before Source::plan: which columns and rows are needed, names resolved
  // and literals cast to the columns' types. `planned` is PipelinePlan::request; the default returns it.
  virtual Result<ReadRequest> request(Context& context, const SchemaPtr& full, const ReadRequest& planned);
  // Called after Source::plan, before bind: what the source applies exactly is not evaluated again. Without this call
  // everything is.
  virtual void set_pushed(const Pushed& pushed);
  // Called once, before the first lane: binds against the schema that readers deliver.
  virtual Result<SchemaPtr> bind(Context& context, const SchemaPtr& input) = 0;
  virtual Result<std::unique_ptr<Transform>> create(Context& context, bool collect_rejects) = 0;
  // Reloads lookup tables; lanes see the new version at their next batch.
  virtual Result<void> refresh(Context& context);
  // A fresh one of the same SELECT, not bound to anything: for another table, or for the same one after its schema
  // changed. Null where that cannot be: then the pipeline ends with a sentence that says so.
  [[nodiscard]] virtual std::unique_ptr<RowTransform> another() const;
  [[nodiscard]] virtual std::string describe() const = 0;  // for explain
};

// A stream of batches of one schema, pulled from any thread. Null at the end.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  [[nodiscard]] virtual SchemaPtr schema() const = 0;
  virtual Result<BatchPtr> next() = 0;
};

// A whole query over bounded inputs: joins, aggregates, ORDER BY. Runs once; its inputs are pulled to their ends.
class BoundedQuery {
 public:
  virtual ~BoundedQuery() = default;
  // As RowTransform::request, for the input of that index (0 is PipelinePlan::source, then more_sources).
  virtual Result<ReadRequest> request(Context& context, size_t input, const SchemaPtr& full,
                                      const ReadRequest& planned);
  virtual Result<SchemaPtr> bind(Context& context, const std::vector<SchemaPtr>& inputs) = 0;
  virtual Result<void> run(Context& context, const std::vector<BatchStream*>& inputs,
                           const std::function<Result<void>(BatchPtr)>& emit) = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace sluice
