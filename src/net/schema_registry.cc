#include "net/schema_registry.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <openssl/evp.h>
#include <nlohmann/json.hpp>

#include "net/url.h"

namespace sluice::net {
namespace {

using Json = nlohmann::ordered_json;

constexpr Millis kAnswerTime{30'000};
constexpr Millis kPause{200};  // between questions to a registry that is not there yet
constexpr int kReferenceDepthMax = 32;
constexpr const char* kMediaType = "application/vnd.schemaregistry.v1+json";

// Error codes of the API.
constexpr int64_t kSubjectNotFound = 40401;
constexpr int64_t kVersionNotFound = 40402;
constexpr int64_t kSchemaNotFound = 40403;

std::string text_of(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}
int64_t number_of(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

// {"id": …, "schema": "…", "schemaType": "…", "references": […]}; Avro goes without a type.
std::optional<RegisteredSchema> schema_of(const Json& json, int32_t id) {
  RegisteredSchema schema;
  schema.id = id != 0 ? id : static_cast<int32_t>(number_of(json, "id"));
  auto text = json.find("schema");
  if (text == json.end() || !text->is_string()) return std::nullopt;
  schema.text = text->get<std::string>();
  const std::string kind = text_of(json, "schemaType");
  schema.kind = kind == "JSON" ? SchemaKind::json : kind == "PROTOBUF" ? SchemaKind::protobuf : SchemaKind::avro;
  auto references = json.find("references");
  if (references != json.end() && references->is_array()) {
    for (const auto& item : *references) {
      if (!item.is_object()) return std::nullopt;
      schema.references.push_back({text_of(item, "name"), text_of(item, "subject"), number_of(item, "version")});
    }
  }
  return schema;
}

std::string body_of(const RegisteredSchema& schema) {
  Json json = {{"schema", schema.text}};
  if (schema.kind != SchemaKind::avro) json["schemaType"] = to_string(schema.kind);
  for (const auto& reference : schema.references) {
    json["references"].push_back(
        {{"name", reference.name}, {"subject", reference.subject}, {"version", reference.version}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string base64(const std::string& text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock adds a zero
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

// User and password inside a URL; what is no escape stays as it is.
std::string percent_decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
    out += escape ? static_cast<char>(value) : text[i];
    i += escape ? 2 : 0;
  }
  return out;
}

std::string excerpt(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text.size() > 300 ? text.substr(0, 300) + "…" : text;
}

}  // namespace

// What the registry said, when it understood the question.
struct SchemaRegistry::Answer {
  int status = 0;
  int64_t error_code = 0;  // of the API, where the status is no success
  Json json;
  std::string message;
};

std::string_view to_string(SchemaKind kind) {
  switch (kind) {
    case SchemaKind::json:
      return "JSON";
    case SchemaKind::protobuf:
      return "PROTOBUF";
    default:
      return "AVRO";
  }
}

std::optional<FramedPayload> unframe(std::string_view payload) {
  if (payload.size() < kFrameBytes || payload[0] != '\0') return std::nullopt;
  uint32_t id = 0;
  for (size_t i = 1; i < kFrameBytes; ++i) id = id << 8 | static_cast<unsigned char>(payload[i]);
  return FramedPayload{static_cast<int32_t>(id), payload.substr(kFrameBytes)};
}

void append_frame(int32_t schema_id, std::string& out) {
  out += '\0';
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(static_cast<uint32_t>(schema_id) >> shift & 0xff);
  }
}

std::string subject_of(std::string_view topic, bool key) { return fmt::format("{}-{}", topic, key ? "key" : "value"); }

std::vector<OptionSpec> schema_registry_options() {
  return {
      {.name = "schema_registry",
       .kind = OptionKind::list,
       .doc = "The URL of a schema registry with Confluent's API, which may have a path and user:password@; several "
              "are tried in their order."},
      {.name = "schema_registry_username", .doc = "Who asks the registry (HTTP basic authentication)."},
      {.name = "schema_registry_password",
       .kind = OptionKind::secret,
       .doc = "The password of schema_registry_username."},
      {.name = "schema_registry_token", .kind = OptionKind::secret, .doc = "A bearer token for the registry."},
      {.name = "schema_registry_ca",
       .doc = "A file of certificates to trust for the registry instead of the system's."},
      {.name = "schema_registry_timeout",
       .kind = OptionKind::duration,
       .default_value = "10s",
       .doc = "How long to wait for a registry that does not answer when it is first asked.",
       .min = 0,
       .max = 600'000},
      {.name = "schema_compatibility",
       .kind = OptionKind::choice,
       .doc = "The compatibility that the subject is given before the schema is registered; by default it is left as "
              "it is.",
       .scope = OptionScope::sink,
       .choices = {"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL",
                   "FULL_TRANSITIVE"}},
      {.name = "schema_register",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Register the schema of what is written; false: it has to be registered already.",
       .scope = OptionScope::sink},
  };
}

Result<std::shared_ptr<SchemaRegistry>> SchemaRegistry::create(const OptionValues& options) {
  if (!options.has("schema_registry") || options.list("schema_registry").empty()) {
    for (const char* name : {"schema_registry_username", "schema_registry_password", "schema_registry_token",
                             "schema_registry_ca", "schema_registry_timeout", "schema_compatibility"}) {
      if (options.is_given(name)) {
        return user_error("{}: {} has no meaning without schema_registry", options.where(name), name);
      }
    }
    return std::shared_ptr<SchemaRegistry>();
  }
  SchemaRegistryOptions given;
  given.urls = options.list("schema_registry");
  if (options.has("schema_registry_username")) given.username = options.text("schema_registry_username");
  if (options.has("schema_registry_password")) given.password = options.secret("schema_registry_password");
  if (options.has("schema_registry_token")) given.token = options.secret("schema_registry_token");
  if (options.has("schema_registry_ca")) given.ca_file = options.text("schema_registry_ca");
  given.patience = options.duration("schema_registry_timeout");
  auto made = create(std::move(given));
  if (!made.ok()) {
    return make_error(made.error().fault, "{}: {}", options.where("schema_registry"), made.error().what);
  }
  return made;
}

Result<std::shared_ptr<SchemaRegistry>> SchemaRegistry::create(SchemaRegistryOptions options) {
  std::shared_ptr<SchemaRegistry> made(new SchemaRegistry());
  for (std::string url : options.urls) {
    std::string user = options.username;
    Secret password = options.password;
    const size_t host = url.find("://") == std::string::npos ? 0 : url.find("://") + 3;
    const size_t path = std::min(url.find('/', host), url.size());
    const size_t at = url.substr(0, path).rfind('@');
    if (at != std::string::npos && at >= host) {
      const std::string both = url.substr(host, at - host);
      const size_t colon = std::min(both.find(':'), both.size());
      user = percent_decoded(both.substr(0, colon));
      password = Secret(percent_decoded(both.substr(std::min(colon + 1, both.size()))));
      url.erase(host, at + 1 - host);
    }
    auto parsed = parse_url(url);
    if (!parsed.ok() || !parsed.value().query.empty()) {
      return user_error("'{}' is not the URL of a schema registry (http://host:port/path)", url);
    }
    while (url.ends_with('/')) url.pop_back();
    made->bases_.push_back(url);
    made->authorizations_.push_back(!options.token.empty() ? "Bearer " + options.token.reveal()
                                    : user.empty()         ? ""
                                                           : "Basic " + base64(user + ":" + password.reveal()));
  }
  CHECK(!made->bases_.empty());
  made->patience_ = options.patience;
  HttpOptions http;
  http.ca_file = options.ca_file;
  made->http_ = TRY(HttpClient::create(http));
  return made;
}

Result<SchemaRegistry::Answer> SchemaRegistry::ask(const std::string& method, const std::string& path,
                                                   const std::string& body, std::string_view what,
                                                   const std::stop_token& stop) {
  Clock& clock = system_clock();
  const auto give_up = clock.steady() + patience_;
  while (true) {
    auto answer = ask_any(method, path, body, what, stop);
    if (answer.ok()) answered_ = true;
    const bool wait = !answer.ok() && answer.error().fault == Fault::transient && !answered_ &&
                      clock.steady() + kPause < give_up && !stop.stop_requested();
    if (!wait) return answer;
    clock.sleep(kPause, stop);
  }
}

// The first of them that answers.
Result<SchemaRegistry::Answer> SchemaRegistry::ask_any(const std::string& method, const std::string& path,
                                                       const std::string& body, std::string_view what,
                                                       const std::stop_token& stop) {
  for (size_t server = 0;; ++server) {
    auto answer = ask_one(server, method, path, body, what, stop);
    const bool next = !answer.ok() && answer.error().fault == Fault::transient && server + 1 < bases_.size();
    if (!next) return answer;
  }
}

Result<SchemaRegistry::Answer> SchemaRegistry::ask_one(size_t server, const std::string& method,
                                                       const std::string& path, const std::string& body,
                                                       std::string_view what, const std::stop_token& stop) {
  const std::string& base = bases_[server];
  HttpRequest request;
  request.method = method;
  request.url = base + path;
  request.headers = {{"Accept", kMediaType}};
  if (!body.empty()) request.headers.emplace_back("Content-Type", kMediaType);
  if (!authorizations_[server].empty()) request.headers.emplace_back("Authorization", authorizations_[server]);
  request.body = body;
  request.time_max = kAnswerTime;
  auto sent = http_->send(std::move(request), stop);
  if (!sent.ok()) {
    if (sent.error().fault == Fault::cancelled) return std::move(sent).error();
    return make_error(sent.error().fault, "the schema registry {} does not answer ({}): {}", base, what,
                      sent.error().what);
  }
  const HttpAnswer& got = sent.value();
  Answer answer;
  answer.status = got.status;
  answer.json = Json::parse(got.body, nullptr, false);
  if (answer.json.is_object()) {
    answer.error_code = got.ok() ? 0 : number_of(answer.json, "error_code");
    answer.message = excerpt(text_of(answer.json, "message"));
  }
  if (answer.message.empty()) answer.message = excerpt(got.body.substr(0, 400));
  if (got.status == 401 || got.status == 403) {
    return refused(
        "the schema registry {} refuses access ({}, status {}): check schema_registry_username and its "
        "password, and what that user may do",
        base, what, got.status);
  }
  if (got.status >= 500 || got.status == 429 || got.status == 408) {
    return transient("the schema registry {} failed ({}, status {}): {}", base, what, got.status, answer.message);
  }
  if (got.ok() && answer.json.is_discarded()) {
    return user_error("{} is no schema registry ({}: the answer is not JSON); does its path lack a prefix?", base,
                      what);
  }
  if (got.ok() || answer.error_code != 0) return answer;
  return user_error(
      "the schema registry {} does not understand a request ({}, status {}); does its URL lack a path "
      "prefix? {}",
      base, what, got.status, answer.message);
}

Result<SchemaRegistry::SchemaPtr> SchemaRegistry::find(int32_t id, const std::stop_token& stop) {
  {
    std::lock_guard lock(mutex_);
    auto found = by_id_.find(id);
    if (found != by_id_.end()) return found->second;
  }
  const std::string what = fmt::format("schema {}", id);
  auto answer = TRY(ask("GET", fmt::format("/schemas/ids/{}", id), "", what, stop));
  if (answer.error_code != 0) {
    if (answer.status == 404) return SchemaPtr();
    return user_error("the schema registry {} gives no {}: {}", name(), what, answer.message);
  }
  auto schema = schema_of(answer.json, id);
  if (!schema) return user_error("the schema registry {} answers without a schema ({})", name(), what);
  auto shared = std::make_shared<const RegisteredSchema>(std::move(*schema));
  std::lock_guard lock(mutex_);
  return by_id_.emplace(id, shared).first->second;
}

std::string SchemaRegistry::unknown_id(int32_t id, std::string_view subject) const {
  return fmt::format("the schema registry {} has no schema with the id {} (subject {})", name(), id, subject);
}

Result<SchemaRegistry::SchemaPtr> SchemaRegistry::latest(const std::string& subject, const std::stop_token& stop) {
  const std::string what = fmt::format("the latest schema of {}", subject);
  auto answer = TRY(ask("GET", fmt::format("/subjects/{}/versions/latest", percent_encode(subject)), "", what, stop));
  if (answer.error_code == kSubjectNotFound || answer.error_code == kVersionNotFound) return SchemaPtr();
  if (answer.error_code != 0) {
    return user_error("the schema registry {} gives no {}: {}", name(), what, answer.message);
  }
  auto schema = schema_of(answer.json, 0);
  if (!schema) return user_error("the schema registry {} answers without a schema ({})", name(), what);
  return std::make_shared<const RegisteredSchema>(std::move(*schema));
}

Result<SchemaRegistry::SchemaPtr> SchemaRegistry::version(const SchemaReference& reference,
                                                          const std::stop_token& stop) {
  const std::pair<std::string, int64_t> key{reference.subject, reference.version};
  {
    std::lock_guard lock(mutex_);
    auto found = by_version_.find(key);
    if (found != by_version_.end()) return found->second;
  }
  const std::string what = fmt::format("version {} of {}", reference.version, reference.subject);
  auto answer = TRY(ask(
      "GET", fmt::format("/subjects/{}/versions/{}?deleted=true", percent_encode(reference.subject), reference.version),
      "", what, stop));
  if (answer.error_code != 0) {
    return user_error("the schema registry {} lacks {}, which a schema refers to as '{}': {}", name(), what,
                      reference.name, answer.message);
  }
  auto schema = schema_of(answer.json, 0);
  if (!schema) return user_error("the schema registry {} answers without a schema ({})", name(), what);
  auto shared = std::make_shared<const RegisteredSchema>(std::move(*schema));
  std::lock_guard lock(mutex_);
  return by_version_.emplace(key, shared).first->second;
}

Result<std::vector<ReferencedSchema>> SchemaRegistry::references_of(const RegisteredSchema& schema,
                                                                    const std::stop_token& stop) {
  std::vector<ReferencedSchema> out;
  std::set<std::string> seen;
  TRY(gather(schema, 0, seen, out, stop));
  return out;
}

Result<void> SchemaRegistry::gather(const RegisteredSchema& schema, int depth, std::set<std::string>& seen,
                                    std::vector<ReferencedSchema>& out, const std::stop_token& stop) {
  if (depth > kReferenceDepthMax) {
    return user_error("the schema registry {} has references deeper than {} levels", name(), kReferenceDepthMax);
  }
  for (const auto& reference : schema.references) {
    if (!seen.insert(reference.name).second) continue;
    auto found = TRY(version(reference, stop));
    TRY(gather(*found, depth + 1, seen, out, stop));
    out.push_back({reference.name, found->text});
  }
  return {};
}

Result<int32_t> SchemaRegistry::add(const std::string& subject, const RegisteredSchema& schema,
                                    const std::stop_token& stop) {
  const std::string what = fmt::format("registering a schema of {}", subject);
  const std::string body = body_of(schema);
  auto answer = TRY(ask("POST", fmt::format("/subjects/{}/versions", percent_encode(subject)), body, what, stop));
  if (answer.status == 409) {
    return user_error("the schema registry {} refuses the schema of {} as incompatible with what it has: {}", name(),
                      subject, answer.message);
  }
  const int64_t id = number_of(answer.json, "id");
  if (answer.error_code != 0 || id <= 0 || id > INT32_MAX) {
    return user_error("the schema registry {} does not take the schema of {}: {}", name(), subject, answer.message);
  }
  return static_cast<int32_t>(id);
}

// Whether and how the subject has this very schema.
Result<SchemaRegistry::Answer> SchemaRegistry::ask_for(const std::string& subject, const RegisteredSchema& schema,
                                                       const std::stop_token& stop) {
  const std::string what = fmt::format("looking up a schema of {}", subject);
  const std::string body = body_of(schema);
  auto answer = TRY(ask("POST", fmt::format("/subjects/{}", percent_encode(subject)), body, what, stop));
  if (answer.error_code == kSubjectNotFound || answer.error_code == kSchemaNotFound) {
    return user_error("the schema registry {} does not have this schema of {}, and schema_register is false: {}",
                      name(), subject, schema.text);
  }
  if (answer.error_code != 0) {
    return user_error("the schema registry {} gives no schema of {}: {}", name(), subject, answer.message);
  }
  return answer;
}

Result<int32_t> SchemaRegistry::look_up(const std::string& subject, const RegisteredSchema& schema,
                                        const std::stop_token& stop) {
  const int64_t id = number_of(TRY(ask_for(subject, schema, stop)).json, "id");
  if (id <= 0 || id > INT32_MAX) {
    return user_error("the schema registry {} gives no id of a schema of {}", name(), subject);
  }
  return static_cast<int32_t>(id);
}

Result<int64_t> SchemaRegistry::version_of(const std::string& subject, const RegisteredSchema& schema,
                                           const std::stop_token& stop) {
  return number_of(TRY(ask_for(subject, schema, stop)).json, "version");
}

Result<void> SchemaRegistry::set_compatibility(const std::string& subject, const std::string& level,
                                               const std::stop_token& stop) {
  const std::string what = fmt::format("the compatibility of {}", subject);
  const std::string body = Json({{"compatibility", level}}).dump();
  auto answer = TRY(ask("PUT", fmt::format("/config/{}", percent_encode(subject)), body, what, stop));
  if (answer.error_code != 0) {
    return user_error("the schema registry {} does not set {} to {}: {}", name(), what, level, answer.message);
  }
  return {};
}

SchemaWriting schema_writing(const OptionValues& options) {
  SchemaWriting writing;
  if (options.has("schema_compatibility")) writing.compatibility = options.text("schema_compatibility");
  writing.add = options.boolean("schema_register");
  return writing;
}

Result<int32_t> publish_schema(SchemaRegistry& registry, const SchemaWriting& writing, const std::string& subject,
                               const RegisteredSchema& schema, const std::stop_token& stop) {
  if (!writing.compatibility.empty()) TRY(registry.set_compatibility(subject, writing.compatibility, stop));
  return writing.add ? registry.add(subject, schema, stop) : registry.look_up(subject, schema, stop);
}

}  // namespace sluice::net
