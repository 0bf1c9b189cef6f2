// Protobuf message types as plain values. Only schema.cc knows libprotobuf, which reads the .proto texts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice::protobuf {

// How a value stands on the wire (protobuf.dev/programming-guides/encoding).
enum class WireType : uint8_t { varint = 0, fixed64 = 1, length = 2, group_begin = 3, group_end = 4, fixed32 = 5 };

enum class Kind : uint8_t {
  int32,
  int64,
  uint32,
  uint64,
  sint32,  // zig-zag
  sint64,
  fixed32,
  fixed64,
  sfixed32,
  sfixed64,
  float32,
  float64,
  boolean,
  string,
  bytes,
  enumeration,
  message,
  group,  // proto2: a message between two tags
};
WireType wire_type(Kind kind);
std::string_view to_string(Kind kind);  // as a .proto file says it

// Messages with a meaning of their own.
enum class WellKnown : uint8_t { none, timestamp, duration, wrapper, json };

struct Enumeration {
  std::string name;
  std::map<int32_t, std::string> names;  // the first one of each number
};

struct Message;

struct Field {
  std::string name;
  int32_t number = 0;
  Kind kind = Kind::int32;
  bool repeated = false;
  bool packed = false;    // how it is written; read, both ways are taken
  bool presence = false;  // may be absent, which is another thing than its default: null
  bool required = false;
  int32_t oneof = -1;  // the oneof it belongs to: of its fields only the last one counts
  bool map = false;    // repeated entries of key (1) and value (2)
  // What an absent value is where `presence` does not make it null; without one: zero, "", the first of an enumeration.
  std::optional<std::string> default_text;  // string, bytes
  uint64_t default_bits = 0;                // numbers as they lie in a column: floats as their bits
  const Message* message = nullptr;         // of message and group
  const Enumeration* enumeration = nullptr;
};

struct Message {
  std::string name;  // full: "shop.Order"
  WellKnown known = WellKnown::none;
  std::vector<Field> fields;                          // as declared; those of a oneof, too
  std::vector<std::pair<int32_t, int32_t>> reserved;  // numbers that must not be used again, first and last
  [[nodiscard]] const Field* field(int32_t number) const;
  [[nodiscard]] const Field* field(std::string_view name) const;
};

struct ProtoText {
  std::string name;  // what `import` says
  std::string text;
};

// Immutable; may be used from any thread.
class Schema {
 public:
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;
  ~Schema();

  // `imports`: every file that it imports, directly or not; google/protobuf/*.proto and Confluent's are known. Errors
  // are one sentence that begins with file, line and column.
  static Result<std::shared_ptr<const Schema>> parse(const ProtoText& file, const std::vector<ProtoText>& imports);
  // With the imports from `folder`, the file's own by default, where they are not known.
  static Result<std::shared_ptr<const Schema>> read_file(const std::string& path);

  // By full or by last name; empty: the only message of the file. Errors list what there is.
  [[nodiscard]] Result<const Message*> message(std::string_view name) const;
  // Confluent's wire format: which message of the file, then which inside of it, … Null: there is none.
  [[nodiscard]] const Message* message_at(const std::vector<int32_t>& path) const;
  // The inverse.
  [[nodiscard]] std::vector<int32_t> path_of(const Message& message) const;
  [[nodiscard]] const std::string& text() const { return text_; }
  // The files it imports that are not known to everybody, in the order of need.
  [[nodiscard]] const std::vector<ProtoText>& imports() const { return imports_; }

 private:
  friend class SchemaBuilder;
  Schema();
  struct Entry {
    const Message* message = nullptr;
    std::vector<int32_t> path;
  };
  std::vector<std::unique_ptr<Message>> messages_;
  std::vector<std::unique_ptr<Enumeration>> enumerations_;
  std::vector<Entry> own_;  // messages of the file itself, outer ones first
  std::string name_;
  std::string text_;
  std::vector<ProtoText> imports_;
};
using SchemaRef = std::shared_ptr<const Schema>;

}  // namespace sluice::protobuf
