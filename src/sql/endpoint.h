// From a connector call in the text to an Endpoint that the registry can make a source or sink of.
#pragma once

#include "port/context.h"
#include "sql/statements.h"

namespace sluice::sql {

struct EndpointUse {
  OptionScope side = OptionScope::source;
  std::string pipeline;  // its name; empty for one-off reads
  bool streaming = false;
  bool one_off = false;
};

// Unknown connectors and malformed locations are errors at their position; options are checked by the connector.
Result<Endpoint> make_endpoint(const Registry& registry, const Script& script, const ConnectorCall& call,
                               const EndpointUse& use);

// What was written there, read back: the sink's location with the options that mean something to a source.
Endpoint read_back(const Registry& registry, const Endpoint& sink, const std::string& where);

// connector('location', name := 'value', …) with secrets as ***: the same text for the same meaning, however spaced.
std::string render(const Registry& registry, const Endpoint& endpoint);

}  // namespace sluice::sql
