// The schemas that Protobuf payloads were written with, by the ids that stand in front of them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "format/protobuf/schema.h"
#include "net/schema_registry.h"
#include "port/context.h"

namespace sluice::protobuf {

// Thread-safe; parses each schema once.
class PayloadSchemas {
 public:
  PayloadSchemas(std::shared_ptr<net::SchemaRegistry> registry, std::string subject)
      : registry_(std::move(registry)), subject_(std::move(subject)) {}

  struct Found {
    SchemaRef schema;  // null: `problem` says why there is none
    std::string problem;
  };
  // Errors are the registry's. An id that it does not know is a problem of the payload, and asked for again next time.
  Result<Found> find(Context& context, int32_t id);
  // Null: the subject has none yet.
  Result<SchemaRef> latest(Context& context);
  // Registers the file and, before it, what it imports, each import under its own name.
  Result<int32_t> publish(Context& context, const net::SchemaWriting& writing, const std::string& text,
                          const std::vector<ProtoText>& imports);

  [[nodiscard]] const net::SchemaRegistry& registry() const { return *registry_; }
  [[nodiscard]] const std::string& subject() const { return subject_; }

 private:
  Result<SchemaRef> parse(Context& context, const net::RegisteredSchema& registered);

  const std::shared_ptr<net::SchemaRegistry> registry_;
  const std::string subject_;
  std::mutex mutex_;
  std::map<int32_t, Found> by_id_;
};

}  // namespace sluice::protobuf
