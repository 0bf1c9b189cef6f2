// A format turns bytes into batches and back. It knows nothing of files, stores or connectors: it is handed streams.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/io/type_fwd.h>

#include "batch/schema.h"
#include "options/option.h"
#include "port/context.h"
#include "port/event.h"
#include "port/pushdown.h"

namespace sluice {

struct FormatTraits {
  bool random_access = false;      // reads need a RandomAccessFile (parquet); else a stream of decompressed bytes
  bool line_based = false;         // a record ends at a line feed: a file can be cut into byte ranges and tailed
  bool quoted_newlines = false;    // line_based, but a value may hold line feeds: cut only where next_record_start says
  bool needs_head = false;         // a part of a file cannot be decoded without Input::head (csv: the header line)
  bool compressed_inside = false;  // .parquet: no .gz around it
  bool appends_rows_to_schema = true;
};

// One file or a part of it, opened by the connector. For line-based formats with a range, the connector hands bytes
// from range start; the decoder skips the first partial line itself unless begin is 0 (or at_record_start), and reads
// past `end` to finish the record that began before it.
struct Input {
  std::string name;                                   // for errors: "data/a.json.gz"
  std::shared_ptr<arrow::io::InputStream> stream;     // decompressed, when !random_access
  std::shared_ptr<arrow::io::RandomAccessFile> file;  // when random_access
  int64_t begin = 0;        // offset in decompressed bytes of the stream's first byte; random access: row to start at
  int64_t end = INT64_MAX;  // records that start at or after it belong to someone else
  bool at_record_start = true;  // false: begin lies anywhere, skip to the next record
  // begin > 0 and needs_head: the file's first (decompressed) bytes, head_bytes of them or all there are.
  std::string head;
  static constexpr int64_t head_bytes = 256 << 10;
  bool tail = false;  // the file may grow: an unfinished last record is left for later, not an error
  // Counts the line feeds before `begin`, for an error to name its line. That reads all that is before: only what stops
  // the pipeline is worth it, so it is unset where bad records are collected.
  std::function<Result<int64_t>()> count_lines_before;
  // None: they are not known, and an error names the byte.
  [[nodiscard]] std::optional<int64_t> lines_before() const;
};

// Decodes one input after another into batches; rows of several small inputs share a batch. One per lane; keeps its
// buffers between inputs. Usage: open, then step until at_end; take() whenever the batch is full or all is read.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual Result<void> open(Context& context, Input input) = 0;
  struct Step {
    bool at_end = false;     // this input is read; open the next one or take()
    bool full = false;       // batch_rows or batch_bytes reached: take() before the next step
    int64_t position = 0;    // resume point after the rows decoded so far: decompressed byte offset, or row number
    int64_t bytes_read = 0;  // since the last step
  };
  // Decodes until the batch is full, the input ends, or `deadline` when bytes are slow to come. A bad record is an
  // error naming file, line (or row) and column; with `collect_rejects` it goes to rejects and decoding goes on.
  virtual Result<Step> step(Context& context) = 0;
  // After step() failed: the resume point behind the rows it had decoded by then, which take() still hands out. Unset:
  // the failed step decoded none, so it is the position of the step before.
  [[nodiscard]] virtual std::optional<int64_t> reached() const { return std::nullopt; }
  // The rows decoded since the last take, in the planned schema. Null when there are none.
  virtual Result<BatchPtr> take(std::vector<Reject>* rejects) = 0;
};

struct DecoderOptions {
  SchemaPtr schema;     // the full schema of the source (all files unified); rows come out in `planned` order
  ReadRequest request;  // projection and filter
  bool collect_rejects = false;
  // A column of a file that `schema` lacks is an error, for its values would be lost; but for those in `ignored`.
  bool refuse_unknown = false;
  std::vector<std::string> ignored = {};
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual Result<void> write(const arrow::RecordBatch& batch) = 0;
  // Memory is short: passes on what bytes_buffered() counts, as far as the format can without ending the file (Parquet:
  // ends the row group, at the price of a smaller one).
  virtual Result<void> flush() { return {}; }
  // Footer and everything buffered; the stream stays open. Nothing may be written afterwards.
  virtual Result<void> finish() = 0;
  [[nodiscard]] virtual int64_t bytes_buffered() const = 0;  // held in memory, not yet in the stream
  [[nodiscard]] virtual int64_t bytes_out() const = 0;       // into the stream so far
};

class Format {
 public:
  virtual ~Format() = default;
  [[nodiscard]] virtual FormatTraits traits() const = 0;
  // Whether this very file may be cut into byte ranges or tailed; `sample` begins at its first byte. Asked where
  // traits().line_based says that such files may be (a JSON file may turn out to be one array).
  virtual Result<bool> splittable(Context& context, Input sample);
  // The schema of one input from a sample of it (sample rows from the options).
  virtual Result<SchemaPtr> infer(Context& context, Input input) = 0;
  // Which parts of `request` a decoder applies, with the schema that then comes out.
  struct Planned {
    SchemaPtr schema;
    Pushed pushed;
  };
  virtual Result<Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const = 0;
  virtual Result<std::unique_ptr<Decoder>> create_decoder(Context& context, const DecoderOptions& options) = 0;
  // Whether rows of this schema can be written; the error names the column and type that cannot.
  virtual Result<void> validate_schema(const arrow::Schema&) const { return {}; }
  virtual Result<std::unique_ptr<Encoder>> create_encoder(Context& context, const SchemaPtr& schema,
                                                          std::shared_ptr<arrow::io::OutputStream> out) = 0;
  // Only with quoted_newlines. The first record start at or after `at_least`, or the file's size. `record_start` is a
  // known one: 0, or what an earlier call returned. Reads the bytes between, at several GB/s. Parts of a file then
  // begin and end at such offsets, with at_record_start = true.
  virtual Result<int64_t> next_record_start(Context& context, arrow::io::RandomAccessFile& file, int64_t record_start,
                                            int64_t at_least) const;
  // Only with random_access. The rows at which the file can be cut into parts of about `piece_bytes` stored bytes
  // without reading anything twice (row groups begin there), ascending, without 0 and the end.
  virtual Result<std::vector<int64_t>> cuts(Context&, Input, int64_t) const { return std::vector<int64_t>{}; }
};

struct FormatDescriptor {
  std::string_view name;                     // "json"
  std::string_view doc;                      // one sentence
  std::vector<std::string_view> extensions;  // {".jsonl", ".ndjson", ".json"}; the first is written
  std::vector<OptionSpec> options;
  Result<std::unique_ptr<Format>> (*create)(const OptionValues& options) = nullptr;
};

}  // namespace sluice
