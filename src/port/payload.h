// Records that arrive one by one, each a sequence of bytes of its own: the value or the key of a Kafka message, a body
// sent over HTTP. port/format.h is for files, where records follow each other in one stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/schema.h"
#include "options/option.h"
#include "port/context.h"
#include "port/format.h"

namespace sluice {

// The bytes of one record; unset: there are none (a tombstone), which is another thing than an empty record.
using Payload = std::optional<std::string_view>;

// Where the records come from or go to: what schema registries name subjects after ("orders-value").
struct PayloadPlace {
  std::string topic;
  bool key = false;  // the keys of its messages, not their values
};

struct BadPayload {
  int64_t index = 0;   // into the span that was decoded
  std::string reason;  // one sentence
  // Nothing is wrong with it but a field that the schema lacks: it can be decoded once the schema is unified with what
  // infer() says of it. Only with unknown_fields := error.
  bool unknown_field = false;
};

struct DecodedPayloads {
  BatchPtr batch;                   // in the planned schema; payloads without bytes are rows of nulls
  std::vector<int64_t> payload_of;  // per row the payload it came from, ascending; empty: row i is payload i
  std::vector<BadPayload> bad;      // ascending; without DecoderOptions::collect_rejects a bad payload is an error
};

// One per lane and thread; keeps its buffers from call to call.
class PayloadDecoder {
 public:
  virtual ~PayloadDecoder() = default;
  // Looks at `payloads` during the call only. Transient errors (a registry that does not answer) leave nothing decoded.
  // The batch is never null; it has no rows when no payload has one. More rows than payloads never come out.
  virtual Result<DecodedPayloads> decode(Context& context, std::span<const Payload> payloads) = 0;
};

// Row i is bytes[ends[i - 1], ends[i]).
struct EncodedPayloads {
  std::string bytes;
  std::vector<int64_t> ends;
  std::vector<int64_t> absent;  // rows that have no bytes at all (a tombstone), ascending: NULLs as text or raw
};

class PayloadEncoder {
 public:
  virtual ~PayloadEncoder() = default;
  // Appends a record per row to `out`. After an error `out` is as it was; the error names the row (from 0) where it is
  // one row's fault.
  virtual Result<void> encode(Context& context, const arrow::RecordBatch& batch, EncodedPayloads& out) = 0;
};

class PayloadFormat {
 public:
  virtual ~PayloadFormat() = default;
  // The full schema: declared (`columns`, a schema file), the registry's latest for this place, or that of the sample.
  // With neither schema nor sample an error says what to give. Payloads of the sample that cannot be read are left to
  // the decoder, unless none can. Adopts what it learns where the sample tells more than the schema does (a schema id):
  // call it before plan().
  virtual Result<SchemaPtr> infer(Context& context, std::span<const Payload> sample) = 0;
  virtual Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const = 0;
  virtual Result<std::unique_ptr<PayloadDecoder>> create_decoder(Context& context, const DecoderOptions& options) = 0;
  virtual Result<void> validate_schema(const arrow::Schema& schema) const = 0;
  // Registers the schema where there is a registry.
  virtual Result<std::unique_ptr<PayloadEncoder>> create_encoder(Context& context, const SchemaPtr& schema) = 0;
};

// What several payload formats declare: the option `columns`, and the schema it gives (null: not given).
OptionSpec columns_option();
OptionSpec unknown_fields_option();  // error | ignore; also of the file format json
Result<SchemaPtr> declared_columns(const OptionValues& options);
// What infer() answers when there is neither schema nor message.
Error no_message_to_infer_from();

struct PayloadDescriptor {
  std::string_view name;  // "json": what `format` and `key_format` say
  std::string_view doc;   // one sentence
  std::vector<OptionSpec> options;
  Result<std::unique_ptr<PayloadFormat>> (*create)(const OptionValues& options, const PayloadPlace& place) = nullptr;
};

}  // namespace sluice
