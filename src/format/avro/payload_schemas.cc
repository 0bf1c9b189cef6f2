#include "format/avro/payload_schemas.h"

#include <utility>

namespace sluice::avro_format_detail {

Result<avro::SchemaRef> PayloadSchemas::parse(Context& context, const net::RegisteredSchema& registered) {
  if (registered.kind != net::SchemaKind::avro) {
    return user_error("the schema {} of {} is one of {}, not Avro; set format := {}", registered.id, subject_,
                      to_string(registered.kind), registered.kind == net::SchemaKind::json ? "json" : "protobuf");
  }
  std::vector<std::string> others;
  for (auto& other : TRY(registry_->references_of(registered, context.stop))) others.push_back(std::move(other.text));
  auto parsed = avro::Schema::parse(registered.text, others);
  if (!parsed.ok()) return user_error("the schema {} of {}: {}", registered.id, subject_, parsed.error().what);
  return parsed;
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

Result<avro::SchemaRef> PayloadSchemas::latest(Context& context) {
  auto registered = TRY(registry_->latest(subject_, context.stop));
  if (registered == nullptr) return avro::SchemaRef();
  return parse(context, *registered);
}

}  // namespace sluice::avro_format_detail
