#include "format/text/text_payload.h"

#include <charconv>
#include <cstring>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <simdjson.h>

#include "batch/arrow_result.h"

namespace sluice::text {
namespace {

constexpr int64_t kBatchBytesMax = int64_t{1} << 30;  // offsets have 31 bits

enum class Bytes { utf8, any };

TypePtr type_of(Bytes bytes) { return bytes == Bytes::utf8 ? arrow::utf8() : arrow::binary(); }
std::string_view name_of(Bytes bytes) { return bytes == Bytes::utf8 ? "text" : "raw"; }

class BytesDecoder : public PayloadDecoder {
 public:
  BytesDecoder(Bytes bytes, SchemaPtr planned, bool collect_rejects)
      : bytes_(bytes), planned_(std::move(planned)), collect_rejects_(collect_rejects) {}

  Result<DecodedPayloads> decode(Context&, std::span<const Payload> payloads) override {
    int64_t total = 0;
    for (const auto& payload : payloads) total += payload ? static_cast<int64_t>(payload->size()) : 0;
    if (total > kBatchBytesMax) {
      return refused("{} messages take more than 1 GB; lower the size of batches", payloads.size());
    }
    std::shared_ptr<arrow::Buffer> values = TRY(to_result(arrow::AllocateBuffer(total)));
    char* at = reinterpret_cast<char*>(values->mutable_data());
    bool whole = true;  // no payload begins inside a character
    for (const auto& payload : payloads) {
      if (!payload || payload->empty()) continue;
      whole = whole && (static_cast<unsigned char>(payload->front()) & 0xC0) != 0x80;
      memcpy(at, payload->data(), payload->size());
      at += payload->size();
    }
    const bool valid =
        bytes_ == Bytes::any ||
        (whole && simdjson::validate_utf8(reinterpret_cast<const char*>(values->data()), static_cast<size_t>(total)));
    if (valid) return assemble(payloads, std::move(values), {});
    return without_bad(payloads);
  }

 private:
  Result<DecodedPayloads> without_bad(std::span<const Payload> payloads) {
    std::vector<BadPayload> bad;
    std::vector<Payload> good;
    std::vector<int64_t> payload_of;
    int64_t total = 0;
    for (size_t i = 0; i < payloads.size(); ++i) {
      const auto& payload = payloads[i];
      if (payload && !simdjson::validate_utf8(payload->data(), payload->size())) {
        std::string reason = "the bytes are not UTF-8; read them with format := raw";
        if (!collect_rejects_) return user_error("message {}: {}", i + 1, reason);
        bad.push_back({static_cast<int64_t>(i), std::move(reason)});
        continue;
      }
      payload_of.push_back(static_cast<int64_t>(i));
      good.push_back(payload);
      total += payload ? static_cast<int64_t>(payload->size()) : 0;
    }
    std::shared_ptr<arrow::Buffer> values = TRY(to_result(arrow::AllocateBuffer(total)));
    char* at = reinterpret_cast<char*>(values->mutable_data());
    for (const auto& payload : good) {
      if (payload) at = std::copy(payload->begin(), payload->end(), at);
    }
    auto out = TRY(assemble(good, std::move(values), std::move(bad)));
    out.payload_of = std::move(payload_of);
    return out;
  }

  Result<DecodedPayloads> assemble(std::span<const Payload> payloads, std::shared_ptr<arrow::Buffer> values,
                                   std::vector<BadPayload> bad) {
    const auto rows = static_cast<int64_t>(payloads.size());
    DecodedPayloads out;
    out.bad = std::move(bad);
    arrow::ArrayVector arrays;
    if (planned_->num_fields() > 0) {
      std::shared_ptr<arrow::Buffer> offsets = TRY(to_result(arrow::AllocateBuffer((rows + 1) * 4)));
      auto* offset = reinterpret_cast<int32_t*>(offsets->mutable_data());
      offset[0] = 0;
      int64_t nulls = 0;
      for (const auto& payload : payloads) {
        offset[1] = offset[0] + (payload ? static_cast<int32_t>(payload->size()) : 0);
        nulls += payload ? 0 : 1;
        ++offset;
      }
      std::shared_ptr<arrow::Buffer> validity;
      if (nulls > 0) {
        validity = TRY(to_result(arrow::AllocateEmptyBitmap(rows)));
        for (int64_t i = 0; i < rows; ++i) {
          arrow::bit_util::SetBitTo(validity->mutable_data(), i, payloads[static_cast<size_t>(i)].has_value());
        }
      }
      arrays.push_back(arrow::MakeArray(
          arrow::ArrayData::Make(type_of(bytes_), rows, {validity, std::move(offsets), std::move(values)}, nulls)));
    }
    out.batch = arrow::RecordBatch::Make(planned_, rows, std::move(arrays));
    return out;
  }

  const Bytes bytes_;
  const SchemaPtr planned_;
  const bool collect_rejects_;
};

class BytesEncoder : public PayloadEncoder {
 public:
  explicit BytesEncoder(int column) : column_(column) {}

  Result<void> encode(Context&, const arrow::RecordBatch& batch, EncodedPayloads& out) override {
    const auto& values = *batch.column(column_);
    switch (values.type_id()) {
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
        put_bytes(static_cast<const arrow::BinaryArray&>(values), out);
        return {};
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        put_bytes(static_cast<const arrow::LargeBinaryArray&>(values), out);
        return {};
      case arrow::Type::STRING_VIEW:
      case arrow::Type::BINARY_VIEW:
        put_bytes(static_cast<const arrow::BinaryViewArray&>(values), out);
        return {};
      case arrow::Type::INT32:
        put_numbers(static_cast<const arrow::Int32Array&>(values), out);
        return {};
      case arrow::Type::INT64:
        put_numbers(static_cast<const arrow::Int64Array&>(values), out);
        return {};
      default:
        return bug("a batch of another schema was written as text");
    }
  }

