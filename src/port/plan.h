// A pipeline as planned: what sql/ hands to flow/ and what cp and the C++ API build by hand.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "port/registry.h"
#include "port/transform.h"

namespace sluice {

enum class PipelineKind { stream, table, insert, select };

// A connector call as written, resolved to a descriptor and options but not yet connected.
struct Endpoint {
  std::string connector;  // "file"
  ConnectorRequest request;
  std::string alias;  // FROM file('…') AS o
  std::string text;   // for messages: file('data/*.json'), secrets redacted

  // As one location with all options as parameters and no secrets: what the state store keeps, and what `reset` and
  // `drop` connect to again.
  [[nodiscard]] std::string uri() const;
  // The same, and a local path from the root on: the place it is, wherever somebody later looks from.
  [[nodiscard]] std::string lasting_uri() const;
};

struct PipelinePlan {
  PipelineKind kind = PipelineKind::insert;
  std::string name;  // given, or derived from the text for unnamed statements
  bool named = false;
  bool or_replace = false;
  std::string definition;        // normalised and redacted: what the state store compares
  std::string where;             // "orders.sql:3"
  Endpoint source;               // the driving input
  std::optional<Endpoint> sink;  // none: print to the terminal
  std::optional<Endpoint> dead_letters;
  ReadRequest request;                  // pushed into the driving source
  std::unique_ptr<RowTransform> rows;   // exactly one of rows and query, or neither: pass everything through
  std::unique_ptr<BoundedQuery> query;  // over `source` and `more_sources`
  std::vector<Endpoint> more_sources;
  std::vector<ReadRequest> more_requests;
  RawOptions with;  // WITH (…): pipeline options, validated by flow
};

}  // namespace sluice
