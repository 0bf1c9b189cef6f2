// How fast JSON is decoded and encoded, on one thread, in CPU seconds per GB of JSON.
//   json_decode FILE [all|projected|count|encode] [baseline|avx2] [repetitions]
// `projected` is the filter and the five fields of bench/run.py's ndjson_filtered.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <arrow/api.h>
#include <arrow/io/api.h>

#include "format/json/decoder.h"
#include "format/json/encoder.h"
#include "format/json/infer.h"
#include "port/registry.h"

using namespace sluice;

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Discard : public arrow::io::OutputStream {
 public:
  arrow::Status Close() override { return {}; }
  arrow::Result<int64_t> Tell() const override { return bytes_; }
  bool closed() const override { return false; }
  arrow::Status Write(const void*, int64_t bytes) override {
    bytes_ += bytes;
    return {};
  }

 private:
  int64_t bytes_ = 0;
};

struct Run {
  double decode = 0, encode = 0;
  int64_t rows = 0, batches = 0, bytes_in = 0, bytes_out = 0;
};

Input open_file(const char* path) {
  Input input;
  input.name = path;
  input.stream = arrow::io::ReadableFile::Open(path).ValueOrDie();
  return input;
}

ReadRequest request_for(std::string_view what) {
  ReadRequest request;
  if (what == "count") request.columns.emplace();
  if (what == "projected") {
    request.columns = {{{"id"}, {"ts"}, {"user", "id"}, {"user", "city"}, {"amount"}}};
    request.filter.push_back({{"event"}, Predicate::Op::eq, {arrow::MakeScalar("buy")}});
    request.filter.push_back({{"amount"}, Predicate::Op::gt, {arrow::MakeScalar(100.0)}});
  }
  return request;
}

Run run(Context& context, const char* path, std::string_view what, const json::Parser& parser) {
  SchemaPtr schema = json::infer(context, {}, open_file(path)).value();
  json::DecodeOptions decode;
  decode.parser = &parser;
  DecoderOptions options;
  options.schema = schema;
  options.request = request_for(what);
  auto decoder = json::create_decoder(decode, options).value();
  auto out = std::make_shared<Discard>();
  auto encoder = json::create_encoder({}, schema, out).value();
  Run result;
  double start = cpu_seconds();
  CHECK(decoder->open(context, open_file(path)).ok());
  for (;;) {
    Decoder::Step step = decoder->step(context).value();
    result.bytes_in += step.bytes_read;
    if (BatchPtr batch = decoder->take(nullptr).value()) {
      result.rows += batch->num_rows();
      ++result.batches;
      if (what == "encode") {
        double before = cpu_seconds();
        CHECK(encoder->write(*batch).ok());
        result.encode += cpu_seconds() - before;
      }
    }
    if (step.at_end) break;
  }
  CHECK(encoder->finish().ok());
  result.decode = cpu_seconds() - start - result.encode;
  result.bytes_out = encoder->bytes_out();
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: json_decode FILE [all|projected|count|encode] [baseline|avx2] [repetitions]\n");
    return 2;
  }
  std::string_view what = argc > 2 ? argv[2] : "all";
  const json::Parser* parser = &json::best_parser();
  for (const json::Parser* one : {&json::kBaselineParser, &json::kAvx2Parser}) {
    if (argc > 3 && one->name == std::string_view(argv[3])) parser = one;
  }
  if (!json::can_run(*parser)) {
    std::fprintf(stderr, "this machine cannot run %s\n", parser->name);
    return 1;
  }
  int repetitions = argc > 4 ? std::atoi(argv[4]) : 5;
  Metrics metrics;
  Budget memory(int64_t{1} << 30);
  Registry registry;
  Context context{{}, system_clock(), Log(), metrics, memory, registry, ""};
  std::vector<Run> runs;
  for (int i = 0; i < repetitions; ++i) runs.push_back(run(context, argv[1], what, *parser));
  auto cpu = [](const Run& r) { return r.decode + r.encode; };
  std::sort(runs.begin(), runs.end(), [&](const Run& a, const Run& b) { return cpu(a) < cpu(b); });
  const Run& median = runs[runs.size() / 2];
  double gb = static_cast<double>(median.bytes_in) / 1e9;
  std::printf("%s %s: %.3f CPU s decoding per GB (%.0f ns a row), %lld rows in %lld batches", parser->name, what.data(),
              median.decode / gb, median.decode * 1e9 / static_cast<double>(median.rows),
              static_cast<long long>(median.rows), static_cast<long long>(median.batches));
  if (median.bytes_out > 0) {
    std::printf("; %.3f CPU s encoding per GB of JSON written",
                median.encode / (static_cast<double>(median.bytes_out) / 1e9));
  }
  std::printf("; best %.3f\n", cpu(runs.front()) / gb);
  return 0;
}
