// A location resolved to a store, a format and finished options: what source and sink have in common.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "codec/codec.h"
#include "port/registry.h"

namespace sluice::file {

// The connector's own options over the store of that scheme; those of the chosen store and format are added to them.
std::span<const OptionSpec> own_options(std::string_view scheme);

struct Endpoint {
  std::string path;      // inside the store: a file, a folder or a glob
  bool folder = false;   // written with a trailing slash
  std::string where;     // where the statement calls the connector, for errors
  std::string pipeline;  // empty outside of one
  bool streaming = false;
  bool one_off = false;
  const FormatDescriptor* format_descriptor = nullptr;
  OptionValues options;
  std::unique_ptr<Store> store;
  std::unique_ptr<Format> format;
  std::optional<Codec> codec;  // around the format; unset: by each file's extension

  [[nodiscard]] Codec codec_of(const std::string& file) const;
  // Does the name end as the format's files do, a compression suffix aside?
  [[nodiscard]] bool has_known_extension(const std::string& file) const;
};

// Format: the option > the extension (of the first file found, where the path has none) > json.
Result<Endpoint> resolve(const Registry& registry, const ConnectorRequest& request, OptionScope side);

}  // namespace sluice::file
