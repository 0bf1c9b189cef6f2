#include "format/protobuf/payload_schemas.h"

#include <utility>

namespace sluice::protobuf {

Result<SchemaRef> PayloadSchemas::parse(Context& context, const net::RegisteredSchema& registered) {
  if (registered.kind != net::SchemaKind::protobuf) {
    return user_error("the schema {} of {} is one of {}, not Protobuf; set format := {}", registered.id, subject_,
                      to_string(registered.kind), registered.kind == net::SchemaKind::json ? "json" : "avro");
  }
  std::vector<ProtoText> imports;
  for (auto& other : TRY(registry_->references_of(registered, context.stop))) {
    imports.push_back({std::move(other.name), std::move(other.text)});
  }
  return Schema::parse({fmt::format("{} (schema {})", subject_, registered.id), registered.text}, imports);
}

Result<PayloadSchemas::Found> PayloadSchemas::find(Context& context, int32_t id) {
  {
    std::lock_guard lock(mutex_);
    auto found = by_id_.find(id);
    if (found != by_id_.end()) return found->second;
  }
  auto registered = TRY(registry_->find(id, context.stop));
  if (registered == nullptr) return Found{nullptr, registry_->unknown_id(id, subject_)};
  auto parsed = parse(context, *registered);
  if (!parsed.ok() && parsed.error().fault != Fault::user) return std::move(parsed).error();
  Found found;
  if (parsed.ok()) {
    found.schema = parsed.value();
  } else {
    found.problem = parsed.error().what;
  }
  std::lock_guard lock(mutex_);
  return by_id_.emplace(id, std::move(found)).first->second;
}

Result<SchemaRef> PayloadSchemas::latest(Context& context) {
  auto registered = TRY(registry_->latest(subject_, context.stop));
  if (registered == nullptr) return SchemaRef();
  return parse(context, *registered);
}

Result<int32_t> PayloadSchemas::publish(Context& context, const net::SchemaWriting& writing, const std::string& text,
                                        const std::vector<ProtoText>& imports) {
  std::vector<net::SchemaReference> known;
  auto references_in = [&known](const std::string& file) {
    std::vector<net::SchemaReference> found;
    for (const auto& one : known) {
      if (file.find('"' + one.name + '"') != std::string::npos) found.push_back(one);
    }
    return found;
  };
  for (const auto& import : imports) {
    const net::RegisteredSchema schema{0, net::SchemaKind::protobuf, import.text, references_in(import.text)};
    if (writing.add) TRY(registry_->add(import.name, schema, context.stop));
    known.push_back({import.name, import.name, TRY(registry_->version_of(import.name, schema, context.stop))});
  }
  const net::RegisteredSchema schema{0, net::SchemaKind::protobuf, text, references_in(text)};
  return net::publish_schema(*registry_, writing, subject_, schema, context.stop);
}

}  // namespace sluice::protobuf
