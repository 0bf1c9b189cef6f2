// What this binary can do: an explicit list, filled in app/ (no self-registering statics: they vanish from archives).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "options/location.h"
#include "options/option.h"
#include "port/format.h"
#include "port/payload.h"
#include "port/sink.h"
#include "port/source.h"
#include "port/store.h"

namespace sluice {

// Everything a connector needs to make a source or a sink: the parsed location and its options, already validated
// against the connector's own declaration plus those of the store and format it chose.
struct ConnectorRequest {
  Location location;
  RawOptions options;    // from the URI and from SQL/YAML/flags; a name given twice with different values is an error
  std::string where;     // "orders.sql:3:12"
  std::string pipeline;  // empty for one-off reads
  bool streaming = false;
  bool one_off = false;  // unnamed INSERT or cp: if_exists applies
  bool waited = false;   // a source's: this process began before its first rows came (AwaitsFirstRows)
};

struct ConnectorDescriptor {
  std::string_view name;                  // "file": file('…') and file://…
  std::vector<std::string_view> schemes;  // {"file"}, {"postgresql", "postgres"}
  std::string_view doc;
  std::vector<OptionSpec> options;         // its own; file-like connectors add those of stores and formats
  std::vector<std::string_view> examples;  // shown by `sluice connectors NAME` and in the reference
  bool uses_formats = false;
  Result<std::unique_ptr<Source>> (*create_source)(const Registry&,
                                                   const ConnectorRequest&) = nullptr;  // null: no source
  Result<std::unique_ptr<Sink>> (*create_sink)(const Registry&, const ConnectorRequest&) = nullptr;
};

class Registry {
 public:
  void add(ConnectorDescriptor connector);
  void add(FormatDescriptor format);
  void add(PayloadDescriptor payload);
  void add(StoreDescriptor store);

  [[nodiscard]] const std::vector<ConnectorDescriptor>& connectors() const { return connectors_; }
  [[nodiscard]] const std::vector<FormatDescriptor>& formats() const { return formats_; }
  [[nodiscard]] const std::vector<PayloadDescriptor>& payloads() const { return payloads_; }
  [[nodiscard]] const std::vector<StoreDescriptor>& stores() const { return stores_; }

  // By name; an unknown one is Fault::user with the nearest name.
  Result<const ConnectorDescriptor*> connector(std::string_view name) const;
  Result<const ConnectorDescriptor*> connector_of_scheme(std::string_view scheme) const;
  Result<const FormatDescriptor*> format(std::string_view name) const;
  const FormatDescriptor* format_of_extension(std::string_view path) const;  // compression suffix already removed
  Result<const PayloadDescriptor*> payload(std::string_view name) const;
  Result<const StoreDescriptor*> store(std::string_view scheme) const;

  Result<std::unique_ptr<Source>> create_source(const ConnectorRequest& request) const;
  Result<std::unique_ptr<Sink>> create_sink(const ConnectorRequest& request) const;

 private:
  std::vector<ConnectorDescriptor> connectors_;
  std::vector<FormatDescriptor> formats_;
  std::vector<PayloadDescriptor> payloads_;
  std::vector<StoreDescriptor> stores_;
};

}  // namespace sluice
