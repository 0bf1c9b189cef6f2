// CSV from arbitrary bytes. The first byte chooses the dialect, the second how the file is cut. What must hold: every
// record of the file comes out once, however it is read: whole, in slow bits, or in parts.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/io/memory.h>

#include "format/csv/csv.h"
#include "port/registry.h"

namespace {

using namespace sluice;

constexpr size_t kSettingsBytes = 2;

RawOptions dialect_of(uint8_t choice) {
  RawOptions raw;
  auto set = [&](const char* name, const char* value) { raw[name] = {value, "fuzz"}; };
  if ((choice & 1) != 0) set("header", "false");
  if ((choice & 2) != 0) set("escape", "\\");
  if ((choice & 4) != 0) set("ragged", "pad");
  if ((choice & 8) != 0) set("null", "NA");
  if ((choice & 16) != 0) set("skip_rows", "2");
  if ((choice & 96) == 32) set("encoding", "latin1");
  if ((choice & 96) == 64) set("encoding", "utf-16");
  if ((choice & 128) != 0) set("sample_rows", "1");
  return raw;
}

class BitByBit final : public arrow::io::InputStream {
 public:
  BitByBit(std::string data, int64_t most) : data_(std::move(data)), most_(most) {}
  arrow::Status Close() override { return closed_ = true, arrow::Status::OK(); }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Result<int64_t> Read(int64_t bytes, void* to) override {
    bytes = std::min({bytes, most_, static_cast<int64_t>(data_.size()) - at_});
    std::memcpy(to, data_.data() + at_, static_cast<size_t>(bytes));
    at_ += bytes;
    return bytes;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    std::string part(static_cast<size_t>(bytes), '\0');
    ARROW_ASSIGN_OR_RAISE(int64_t read, Read(bytes, part.data()));
    part.resize(static_cast<size_t>(read));
    return arrow::Buffer::FromString(std::move(part));
  }

 private:
  std::string data_;
  int64_t most_;
  int64_t at_ = 0;
  bool closed_ = false;
};

struct Reading {
  bool failed = false;
  arrow::RecordBatchVector batches;
  size_t rejects = 0;
};

void decode(Context& context, Decoder& decoder, Input input, Reading* reading) {
  if (!decoder.open(context, std::move(input)).ok()) {
    reading->failed = true;
    return;
  }
  std::vector<Reject> rejects;
  int64_t last = 0;
  while (true) {
    auto step = decoder.step(context);
    if (!step.ok()) {
      CHECK(step.error().fault == Fault::user);
      reading->failed = true;
      return;
    }
    CHECK(step->position >= last);
    last = step->position;
    if (!step->full && !step->at_end) continue;
    auto batch = decoder.take(&rejects).value();
    if (batch != nullptr) {
      CHECK(batch->ValidateFull().ok());
      reading->batches.push_back(batch);
    }
    if (step->at_end) break;
  }
  reading->rejects += rejects.size();
}

bool same(const Reading& a, const Reading& b) {
  if (a.failed != b.failed || a.rejects != b.rejects || a.batches.empty() != b.batches.empty()) return false;
  if (a.batches.empty()) return true;
  auto joined = [](const Reading& reading) { return arrow::ConcatenateRecordBatches(reading.batches).ValueOrDie(); };
  return joined(a)->Equals(*joined(b), arrow::EqualOptions::Defaults().nans_equal(true));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kSettingsBytes) return 0;
  auto descriptor = csv_format();
  auto options = OptionValues::parse("csv", descriptor.options, OptionScope::source, dialect_of(data[0])).value();
  auto format = descriptor.create(options).value();
  const std::string text(reinterpret_cast<const char*>(data) + kSettingsBytes, size - kSettingsBytes);
  const int64_t part = 1 + data[1];

  Metrics metrics;
  Budget budget(1 << 30);
  Registry registry;
  Context context{{}, system_clock(), Log(), metrics, budget, registry, ""};
  auto input = [&](int64_t begin, int64_t end, int64_t most) {
    Input input;
    input.name = "fuzz.csv";
    input.stream = std::make_shared<BitByBit>(text.substr(static_cast<size_t>(begin)), most);
    input.begin = begin;
    input.end = end;
    if (begin > 0) input.head = text;
    return input;
  };
  auto schema = format->infer(context, input(0, INT64_MAX, INT64_MAX));
  if (!schema.ok()) {
    CHECK(schema.error().fault == Fault::user);
    return 0;
  }
  auto decoder = [&] {
    return format->create_decoder(context, {schema.value(), {}, /*collect_rejects=*/true}).value();
  };

  Reading whole;
  decode(context, *decoder(), input(0, INT64_MAX, INT64_MAX), &whole);
  Reading slow;
  decode(context, *decoder(), input(0, INT64_MAX, part), &slow);
  CHECK(same(whole, slow));

  Reading parts;
  auto file = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(text));
  auto bytes = static_cast<int64_t>(text.size());
  auto shared = decoder();
  for (int64_t start = 0; start < bytes && !parts.failed;) {
    int64_t end = format->next_record_start(context, *file, start, start + part).value();
    CHECK(end > start && end <= bytes);
    decode(context, *shared, input(start, end, INT64_MAX), &parts);
    start = end;
  }
  CHECK(same(whole, parts));
  return 0;
}
