#include "port/pushdown.h"

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

namespace sluice {
namespace {

std::string quoted_if_needed(const std::string& name) {
  bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  return plain ? name : '"' + name + '"';
}

std::string literal(const arrow::Scalar& value) {
  if (!value.is_valid) return "NULL";
  bool quoted = !arrow::is_numeric(value.type->id()) && value.type->id() != arrow::Type::BOOL;
  return quoted ? "'" + value.ToString() + "'" : value.ToString();
}

const char* symbol(Predicate::Op op) {
  switch (op) {
    case Predicate::Op::eq:
      return " = ";
    case Predicate::Op::ne:
      return " <> ";
    case Predicate::Op::lt:
      return " < ";
    case Predicate::Op::le:
      return " <= ";
    case Predicate::Op::gt:
      return " > ";
    case Predicate::Op::ge:
      return " >= ";
    case Predicate::Op::in:
      return " IN ";
    case Predicate::Op::is_null:
      return " IS NULL";
    case Predicate::Op::is_not_null:
      return " IS NOT NULL";
  }
  return " ? ";
}

}  // namespace

std::string to_string(const ColumnPath& path) {
  std::string out;
  for (const auto& part : path) out += (out.empty() ? "" : ".") + quoted_if_needed(part);
  return out;
}

std::string to_string(const Predicate& predicate) {
  std::string out = to_string(predicate.column) + symbol(predicate.op);
  if (predicate.op != Predicate::Op::in) return predicate.values.empty() ? out : out + literal(*predicate.values[0]);
  out += '(';
  for (size_t i = 0; i < predicate.values.size(); ++i) out += (i > 0 ? ", " : "") + literal(*predicate.values[i]);
  return out + ')';
}

}  // namespace sluice
