// What tests of payload formats need: a format made from options, messages in, rows out as text.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include "batch/json_text.h"
#include "port/conformance/expect.h"
#include "port/payload.h"

namespace sluice::conformance {

using Messages = std::vector<std::optional<std::string>>;
using GivenOptions = std::vector<std::pair<std::string, std::string>>;

inline Result<std::unique_ptr<PayloadFormat>> make_payload(const PayloadDescriptor& descriptor,
                                                           const GivenOptions& given, bool key = false) {
  RawOptions raw;
  for (const auto& [name, value] : given) raw[name] = {value, "the test"};
  auto options = TRY(OptionValues::parse("kafka", descriptor.options, OptionScope::both, raw));
  return descriptor.create(options, {"orders", key});
}

inline std::vector<Payload> views(const Messages& messages) {
  std::vector<Payload> payloads;
  for (const auto& message : messages) {
    payloads.push_back(message ? Payload(std::string_view(*message)) : std::nullopt);
  }
  return payloads;
}

inline std::string shown(const arrow::Schema& schema) {
  std::string out;
  for (const auto& field : schema.fields()) {
    out += (out.empty() ? "" : ", ") + field->name() + " " + type_name(*field->type());
  }
  return out;
}

// A line of JSON per row.
inline std::string shown(const arrow::RecordBatch& batch) {
  std::string out;
  for (int64_t row = 0; row < batch.num_rows(); ++row) out += row_as_json(batch, row) + "\n";
  return out;
}

struct ShownPayloads {
  std::string rows;
  std::vector<int64_t> payload_of;
  std::vector<std::string> bad;  // "index: reason"
};

// `messages` with the schema that infer() says of them, or `schema`.
inline Result<ShownPayloads> decode(Context& context, PayloadFormat& format, const Messages& messages,
                                    const ReadRequest& request = {}, SchemaPtr schema = nullptr,
                                    bool collect_rejects = true) {
  const auto payloads = views(messages);
  if (schema == nullptr) schema = TRY(format.infer(context, payloads));
  auto planned = TRY(format.plan(schema, request));
  auto decoder = TRY(format.create_decoder(context, {schema, request, collect_rejects}));
  auto decoded = TRY(decoder->decode(context, payloads));
  EXPECT_TRUE(decoded.batch->ValidateFull().ok()) << decoded.batch->ValidateFull().ToString();
  EXPECT_TRUE(decoded.batch->schema()->Equals(*planned.schema)) << decoded.batch->schema()->ToString();
  ShownPayloads out{shown(*decoded.batch), decoded.payload_of, {}};
  for (const auto& bad : decoded.bad) {
    out.bad.push_back(fmt::format("{}: {}{}", bad.index, bad.unknown_field ? "new field: " : "", bad.reason));
  }
  return out;
}

inline Result<std::vector<std::string>> encode(Context& context, PayloadFormat& format, const BatchPtr& batch) {
  TRY(format.validate_schema(*batch->schema()));
  auto encoder = TRY(format.create_encoder(context, batch->schema()));
  EncodedPayloads out;
  TRY(encoder->encode(context, *batch, out));
  std::vector<std::string> payloads;
  for (size_t i = 0; i < out.ends.size(); ++i) {
    const auto begin = static_cast<size_t>(i == 0 ? 0 : out.ends[i - 1]);
    payloads.push_back(out.bytes.substr(begin, static_cast<size_t>(out.ends[i]) - begin));
  }
  return payloads;
}

}  // namespace sluice::conformance
