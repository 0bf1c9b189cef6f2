// A schema registry that speaks Confluent's API: schemas by id and by subject, and the five bytes that name the id in
// front of a payload.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "net/http_client.h"
#include "options/option.h"

namespace sluice::net {

enum class SchemaKind { avro, json, protobuf };
std::string_view to_string(SchemaKind kind);  // "AVRO", as the API spells it

struct SchemaReference {
  std::string name;  // what the schema calls it: a type's full name, a file to import
  std::string subject;
  int64_t version = 0;
};

struct RegisteredSchema {
  int32_t id = 0;
  SchemaKind kind = SchemaKind::avro;
  std::string text;
  std::vector<SchemaReference> references;
};

// A schema that another one refers to, by the name that one uses.
struct ReferencedSchema {
  std::string name;
  std::string text;
};

// "A zero byte, then the id of the schema as four bytes, most significant first" (Confluent's wire format).
struct FramedPayload {
  int32_t schema_id = 0;
  std::string_view body;
};
std::optional<FramedPayload> unframe(std::string_view payload);
void append_frame(int32_t schema_id, std::string& out);
inline constexpr size_t kFrameBytes = 5;

// Topic-name strategy: "orders-key", "orders-value".
std::string subject_of(std::string_view topic, bool key);

// The options of every payload format that knows registries.
std::vector<OptionSpec> schema_registry_options();

struct SchemaRegistryOptions {
  std::vector<std::string> urls;  // http(s)://[user:password@]host[:port][/prefix]; tried in this order
  std::string username;
  Secret password;
  Secret token;         // instead of both: a bearer token
  std::string ca_file;  // certificates to trust instead of the system's
  Millis patience{0};   // how long the first question waits for a registry that does not answer yet
};

// Thread-safe. What an id means never changes: it is asked for once.
//
// A registry that has not answered yet may be starting: it is waited for. Later it is the caller who tries again.
// Errors: no answer, a time-out, 5xx and 429 are Fault::transient; 401 and 403 are Fault::refused; other answers
// Fault::user. All of them name the registry and what was asked for, none its credentials.
class SchemaRegistry {
 public:
  // Null where the option schema_registry is not given.
  static Result<std::shared_ptr<SchemaRegistry>> create(const OptionValues& options);
  static Result<std::shared_ptr<SchemaRegistry>> create(SchemaRegistryOptions options);

  using SchemaPtr = std::shared_ptr<const RegisteredSchema>;
  // Null: the registry does not know the id; the error's words are in unknown_id().
  Result<SchemaPtr> find(int32_t id, const std::stop_token& stop);
  [[nodiscard]] std::string unknown_id(int32_t id, std::string_view subject) const;
  // Asks each time. Null: there is no such subject.
  Result<SchemaPtr> latest(const std::string& subject, const std::stop_token& stop);
  // What `schema` refers to, directly or not, each once, what others need first.
  Result<std::vector<ReferencedSchema>> references_of(const RegisteredSchema& schema, const std::stop_token& stop);

  // The id of `schema` under `subject`: a new version where the registry does not have it yet. One that the subject's
  // compatibility forbids is Fault::user.
  Result<int32_t> add(const std::string& subject, const RegisteredSchema& schema, const std::stop_token& stop);
  // As add(), but only if it is there already.
  Result<int32_t> look_up(const std::string& subject, const RegisteredSchema& schema, const std::stop_token& stop);
  // The version of a schema that is under `subject`: what another one refers to it by.
  Result<int64_t> version_of(const std::string& subject, const RegisteredSchema& schema, const std::stop_token& stop);
  // "BACKWARD", "FULL_TRANSITIVE", …
  Result<void> set_compatibility(const std::string& subject, const std::string& level, const std::stop_token& stop);

  [[nodiscard]] const std::string& name() const { return bases_.front(); }  // its URL, without credentials

 private:
  struct Answer;
  SchemaRegistry() = default;
  Result<Answer> ask(const std::string& method, const std::string& path, const std::string& body, std::string_view what,
                     const std::stop_token& stop);
  Result<Answer> ask_any(const std::string& method, const std::string& path, const std::string& body,
                         std::string_view what, const std::stop_token& stop);
  Result<Answer> ask_one(size_t server, const std::string& method, const std::string& path, const std::string& body,
                         std::string_view what, const std::stop_token& stop);
  Result<Answer> ask_for(const std::string& subject, const RegisteredSchema& schema, const std::stop_token& stop);
  Result<SchemaPtr> version(const SchemaReference& reference, const std::stop_token& stop);
  Result<void> gather(const RegisteredSchema& schema, int depth, std::set<std::string>& seen,
                      std::vector<ReferencedSchema>& out, const std::stop_token& stop);

  std::vector<std::string> bases_;           // without credentials and trailing slash
  std::vector<std::string> authorizations_;  // per base: the header's value, or nothing
  std::unique_ptr<HttpClient> http_;
  Millis patience_{0};
  std::atomic<bool> answered_{false};

  std::mutex mutex_;
  std::map<int32_t, SchemaPtr> by_id_;
  std::map<std::pair<std::string, int64_t>, SchemaPtr> by_version_;
};

// What the options say about writing.
struct SchemaWriting {
  std::string compatibility;  // empty: left as it is
  bool add = true;            // false: the schema has to be there
};
SchemaWriting schema_writing(const OptionValues& options);
// Sets the compatibility, then finds or adds the schema: what creating an encoder does.
Result<int32_t> publish_schema(SchemaRegistry& registry, const SchemaWriting& writing, const std::string& subject,
                               const RegisteredSchema& schema, const std::stop_token& stop);

}  // namespace sluice::net
