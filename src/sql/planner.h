// From the text of a file to pipelines ready to run: the only header of sql/ that others need.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "port/context.h"
#include "port/plan.h"

namespace sluice {

// One plan per statement, in order. `file_name` is for error positions ("orders.sql:3:12: …"); `vars` are those of
// --var, which win over the environment. Nothing is connected to: schemas come in RowTransform::bind and
// BoundedQuery::bind. A plan whose source.connector is empty reads nothing (SELECT 1).
Result<std::vector<PipelinePlan>> plan_sql(Context& context, std::string_view text, const std::string& file_name,
                                           const std::map<std::string, std::string>& vars);

}  // namespace sluice
