#include "format/avro/payload_decoder.h"

#include <map>
#include <optional>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "avro/arrow_schema.h"
#include "avro/reader.h"
#include "batch/plain.h"
#include "format/avro/reader_names.h"
#include "port/payload_groups.h"

namespace sluice::avro_format_detail {
namespace {

// The first field of `written` that would get lost: neither `reader` (null: there is none) nor the columns know it.
std::optional<std::string> lost_field(const avro::Type& written, const avro::Type* reader,
                                      const arrow::DataType& known) {
  if (const auto* inner = avro::optional_of(written)) return lost_field(*inner, reader, known);
  const auto* of_reader = reader == nullptr ? nullptr : avro::optional_of(*reader);
  if (of_reader != nullptr) reader = of_reader;
  const bool same = reader != nullptr && reader->kind == written.kind;
  if (written.kind == avro::Kind::array || written.kind == avro::Kind::map) {
    const auto* element = &known;
    if (known.id() == arrow::Type::LIST) element = known.field(0)->type().get();
    if (known.id() == arrow::Type::MAP) element = static_cast<const arrow::MapType&>(known).item_type().get();
    return lost_field(*written.element, same ? reader->element : nullptr, *element);
  }
  if (written.kind != avro::Kind::record || known.id() != arrow::Type::STRUCT) return std::nullopt;
  for (const auto& field : written.fields) {
    const auto* target = same ? avro::resolved(field, *reader) : nullptr;
    const auto& column = target == nullptr ? field.column : target->column;
    const auto* type = type_named(known.fields(), column);
    if (type == nullptr) return column;
    if (auto below = lost_field(*field.type, target == nullptr ? nullptr : target->type, *type)) {
      return column + "." + *below;
    }
  }
  return std::nullopt;
}

class AvroPayloadDecoder final : public PayloadDecoder {
 public:
  explicit AvroPayloadDecoder(PayloadDecoding decoding) : plan_(std::move(decoding)) {}

  Result<DecodedPayloads> decode(Context& context, std::span<const Payload> payloads) override {
    for (auto& [id, writer] : writers_) {
      TRY(writer.forget());
      if (writer.again) writer = Writer();
    }
    PayloadGroups groups(plan_.planned, payloads.size(), plan_.collect_rejects);
    Writer* writer = plan_.schemas == nullptr ? &writers_[0] : nullptr;
    int32_t last_id = 0;
    for (size_t i = 0; i < payloads.size(); ++i) {
      if ((i & 4095) == 0 && context.stop.stop_requested()) return cancelled();
      if (!payloads[i]) {
        groups.add_absent(i);
        continue;
      }
      std::string_view bytes = *payloads[i];
      if (plan_.schemas != nullptr) {
        auto framed = net::unframe(bytes);
        if (!framed) {
          TRY(groups.add_bad(i,
                             "the message does not begin with a zero byte and a schema id; leave out "
                             "schema_registry where messages carry none"));
          continue;
        }
        bytes = framed->body;
        if (writer == nullptr || framed->schema_id != last_id) writer = &writers_[framed->schema_id];
        last_id = framed->schema_id;
      }
      if (!writer->prepared) TRY(prepare(context, last_id, *writer));
      if (writer->reader == nullptr) {
        TRY(groups.add_bad(i, writer->problem, writer->unknown_field));
        continue;
      }
      if (writer->reader->read_datum({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()})) {
        writer->rows.push_back(static_cast<int64_t>(i));
      } else {
        TRY(groups.add_bad(i, writer->reader->problem()));
      }
    }
    for (auto& [id, each] : writers_) {
      if (each.rows.empty()) continue;
      TRY(groups.add_rows(TRY(each.reader->take()), std::exchange(each.rows, {})));
    }
    return groups.finish();
  }

 private:
  // What was written with one schema.
  struct Writer {
    bool prepared = false;
    bool again = false;  // the registry may know the id next time
    std::unique_ptr<avro::RowReader> reader;
    std::string problem;  // why there is no reader
    bool unknown_field = false;
    std::vector<int64_t> rows;  // the payloads that the reader's rows came from

    // Rows of a call that failed.
    Result<void> forget() {
      if (reader != nullptr && reader->rows() > 0) TRY(reader->take());
      rows.clear();
      return {};
    }
  };

  Result<void> prepare(Context& context, int32_t id, Writer& writer) {
    avro::SchemaRef written = plan_.reader;
    if (plan_.schemas != nullptr) {
      auto found = TRY(plan_.schemas->find(context, id));
      writer.prepared = true;
      writer.again = found.schema == nullptr;
      writer.problem = std::move(found.problem);
      if (found.schema == nullptr) return {};
      written = std::move(found.schema);
    }
    writer.prepared = true;
    auto made = reader_of(written, writer);
    if (made.ok()) {
      writer.reader = std::move(made).value();
    } else {
      writer.problem = plan_.schemas == nullptr ? made.error().what
                                                : fmt::format("written with schema {}: {}", id, made.error().what);
    }
    return {};
  }

  Result<std::unique_ptr<avro::RowReader>> reader_of(const avro::SchemaRef& written, Writer& writer) {
    if (plan_.refuse_unknown) {
      const auto* reader = plan_.reader == nullptr ? nullptr : &plan_.reader->root();
      if (auto path = lost_field(written->root(), reader, *arrow::struct_(plan_.full->fields()))) {
        writer.unknown_field = true;
        return user_error("field '{}' is not in the schema that is read with; set unknown_fields := ignore to drop it",
                          *path);
      }
    }
    // The reader schema knows defaults and aliases. Where the rows are to have fields that it dropped, they come beside
    // its own; where it does not fit, values come as they were written, under its names, and are cast.
    if (plan_.reader != nullptr) {
      const auto known = TRY(avro::to_arrow(*plan_.reader));
      auto made = avro::RowReader::make(written, plan_.reader, plan_.planned.get());
      const bool enough = !names_more(plan_.planned->fields(), known->fields());
      if (plan_.schemas == nullptr || (enough && made.ok())) return made;
      const auto wanted = arrow::struct_(plan_.planned->fields());
      made =
          avro::RowReader::make(written, with_dropped_fields(plan_.reader, written, wanted.get()), plan_.planned.get());
      if (made.ok()) return made;
      return avro::RowReader::make(written, with_names_of(plan_.reader, written), plan_.planned.get());
    }
    return avro::RowReader::make(written, written, plan_.planned.get());
  }

  const PayloadDecoding plan_;
  std::map<int32_t, Writer> writers_;
};

}  // namespace

std::unique_ptr<PayloadDecoder> make_payload_decoder(PayloadDecoding decoding) {
  return std::make_unique<AvroPayloadDecoder>(std::move(decoding));
}

}  // namespace sluice::avro_format_detail
