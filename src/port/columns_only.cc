#include "port/columns_only.h"

#include "batch/plain.h"

namespace sluice {

Result<Format::Planned> plan_columns_only(const SchemaPtr& schema, const ReadRequest& request) {
  Format::Planned planned;
  planned.schema = request.columns ? TRY(project(schema, *request.columns)) : schema;
  planned.pushed.columns = request.columns.has_value();
  planned.pushed.filter_exact.assign(request.filter.size(), false);
  return planned;
}

}  // namespace sluice
