// For the tests: decode a text with every parser this machine can run, and show rows as NDJSON.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <gtest/gtest.h>

#include "format/json/decoder.h"
#include "format/json/encoder.h"
#include "format/json/infer.h"
#include "port/registry.h"

namespace sluice::json {

struct World {
  Metrics metrics;
  Budget memory{int64_t{1} << 30};
  Registry registry;
  Context context{{}, system_clock(), Log(), metrics, memory, registry, ""};
};

// Hands out a few bytes at a time, as a slow network would.
class Trickle : public arrow::io::InputStream {
 public:
  Trickle(std::string text, int64_t bytes_at_once) : text_(std::move(text)), bytes_at_once_(bytes_at_once) {}
  arrow::Status Close() override { return {}; }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    int64_t size = std::min({bytes, bytes_at_once_, static_cast<int64_t>(text_.size()) - at_});
    memcpy(out, text_.data() + at_, static_cast<size_t>(size));
    at_ += size;
    return size;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t) override { return arrow::Status::NotImplemented(""); }

 private:
  std::string text_;
  int64_t bytes_at_once_;
  int64_t at_ = 0;
};

struct Case {
  std::string columns;  // empty: inferred
  RecordsOptions records = {};
  bool refuse_unknown = true;
  ReadRequest request = {};
  bool collect_rejects = false;
  int64_t begin = 0;
  int64_t end = INT64_MAX;
  bool at_record_start = true;
  bool tail = false;
  int64_t bytes_at_once = INT64_MAX;
};

struct Outcome {
  std::string rows;  // NDJSON; or "error: …"
  std::vector<std::string> rejects;
  std::vector<std::string> payloads;
  std::vector<int64_t> positions;  // after each step
  int64_t batches = 0;
};

inline Input input_of(const std::string& text, const Case& c) {
  Input input;
  input.name = "t.json";
  input.stream = std::make_shared<Trickle>(text.substr(static_cast<size_t>(c.begin)), c.bytes_at_once);
  input.begin = c.begin;
  input.end = c.end;
  input.at_record_start = c.at_record_start;
  input.tail = c.tail;
  return input;
}

inline Result<void> decode_into(const std::string& text, const Case& c, const Parser& parser, Outcome* outcome) {
  World world;
  SchemaPtr schema;
  if (c.columns.empty()) {
    InferOptions infer_options;
    infer_options.records = c.records;
    schema = TRY(infer(world.context, infer_options, input_of(text, c)));
  } else {
    schema = TRY(parse_columns(c.columns));
  }
  DecodeOptions decode{c.records, c.refuse_unknown, &parser};
  auto decoder = TRY(create_decoder(decode, DecoderOptions{schema, c.request, c.collect_rejects}));
  auto planned = TRY(plan(schema, c.request));
  auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto encoder = TRY(create_encoder({}, planned.schema, out));
  TRY(decoder->open(world.context, input_of(text, c)));
  for (bool at_end = false; !at_end;) {
    Decoder::Step step = TRY(decoder->step(world.context));
    at_end = step.at_end;
    outcome->positions.push_back(step.position);
    std::vector<Reject> rejects;
    BatchPtr batch = TRY(decoder->take(&rejects));
    for (auto& reject : rejects) {
      outcome->rejects.push_back(reject.where + ": " + reject.reason);
      outcome->payloads.push_back(reject.payload);
    }
    if (batch == nullptr) continue;
    ++outcome->batches;
    auto valid = batch->ValidateFull();
    if (!valid.ok()) return bug("{}", valid.ToString());
    if (!batch->schema()->Equals(planned.schema)) return bug("not the planned schema");
    TRY(encoder->write(*batch));
  }
  TRY(encoder->finish());
  outcome->rows = out->Finish().ValueOrDie()->ToString();
  return {};
}

inline std::vector<const Parser*> all_parsers() {
  std::vector<const Parser*> parsers = {&kBaselineParser};
#if defined(__x86_64__)
  if (can_run(kAvx2Parser)) parsers.push_back(&kAvx2Parser);
#endif
  return parsers;
}

// Decodes with every parser and expects them to agree.
inline Outcome decode(const std::string& text, const Case& c = {}) {
  Outcome first;
  for (const Parser* parser : all_parsers()) {
    Outcome outcome;
    auto result = decode_into(text, c, *parser, &outcome);
    if (!result.ok()) outcome.rows = "error: " + result.error().message();
    if (parser == &kBaselineParser) {
      first = outcome;
    } else {
      EXPECT_EQ(outcome.rows, first.rows) << parser->name;
      EXPECT_EQ(outcome.rejects, first.rejects) << parser->name;
      EXPECT_EQ(outcome.positions, first.positions) << parser->name;
    }
  }
  return first;
}

inline std::string rows(const std::string& text, const std::string& columns = "") {
  return decode(text, Case{.columns = columns}).rows;
}

inline std::string inferred(const std::string& text) {
  World world;
  auto schema = infer(world.context, {}, input_of(text, {}));
  if (!schema.ok()) return "error: " + schema.error().message();
  std::string out;
  for (const auto& field : schema.value()->fields()) {
    out += (out.empty() ? "" : ", ") + field->name() + " " + type_name(*field->type());
  }
  return out;
}

}  // namespace sluice::json
