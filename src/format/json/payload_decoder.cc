#include "format/json/payload_decoder.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>

#include <arrow/record_batch.h>
#include <simdjson.h>

#include "batch/arrow_result.h"
#include "format/json/columns.h"
#include "format/json/connect.h"
#include "format/json/decoder.h"
#include "format/json/flaw.h"
#include "format/json/selection.h"

namespace sluice::json {
namespace {

constexpr int64_t kChunkBytes = 128 << 10;  // gathered at a time: it stays in the cache between copying and parsing
// The parsers read beyond the end of a text and want to find zeros there. So payloads are gathered in a buffer of our
// own, with a zero between them: no JSON goes on behind one, and no scan runs into the next payload unnoticed.
class JsonPayloadDecoder : public PayloadDecoder {
 public:
  JsonPayloadDecoder(const PayloadDecodeOptions& decode, const ColumnsOptions& columns, bool collect_rejects)
      : columns_(columns),
        planned_(columns.planned),
        parser_(decode.parser != nullptr ? *decode.parser : best_parser()),
        unwrap_connect_(decode.unwrap_connect),
        frames_(decode.frames),
        collect_rejects_(collect_rejects) {}

  Result<DecodedPayloads> decode(Context& context, std::span<const Payload> payloads) override try {
    if (columns_.rows() > 0) columns_.take();  // of a call that failed
    DecodedPayloads out;
    complete_ = true;
    for (size_t next = 0; next < payloads.size();) {
      if (context.stop.stop_requested()) return cancelled();
      const size_t first = next;
      next = TRY(gather(context, payloads, first));
      const bool valid = simdjson::validate_utf8(buffer_.get(), static_cast<size_t>(pieces_.back().end));
      for (size_t i = first; i < next; ++i) TRY(parse(i, i - first, valid, payloads.size(), out));
      if (columns_.bytes() > kBatchBytesMax) {
        return refused("the rows of {} JSON messages take more than 1 GB; lower the size of batches", next);
      }
    }
    out.batch = columns_.take();
    if (out.batch == nullptr) out.batch = TRY(to_result(arrow::RecordBatch::MakeEmpty(planned_)));
    return out;
  } catch (const std::bad_alloc&) {
    return refused("out of memory while decoding JSON messages; lower the size of batches");
  }

 private:
  // A payload in the buffer.
  struct Piece {
    int64_t end = 0;
    const std::string* problem = nullptr;  // it cannot be read, whatever it holds
  };

  // Copies payloads from `first` on, at least one. Returns the first that is not.
  Result<size_t> gather(Context& context, std::span<const Payload> payloads, size_t first) {
    pieces_.clear();
    int64_t used = 0;
    size_t next = first;
    for (; next < payloads.size(); ++next) {
      Piece piece;
      // A payload without bytes is a row of nulls.
      std::string_view bytes = payloads[next] ? *payloads[next] : std::string_view("{}");
      if (frames_.registry != nullptr && payloads[next]) piece.problem = TRY(unframe(context, bytes));
      const auto size = static_cast<int64_t>(bytes.size());
      if (used + size > kChunkBytes && next > first) break;
      if (used + size + 1 + kPadding > capacity_) grow(used, size);
      if (size > 0) memcpy(buffer_.get() + used, bytes.data(), bytes.size());
      used += size;
      buffer_[static_cast<size_t>(used)] = '\0';
      piece.end = used++;
      pieces_.push_back(piece);
    }
    memset(buffer_.get() + used, 0, kPadding);
    return next;
  }
  // Takes the schema's id off. The schema itself is not needed, but an id that nobody knows is another kind of message.
  Result<const std::string*> unframe(Context& context, std::string_view& bytes) {
    static const std::string no_frame =
        "the message does not begin with a zero byte and a schema id; leave out schema_registry where messages carry "
        "none";
    auto framed = net::unframe(bytes);
    if (!framed) {
      bytes = "";
      return &no_frame;
    }
    bytes = framed->body;
    auto found = ids_.find(framed->schema_id);
    if (found == ids_.end() || !found->second.empty()) {
      auto schema = TRY(frames_.registry->find(framed->schema_id, context.stop));
      std::string problem;
      if (schema == nullptr) problem = frames_.registry->unknown_id(framed->schema_id, frames_.subject);
      found = ids_.insert_or_assign(framed->schema_id, std::move(problem)).first;
    }
    if (found->second.empty()) return nullptr;
    bytes = "";
    return &found->second;
  }
  void grow(int64_t used, int64_t more) {
    capacity_ = std::max(kChunkBytes, used + more) + 1 + 2 * kPadding;
    auto larger = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(capacity_));
    if (used > 0) memcpy(larger.get(), buffer_.get(), static_cast<size_t>(used));
    buffer_ = std::move(larger);
  }

