#include "connector/file/hive.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>

#include <arrow/api.h>
#include <arrow/util/value_parsing.h>

#include "base/ascii.h"

namespace sluice::file {
namespace {

// FileUtils.escapePathName of Hive, and a leading '.' or '_', which would hide the folder from every reader.
bool is_unsafe(unsigned char c, bool first) {
  if (c < 0x20 || c == 0x7F) return true;
  if (first && (c == '.' || c == '_')) return true;
  return std::string_view("\"#%'*/:=?\\{[]^").find(static_cast<char>(c)) != std::string_view::npos;
}

void escape(std::string& out, std::string_view text, bool begins_name) {
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (is_unsafe(c, begins_name && i == 0)) {
      out += fmt::format("%{:02X}", c);
    } else {
      out += text[i];
    }
  }
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<int64_t> as_bigint(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int32_t> as_date(std::string_view text) {
  int32_t days = 0;
  static const arrow::Date32Type type;
  if (text.size() != 10 || !arrow::internal::ParseValue(type, text.data(), text.size(), &days)) return std::nullopt;
  return days;
}

using Values = std::vector<std::pair<std::string, std::optional<std::string>>>;

bool same_keys(const Values& a, const Values& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

}  // namespace

std::string partition_folder(std::string_view column, const std::optional<std::string>& value) {
  std::string out;
  escape(out, column, true);
  out += '=';
  if (value.has_value()) {
    escape(out, *value, *value == kNullPartition);  // the text of that name is no NULL
  } else {
    out += kNullPartition;
  }
  return out;
}

Values partition_values(std::string_view path) {
  Values out;
  size_t begin = 0;
  for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', begin)) {
    auto folder = path.substr(begin, slash - begin);
    begin = slash + 1;
    auto equals = folder.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    auto value = folder.substr(equals + 1);
    out.emplace_back(unescape(folder.substr(0, equals)),
                     value == kNullPartition ? std::nullopt : std::optional(unescape(value)));
  }
  return out;
}

Result<PartitionColumns> PartitionColumns::infer(const std::vector<std::string>& paths, bool required,
                                                 const std::vector<std::string>& folders) {
  PartitionColumns columns;
  if (paths.empty()) return columns;
  auto first = partition_values(paths[0]);
  std::vector<bool> bigint(first.size(), true), date(first.size(), true), any(first.size(), false);
  auto see = [&](size_t i, const std::optional<std::string>& value) {
    if (!value.has_value()) return;
    any[i] = true;
    bigint[i] = bigint[i] && as_bigint(*value).has_value();
    date[i] = date[i] && as_date(*value).has_value();
  };
  std::string_view last_folder;
  for (const auto& path : paths) {
    auto folder = std::string_view(path).substr(0, path.rfind('/') + 1);
    if (folder == last_folder) continue;
    last_folder = folder;
    auto values = partition_values(path);
    if (!same_keys(first, values)) {
      if (!required) return columns;
      return user_error("{} and {} do not have the same partition keys in their paths; give hive_partitioning := false",
                        paths[0], path);
    }
    for (size_t i = 0; i < values.size(); ++i) see(i, values[i].second);
  }
  for (const auto& folder : folders) {
    auto values = partition_values(folder);
    for (size_t i = 0; i < std::min(values.size(), first.size()); ++i) {
      if (values[i].first == first[i].first) see(i, values[i].second);
    }
  }
  for (size_t i = 0; i < first.size(); ++i) {
    auto type = !any[i] ? arrow::utf8() : bigint[i] ? arrow::int64() : date[i] ? arrow::date32() : arrow::utf8();
    columns.fields_.push_back(arrow::field(first[i].first, std::move(type)));
  }
  return columns;
}

std::optional<size_t> PartitionColumns::index_of(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i]->name() == name) return i;
  }
  return std::nullopt;
}

Result<std::vector<std::shared_ptr<arrow::Scalar>>> PartitionColumns::values(const std::string& path) const {
  std::vector<std::shared_ptr<arrow::Scalar>> out(fields_.size());
  if (empty()) return out;
  for (const auto& [key, text] : partition_values(path)) {
    auto index = index_of(key);
    if (!index.has_value()) continue;
    const auto& type = fields_[*index]->type();
    if (!text.has_value()) {
      out[*index] = arrow::MakeNullScalar(type);
    } else if (type->id() == arrow::Type::INT64) {
      if (auto value = as_bigint(*text)) out[*index] = std::make_shared<arrow::Int64Scalar>(*value);
    } else if (type->id() == arrow::Type::DATE32) {
      if (auto value = as_date(*text)) out[*index] = std::make_shared<arrow::Date32Scalar>(*value);
    } else {
      out[*index] = std::make_shared<arrow::StringScalar>(*text);
    }
    if (out[*index] == nullptr) {
      return user_error("{}: partition value '{}' of column '{}' is no {}, as it is in the other paths", path, *text,
                        key, type_name(*type));
    }
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] == nullptr) {
      return user_error("{}: the path has no partition key '{}', which the other paths have", path, fields_[i]->name());
    }
  }
  return out;
}

namespace {

// −1, 0, 1; nullopt when not comparable.
std::optional<int> compare(const arrow::Scalar& value, const arrow::Scalar& literal) {
  auto sign = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
  if (value.type->id() == arrow::Type::STRING) {
    if (!arrow::is_base_binary_like(literal.type->id())) return std::nullopt;
    const auto& a = static_cast<const arrow::BaseBinaryScalar&>(value);
    const auto& b = static_cast<const arrow::BaseBinaryScalar&>(literal);
    return sign(a.view(), b.view());
  }
  if (value.type->id() == arrow::Type::DATE32) {
    if (literal.type->id() != arrow::Type::DATE32) return std::nullopt;
    return sign(static_cast<const arrow::Date32Scalar&>(value).value,
                static_cast<const arrow::Date32Scalar&>(literal).value);
  }
  if (!arrow::is_signed_integer(literal.type->id())) return std::nullopt;
  auto cast = literal.CastTo(arrow::int64());
  if (!cast.ok()) return std::nullopt;
  return sign(static_cast<const arrow::Int64Scalar&>(value).value,
              static_cast<const arrow::Int64Scalar&>(**cast).value);
}

}  // namespace

std::optional<bool> satisfies(const arrow::Scalar& value, const Predicate& predicate) {
  using Op = Predicate::Op;
  if (predicate.op == Op::is_null) return !value.is_valid;
  if (predicate.op == Op::is_not_null) return value.is_valid;
  if (!value.is_valid) return false;
  bool any = false;
  for (const auto& literal : predicate.values) {
    if (literal == nullptr || !literal->is_valid) {
      if (predicate.op == Op::in) continue;
      return false;
    }
    auto order = compare(value, *literal);
    if (!order.has_value()) return std::nullopt;
    switch (predicate.op) {
      case Op::eq:
      case Op::in:
        any = any || *order == 0;
        break;
      case Op::ne:
        any = any || *order != 0;
        break;
      case Op::lt:
        any = any || *order < 0;
        break;
      case Op::le:
        any = any || *order <= 0;
        break;
      case Op::gt:
        any = any || *order > 0;
        break;
      case Op::ge:
        any = any || *order >= 0;
        break;
      case Op::is_null:
      case Op::is_not_null:
        break;
    }
  }
  return any;
}

}  // namespace sluice::file
