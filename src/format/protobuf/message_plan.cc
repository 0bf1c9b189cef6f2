#include "format/protobuf/message_plan.h"

#include <functional>

#include <arrow/type.h>

namespace sluice::protobuf {
namespace {

constexpr int32_t kSmallNumbers = 1024;

using ColumnNamed = std::function<RawColumn*(const std::string&)>;

std::unique_ptr<MessagePlan> plan_of(const Message& message, const ColumnNamed& column, const std::string& path);

ColumnNamed fields_of(RawColumn& group) {
  return [&group](const std::string& name) -> RawColumn* {
    int index = static_cast<const arrow::StructType&>(*group.type()).GetFieldIndex(name);
    return index < 0 ? nullptr : &group.child(static_cast<size_t>(index));
  };
}

// The message that a value of `field` is; null where it is none, or read without a plan.
std::unique_ptr<MessagePlan> plan_of_value(const Field& field, RawColumn& out, const std::string& path) {
  if (field.message == nullptr) return nullptr;
  switch (field.message->known) {
    case WellKnown::json:
      return nullptr;
    case WellKnown::wrapper:
    case WellKnown::timestamp:
    case WellKnown::duration: {
      auto plan = plan_of(
          *field.message, [&out](const std::string&) { return &out; }, path);
      return plan;
    }
    case WellKnown::none:
      break;
  }
  return plan_of(*field.message, fields_of(out), path);
}

std::unique_ptr<MessagePlan> plan_of_entries(const Field& field, RawColumn& map, const std::string& path) {
  RawColumn& entries = map.child(0);
  auto plan = plan_of(
      *field.message, [&entries](const std::string& name) { return &entries.child(name == "key" ? 0 : 1); }, path);
  plan->fields[1].never_null = true;
  return plan;
}

std::unique_ptr<MessagePlan> plan_of(const Message& message, const ColumnNamed& column, const std::string& path) {
  auto plan = std::make_unique<MessagePlan>();
  for (const auto& field : message.fields) {
    auto& made = plan->fields.emplace_back();
    made.field = &field;
    made.path = path.empty() ? field.name : path + "." + field.name;
    made.out = column(field.name);
    made.wanted = made.out != nullptr;
    const auto index = static_cast<int32_t>(plan->fields.size() - 1);
    if (field.number < kSmallNumbers) {
      auto& table = plan->by_number;
      if (table.size() <= static_cast<size_t>(field.number)) table.resize(static_cast<size_t>(field.number) + 1, -1);
      table[static_cast<size_t>(field.number)] = index;
    } else {
      plan->large_numbers[field.number] = index;
    }
    if (!made.wanted) continue;
    if (field.map) {
      made.message = plan_of_entries(field, *made.out, made.path);
    } else {
      made.message = plan_of_value(field, field.repeated ? made.out->child(0) : *made.out, made.path);
    }
  }
  return plan;
}

}  // namespace

std::unique_ptr<MessagePlan> MessagePlan::of_columns(const Message& message, const arrow::Schema& schema,
                                                     const std::vector<std::unique_ptr<RawColumn>>& columns) {
  return plan_of(
      message,
      [&](const std::string& name) -> RawColumn* {
        int index = schema.GetFieldIndex(name);
        return index < 0 ? nullptr : columns[static_cast<size_t>(index)].get();
      },
      "");
}

}  // namespace sluice::protobuf
