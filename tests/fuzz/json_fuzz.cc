// Whatever the bytes: inference and decoding end, every parser of this machine says the same, and batches are valid.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <arrow/api.h>
#include <arrow/io/api.h>

#include "format/json/decoder.h"
#include "format/json/encoder.h"
#include "format/json/infer.h"
#include "port/registry.h"

using namespace sluice;

namespace {

constexpr const char* kColumns =
    "a BIGINT, b VARCHAR, c DOUBLE, d BOOLEAN, t TIMESTAMP, e DECIMAL(12,2), s STRUCT(x INTEGER, y VARCHAR), "
    "l STRUCT(k BIGINT)[], m MAP(VARCHAR, DOUBLE), z BLOB, day DATE";

// Hands out `at_once` bytes at a time.
class Trickle : public arrow::io::InputStream {
 public:
  Trickle(const std::string& text, int64_t at_once) : text_(text), at_once_(at_once) {}
  arrow::Status Close() override { return {}; }
  bool closed() const override { return false; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    int64_t size = std::min({bytes, at_once_, static_cast<int64_t>(text_.size()) - at_});
    memcpy(out, text_.data() + at_, static_cast<size_t>(size));
    at_ += size;
    return size;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t) override { return arrow::Status::NotImplemented(""); }

 private:
  const std::string& text_;
  int64_t at_once_;
  int64_t at_ = 0;
};

// What the first byte of the input chooses.
struct Choices {
  json::RecordsOptions records;
  ReadRequest request;
  bool given_schema = false;
  bool collect_rejects = false;
  bool ignore_unknown = false;
  int64_t at_once = INT64_MAX;

  explicit Choices(uint8_t bits) {
    given_schema = (bits & 1) != 0;
    collect_rejects = (bits & 2) != 0;
    ignore_unknown = (bits & 4) != 0;
    if ((bits & 8) != 0) at_once = 7;
    if ((bits & 0x30) == 0x10) records.layout = json::Layout::lines;
    if ((bits & 0x30) == 0x20) records.layout = json::Layout::documents;
    if ((bits & 0x30) == 0x30) records.records_path = {"r"};
    if (given_schema && (bits & 0x40) != 0) {
      request.columns = {{{"b"}, {"s", "y"}, {"l"}}};
      request.filter = {{{"a"}, Predicate::Op::gt, {arrow::MakeScalar(int64_t{1})}}};
    }
  }
};

Input input_of(const std::string& text, const Choices& choices) {
  Input input;
  input.name = "fuzz";
  input.stream = std::make_shared<Trickle>(text, choices.at_once);
  return input;
}

Result<void> decode(Context& context, const std::string& text, const Choices& choices, const json::Parser& parser,
                    std::string* out) {
  SchemaPtr schema;
  if (choices.given_schema) {
    schema = TRY(parse_columns(kColumns));
  } else {
    json::InferOptions options;
    options.records = choices.records;
    schema = TRY(json::infer(context, options, input_of(text, choices)));
  }
  json::DecodeOptions options{choices.records, !choices.ignore_unknown, &parser};
  auto decoder = TRY(json::create_decoder(options, {schema, choices.request, choices.collect_rejects}));
  TRY(decoder->open(context, input_of(text, choices)));
  for (bool at_end = false; !at_end;) {
    Decoder::Step step = TRY(decoder->step(context));
    at_end = step.at_end;
    std::vector<Reject> rejects;
    BatchPtr batch = TRY(decoder->take(&rejects));
    for (const auto& reject : rejects) *out += reject.where + reject.reason + reject.payload + "\n";
    if (batch == nullptr) continue;
    if (!batch->ValidateFull().ok()) std::abort();
    auto stream = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto encoder = TRY(json::create_encoder({.nan = json::NotANumber::text}, batch->schema(), stream));
    TRY(encoder->write(*batch));
    TRY(encoder->finish());
    *out += stream->Finish().ValueOrDie()->ToString();
  }
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static Metrics metrics;
  static Budget memory(int64_t{1} << 30);
  static Registry registry;
  static Context context{{}, system_clock(), Log(), metrics, memory, registry, ""};
  Choices choices(data[0]);
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string first;
  for (const json::Parser* parser : {&json::kBaselineParser, &json::best_parser()}) {
    std::string out;
    auto result = decode(context, text, choices, *parser, &out);
    if (!result.ok()) {
      if (result.error().fault == Fault::bug) std::abort();
      out += result.error().message();
    }
    if (parser == &json::kBaselineParser) {
      first = out;
    } else if (out != first) {
      std::abort();
    }
  }
  return 0;
}