  Result<void> parse(size_t index, size_t at, bool all_valid, size_t payload_count, DecodedPayloads& out) {
    Column& root = columns_.root();
    const char* begin = buffer_.get() + (at == 0 ? 0 : pieces_[at - 1].end + 1);
    const char* end = buffer_.get() + pieces_[at].end;
    if (unwrap_connect_) unwrap(begin, end);
    Parse parse;
    parse.root = &root;
    parse.at = begin;
    parse.end = end;
    parse.pause_at = begin + 1;  // behind the first object
    parse.rows_max = INT64_MAX;
    const int64_t before = root.length;
    std::string problem;
    if (pieces_[at].problem != nullptr) {
      problem = *pieces_[at].problem;
    } else if (!all_valid && !simdjson::validate_utf8(begin, static_cast<size_t>(parse.end - begin))) {
      problem = "the bytes are not UTF-8";
    } else {
      const Stop stopped = parser_.rows(parse);
      const char* rest = parse.at;
      while (rest < parse.end && (*rest == ' ' || *rest == '\t' || *rest == '\r' || *rest == '\n')) ++rest;
      const int64_t objects = root.length - before + parse.rows_dropped;
      if (stopped == Stop::more && rest == parse.end && objects == 1) [[likely]] {
        if (parse.rows_dropped > 0) {
          leave_out(index, payload_count, out);
        } else if (!complete_) {
          out.payload_of.push_back(static_cast<int64_t>(index));
        }
        return {};
      }
      problem = describe(parse, stopped, rest, objects);
      if (root.length > before) parser_.cut_back(root, before);
    }
    if (!collect_rejects_) return user_error("message {}: {}", index + 1, problem);
    leave_out(index, payload_count, out);
    out.bad.push_back({static_cast<int64_t>(index), std::move(problem), parse.flaw == Flaw::unknown_field});
    return {};
  }

  void unwrap(const char*& begin, const char*& end) {
    static constexpr char kNothing[2 + kPadding] = {'{', '}'};
    auto inside = connect_payload(parser_, begin, end);
    if (!inside) return;
    if (*inside == "null") {  // a row of nulls
      begin = kNothing;
      end = kNothing + 2;
      return;
    }
    begin = inside->data();
    end = begin + inside->size();
    buffer_[static_cast<size_t>(end - buffer_.get())] = '\0';  // in place of the closing brace
  }

  std::string describe(Parse& parse, Stop stopped, const char* rest, int64_t objects) const {
    if (stopped == Stop::flaw) return describe_flaw(parse, columns_, parser_, parse.end, Carrier::payload);
    if (rest == parse.end) return "the message is empty; JSON has at least {}";
    if (objects > 0) {
      return fmt::format("more follows the JSON object: '{}'", printable(rest, parse.end, 60));
    }
    parse.flaw = Flaw::not_an_object;
    parse.stopped_at = rest;
    return describe_flaw(parse, columns_, parser_, parse.end, Carrier::payload);
  }

  // From the first payload without a row on, rows say where they come from.
  void leave_out(size_t index, size_t payload_count, DecodedPayloads& out) {
    if (!complete_) return;
    complete_ = false;
    out.payload_of.reserve(payload_count);
    for (size_t i = 0; i < index; ++i) out.payload_of.push_back(static_cast<int64_t>(i));
  }

  Columns columns_;
  const SchemaPtr planned_;
  const Parser& parser_;
  const bool unwrap_connect_;
  const PayloadFrames frames_;
  const bool collect_rejects_;
  std::unique_ptr<char[]> buffer_;
  int64_t capacity_ = 0;
  std::vector<Piece> pieces_;
  std::map<int32_t, std::string> ids_;  // that were met: what is wrong with them, mostly nothing
  bool complete_ = true;                // each payload so far has a row
};

}  // namespace

Result<std::unique_ptr<PayloadDecoder>> create_payload_decoder(const PayloadDecodeOptions& decode,
                                                               const DecoderOptions& options) {
  Format::Planned planned = TRY(plan(options.schema, options.request));
  ColumnsOptions columns;
  columns.schema = TRY(decoded_schema(*options.schema));
  columns.planned = planned.schema;
  columns.refuse_unknown = decode.refuse_unknown;
  columns.batch_rows = options.request.batch_rows;
  for (size_t i = 0; i < options.request.filter.size(); ++i) {
    if (planned.pushed.filter_exact[i]) columns.filter.push_back(options.request.filter[i]);
  }
  return std::unique_ptr<PayloadDecoder>(
      std::make_unique<JsonPayloadDecoder>(decode, columns, options.collect_rejects));
}

}  // namespace sluice::json
