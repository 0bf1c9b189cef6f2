#include "avro/default_value.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <nlohmann/json.hpp>

#include "avro/bytes.h"

namespace sluice::avro {
namespace {

using Json = nlohmann::ordered_json;

// A default may leave out fields that have one themselves: schemas that hold themselves would go on for ever.
constexpr int kValueDepthMax = 64;
constexpr int kValuesMax = 100'000;

class DefaultEncoder {
 public:
  Result<void> encode(const Json& json, const Type& type, int depth) {
    if (depth > kValueDepthMax || ++values_ > kValuesMax) return user_error("a default that is nested too deeply");
    switch (type.kind) {
      case Kind::null:
        return json.is_null() ? Result<void>() : misfit(json, type);
      case Kind::boolean:
        if (!json.is_boolean()) return misfit(json, type);
        out.push_back(json.get<bool>() ? 1 : 0);
        return {};
      case Kind::int32:
      case Kind::int64:
        return integer(json, type);
      case Kind::float32:
      case Kind::float64:
        return number(json, type);
      case Kind::bytes:
      case Kind::fixed:
        return bytes(json, type);
      case Kind::string:
        if (!json.is_string()) return misfit(json, type);
        put_text(json.get_ref<const std::string&>());
        return {};
      case Kind::enumeration: {
        if (!json.is_string()) return misfit(json, type);
        auto found = std::find(type.symbols.begin(), type.symbols.end(), json.get_ref<const std::string&>());
        if (found == type.symbols.end()) return misfit(json, type);
        put(found - type.symbols.begin());
        return {};
      }
      default:
        return nested(json, type, depth);
    }
  }

  std::vector<uint8_t> out;

 private:
  static Error misfit(const Json& json, const Type& type) {
    auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return user_error("the default {} is no {}", text.substr(0, 60), describe(type));
  }

  void put(int64_t value) {
    uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    for (; bits >= 0x80; bits >>= 7) out.push_back(static_cast<uint8_t>(bits | 0x80));
    out.push_back(static_cast<uint8_t>(bits));
  }
  void put_text(const std::string& text) {
    put(static_cast<int64_t>(text.size()));
    out.insert(out.end(), text.begin(), text.end());
  }

  Result<void> integer(const Json& json, const Type& type) {
    if (!json.is_number_integer()) return misfit(json, type);
    if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) return misfit(json, type);
    auto value = json.get<int64_t>();
    if (type.kind == Kind::int32 && (value < INT32_MIN || value > INT32_MAX)) return misfit(json, type);
    put(value);
    return {};
  }

  template <typename T>
  void put_raw(T value) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&value);
    out.insert(out.end(), raw, raw + sizeof(value));
  }
  // JSON has no NaN and no infinities: Java and Python write them as text.
  Result<void> number(const Json& json, const Type& type) {
    double value = 0;
    if (json.is_number()) {
      value = json.get<double>();
    } else if (json == "NaN") {
      value = std::nan("");
    } else if (json == "Infinity" || json == "-Infinity") {
      value = json == "Infinity" ? HUGE_VAL : -HUGE_VAL;
    } else {
      return misfit(json, type);
    }
    if (type.kind == Kind::float32) {
      put_raw(static_cast<float>(value));
    } else {
      put_raw(value);
    }
    return {};
  }

  // "Unicode code points 0-255 are mapped to unsigned 8-bit byte values 0-255."
  Result<void> bytes(const Json& json, const Type& type) {
    if (!json.is_string()) return misfit(json, type);
    std::string raw;
    const auto& text = json.get_ref<const std::string&>();
    for (size_t i = 0; i < text.size(); ++i) {
      auto byte = static_cast<uint8_t>(text[i]);
      if (byte < 0x80) {
        raw += text[i];
      } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()) {
        raw += static_cast<char>((byte & 3) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3f));
      } else {
        return misfit(json, type);
      }
    }
    if (type.kind == Kind::bytes) {
      put_text(raw);
      return {};
    }
    if (static_cast<int64_t>(raw.size()) != type.size) return misfit(json, type);
    out.insert(out.end(), raw.begin(), raw.end());
    return {};
  }

  Result<void> nested(const Json& json, const Type& type, int depth) {
    if (type.kind == Kind::either) return either(json, type, depth);
    if (type.kind == Kind::record) return record(json, type, depth);
    if (type.kind == Kind::array ? !json.is_array() : !json.is_object()) return misfit(json, type);
    if (!json.empty()) put(static_cast<int64_t>(json.size()));
    for (const auto& [key, value] : json.items()) {
      if (type.kind == Kind::map) put_text(key);
      TRY(encode(value, *type.element, depth + 1));
    }
    put(0);
    return {};
  }

  Result<void> either(const Json& json, const Type& type, int depth) {
    const size_t begin = out.size();
    for (size_t i = 0; i < type.branches.size(); ++i) {
      put(static_cast<int64_t>(i));
      if (encode(json, *type.branches[i], depth + 1).ok()) return {};
      out.resize(begin);
      if (values_ > kValuesMax) break;
    }
    return misfit(json, type);
  }

  Result<void> record(const Json& json, const Type& type, int depth) {
    if (!json.is_object()) return misfit(json, type);
    for (const auto& field : type.fields) {
      auto found = json.find(field.name);
      if (found != json.end()) {
        TRY(encode(*found, *field.type, depth + 1));
      } else if (field.default_json) {
        TRY(encode(Json::parse(*field.default_json), *field.type, depth + 1));
      } else {
        return misfit(json, type);
      }
    }
    return {};
  }

  int values_ = 0;
};

}  // namespace

Result<std::vector<uint8_t>> encode_default(std::string_view json, const Type& type) {
  DefaultEncoder encoder;
  auto document = Json::parse(json, nullptr, false);
  if (document.is_discarded()) return user_error("a default that is not JSON");
  TRY(encoder.encode(document, type, 0));
  return std::move(encoder.out);
}

}  // namespace sluice::avro