  static Result<int> column_of(const arrow::Schema& schema, Bytes bytes, const std::string& named) {
    int column = named.empty() && schema.num_fields() == 1 ? 0 : schema.GetFieldIndex(named.empty() ? "value" : named);
    if (column < 0) {
      return user_error("{} is one column, and there are the columns {}; name one with column", name_of(bytes),
                        fmt::join(schema.field_names(), ", "));
    }
    const auto& field = *schema.field(column);
    const auto id = field.type()->id();
    const bool text = arrow::is_string(id) || id == arrow::Type::STRING_VIEW;
    const bool blob = arrow::is_binary(id) || id == arrow::Type::BINARY_VIEW;
    const bool number = id == arrow::Type::INT32 || id == arrow::Type::INT64;
    if (text || (bytes == Bytes::any ? blob : number)) return column;
    return user_error("column '{}' is a {} and {} needs a {}; cast it", field.name(), type_name(*field.type()),
                      name_of(bytes), bytes == Bytes::utf8 ? "VARCHAR" : "BLOB or VARCHAR");
  }

 private:
  template <typename Values>
  static void put_bytes(const Values& values, EncodedPayloads& out) {
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsNull(i)) {
        out.absent.push_back(static_cast<int64_t>(out.ends.size()));
      } else {
        out.bytes.append(values.GetView(i));
      }
      out.ends.push_back(static_cast<int64_t>(out.bytes.size()));
    }
  }
  template <typename Values>
  static void put_numbers(const Values& values, EncodedPayloads& out) {
    char digits[24];
    for (int64_t i = 0; i < values.length(); ++i) {
      if (values.IsNull(i)) {
        out.absent.push_back(static_cast<int64_t>(out.ends.size()));
      } else {
        auto end = std::to_chars(digits, digits + sizeof digits, values.Value(i)).ptr;
        out.bytes.append(digits, static_cast<size_t>(end - digits));
      }
      out.ends.push_back(static_cast<int64_t>(out.bytes.size()));
    }
  }

  const int column_;
};

class BytesFormat : public PayloadFormat {
 public:
  BytesFormat(Bytes bytes, std::string column) : bytes_(bytes), column_(std::move(column)) {}

  Result<SchemaPtr> infer(Context&, std::span<const Payload>) override {
    return SchemaPtr(arrow::schema({arrow::field(column_.empty() ? "value" : column_, type_of(bytes_))}));
  }
  Result<Format::Planned> plan(const SchemaPtr& schema, const ReadRequest& request) const override {
    if (schema->num_fields() > 1 || (schema->num_fields() == 1 && !schema->field(0)->type()->Equals(type_of(bytes_)))) {
      return user_error("{} is read as one {} column, not as {}", name_of(bytes_), type_name(*type_of(bytes_)),
                        schema->ToString());
    }
    Format::Planned planned;
    const bool wanted = !request.columns.has_value() || !request.columns->empty();
    planned.schema = wanted ? schema : SchemaPtr(arrow::schema(arrow::FieldVector{}));
    planned.pushed.columns = request.columns.has_value();
    planned.pushed.filter_exact.assign(request.filter.size(), false);
    return planned;
  }
  Result<std::unique_ptr<PayloadDecoder>> create_decoder(Context&, const DecoderOptions& options) override {
    auto planned = TRY(plan(options.schema, options.request));
    return std::unique_ptr<PayloadDecoder>(
        std::make_unique<BytesDecoder>(bytes_, std::move(planned.schema), options.collect_rejects));
  }
  Result<void> validate_schema(const arrow::Schema& schema) const override {
    TRY(BytesEncoder::column_of(schema, bytes_, column_));
    return {};
  }
  Result<std::unique_ptr<PayloadEncoder>> create_encoder(Context&, const SchemaPtr& schema) override {
    return std::unique_ptr<PayloadEncoder>(
        std::make_unique<BytesEncoder>(TRY(BytesEncoder::column_of(*schema, bytes_, column_))));
  }

 private:
  const Bytes bytes_;
  const std::string column_;
};

OptionSpec column_option() {
  return {.name = "column",
          .doc =
              "The column that holds the message (by default value); writing takes the only column unless one is "
              "named."};
}

std::string named_column(const OptionValues& options) { return options.has("column") ? options.text("column") : ""; }

Result<std::unique_ptr<PayloadFormat>> create_text(const OptionValues& options, const PayloadPlace&) {
  return std::unique_ptr<PayloadFormat>(std::make_unique<BytesFormat>(Bytes::utf8, named_column(options)));
}
Result<std::unique_ptr<PayloadFormat>> create_raw(const OptionValues& options, const PayloadPlace&) {
  return std::unique_ptr<PayloadFormat>(std::make_unique<BytesFormat>(Bytes::any, named_column(options)));
}

}  // namespace
}  // namespace sluice::text

namespace sluice {

PayloadDescriptor text_payload() {
  PayloadDescriptor descriptor;
  descriptor.name = "text";
  descriptor.doc = "A message's text as one VARCHAR column; a message without bytes is NULL.";
  descriptor.options = {text::column_option()};
  descriptor.create = text::create_text;
  return descriptor;
}

PayloadDescriptor raw_payload() {
  PayloadDescriptor descriptor;
  descriptor.name = "raw";
  descriptor.doc = "A message's bytes as one BLOB column; a message without bytes is NULL.";
  descriptor.options = {text::column_option()};
  descriptor.create = text::create_raw;
  return descriptor;
}

}  // namespace sluice
