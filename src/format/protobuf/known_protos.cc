#include "format/protobuf/known_protos.h"

#include <array>

namespace sluice::protobuf {
namespace {

struct Known {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Known, 9> kKnown = {{
    {"google/protobuf/timestamp.proto", R"(syntax = "proto3"; package google.protobuf;
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
)"},
    {"google/protobuf/duration.proto", R"(syntax = "proto3"; package google.protobuf;
message Duration { int64 seconds = 1; int32 nanos = 2; }
)"},
    {"google/protobuf/wrappers.proto", R"(syntax = "proto3"; package google.protobuf;
message DoubleValue { double value = 1; }
message FloatValue { float value = 1; }
message Int64Value { int64 value = 1; }
message UInt64Value { uint64 value = 1; }
message Int32Value { int32 value = 1; }
message UInt32Value { uint32 value = 1; }
message BoolValue { bool value = 1; }
message StringValue { string value = 1; }
message BytesValue { bytes value = 1; }
)"},
    {"google/protobuf/struct.proto", R"(syntax = "proto3"; package google.protobuf;
message Struct { map<string, Value> fields = 1; }
message Value {
  oneof kind {
    NullValue null_value = 1;
    double number_value = 2;
    string string_value = 3;
    bool bool_value = 4;
    Struct struct_value = 5;
    ListValue list_value = 6;
  }
}
enum NullValue { NULL_VALUE = 0; }
message ListValue { repeated Value values = 1; }
)"},
    {"google/protobuf/any.proto", R"(syntax = "proto3"; package google.protobuf;
message Any { string type_url = 1; bytes value = 2; }
)"},
    {"google/protobuf/empty.proto", R"(syntax = "proto3"; package google.protobuf;
message Empty {}
)"},
    {"google/protobuf/field_mask.proto", R"(syntax = "proto3"; package google.protobuf;
message FieldMask { repeated string paths = 1; }
)"},
    {"confluent/meta.proto", R"(syntax = "proto3"; package confluent;
import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
)"},
    {"confluent/type/decimal.proto", R"(syntax = "proto3"; package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
)"},
}};

}  // namespace

std::optional<std::string_view> known_proto(std::string_view name) {
  for (const auto& known : kKnown) {
    if (known.name == name) return known.text;
  }
  return std::nullopt;
}

}  // namespace sluice::protobuf
