#include "connector/kafka/sink.h"

#include <arrow/type.h>

#include "batch/change.h"
#include "connector/kafka/committer.h"
#include "connector/kafka/record_encoder.h"
#include "connector/kafka/writer.h"

namespace sluice::kafka {
namespace {

class KafkaSink final : public Sink, public TellsOfChanges {
 public:
  explicit KafkaSink(SinkSettings settings)
      : settings_(std::move(settings)), topics_(settings_), takeover_(settings_), delivery_(takeover_) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.decision = Decision::target;
    traits.transactions = true;
    traits.upsert = settings_.upsert || (!settings_.mode_given && !settings_.key.empty());
    traits.truncate = settings_.envelope == Envelope::debezium;
    traits.many_tables = settings_.many_tables();
    traits.several_processes = true;  // of a group on this cluster; join_and_load() refuses others
    return traits;
  }

  Result<void> validate_schema(Context&, const arrow::Schema& schema) override {
    const auto layout = TRY(row_layout(schema, settings_));
    const auto formats = TRY(payload_formats(settings_, settings_.topic));
    TRY(formats.value->validate_schema(*layout.value_schema));
    if (formats.key != nullptr) TRY(formats.key->validate_schema(*layout.key_schema));
    return {};
  }

  Result<void> probe(Context& context) override {
    Client* cluster = TRY(topics_.client(context));
    (void)TRY(cluster->cluster_id(context.stop));
    if (settings_.many_tables()) return {};
    auto topic = TRY(topics_.find(context, settings_.topic));
    if (topic == nullptr && !settings_.create_topic) {
      return user_error("{}: there is no topic '{}'; create it, or leave out create_topic := false",
                        settings_.cluster.where, settings_.topic);
    }
    return {};
  }

  Result<void> open(Context& context, const arrow::Schema& schema, bool resumed) override {
    schemas_[{}] = arrow::schema(schema.fields());
    if (settings_.many_tables()) return {};  // each is opened with its first rows
    return open_as(context, {}, resumed);
  }
  Result<void> open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed) override {
    schemas_[table] = arrow::schema(schema.fields());
    return open_as(context, table, resumed);
  }
  // Writers, made anew, encode the new schema. A registry that refuses it does so here.
  Result<void> evolve(Context& context, const SchemaChange& change) override {
    TRY(validate_schema(context, *change.after));
    const TableId table = settings_.many_tables() ? change.table : TableId{};
    (void)TRY(RecordEncoder::make(context, settings_, TRY(topics_.open(context, table)), table, change.after));
    const bool several = schemas_.contains(change.table) || !schemas_.contains(TableId{});
    schemas_[several ? change.table : TableId{}] = change.after;
    return {};
  }
  [[nodiscard]] bool takes_before_images() const override { return settings_.envelope == Envelope::debezium; }
  void set_origin(ChangeOrigin origin) override { settings_.origin = std::move(origin); }
  void keep_positions_in(GroupOffsets& group) override { group_ = &group; }

  Result<std::unique_ptr<Writer>> create_writer(Context&, const WriterId& id) override {
    return kafka::create_writer(settings_, topics_, delivery_, id);
  }
  Result<std::unique_ptr<Committer>> create_committer(Context&) override {
    auto truncated = [this](Context& context, const TableId& table) { return truncation_of(context, table); };
    return kafka::create_committer(settings_, topics_, takeover_, delivery_, group_, truncated);
  }

  Result<void> drop(Context& context) override {
    if (!TRY(takeover_.topic().exists(context, *TRY(topics_.client(context))))) return {};
    return replace(context, {}, /*forget=*/true);
  }

  Result<void> reset(Context& context, const Positions& positions) override {
    TRY(takeover_.topic().create(context, *TRY(topics_.client(context)), settings_.replication));
    return replace(context, positions, /*forget=*/false);
  }

 private:
  Result<void> open_as(Context& context, const TableId& table, bool resumed) {
    auto topic = TRY(topics_.open(context, table));
    if (resumed || !settings_.refuse_existing || !TRY(topics_.has_messages(context, *topic))) return {};
    return refused("{}: topic '{}' already has messages; if_exists := append adds to them", settings_.cluster.where,
                   topic->name);
  }

  // In place of rows: one envelope that says that the table was emptied.
  Result<Piece> truncation_of(Context& context, const TableId& table) {
    auto schema = schemas_.find(table);
    if (schema == schemas_.end()) schema = schemas_.find(TableId{});
    CHECK(schema != schemas_.end());
    auto encoder =
        TRY(RecordEncoder::make(context, settings_, TRY(topics_.open(context, table)), table, schema->second));
    Piece piece;
    piece.topic = encoder->topic();
    TRY(encoder->encode_truncate(context, piece));
    return piece;
  }

  // Fences whoever writes, then puts other positions in place of theirs.
  Result<void> replace(Context& context, const Positions& positions, bool forget) {
    const ProducerShape shape = shape_of(settings_, topics_, context.memory.limit());
    auto taken = TRY(takeover_.take(context, shape, [](const std::string&) { return true; }));
    const PositionTopic& topic = takeover_.topic();
    Piece piece = topic.piece();
    for (const auto& [split, position] : taken.held) {
      if (!positions.contains(split)) topic.add(split, std::nullopt, piece);
    }
    for (const auto& [split, position] : positions) topic.add(split, position, piece);
    if (forget) topic.add_writer(settings_.transactional_id, std::nullopt, piece);
    TRY(taken.producer->begin(context));
    TRY(taken.producer->send(context, piece));
    return taken.producer->commit(context);
  }

  SinkSettings settings_;  // but for the origin, which is told before anything is made of them, they stay
  TargetTopics topics_;
  Takeover takeover_;
  Delivery delivery_;
  GroupOffsets* group_ = nullptr;
  std::map<TableId, SchemaPtr> schemas_;  // of the rows that come now; without a name: of one table alone
};

}  // namespace

Result<std::unique_ptr<Sink>> create_sink(const Registry& registry, const ConnectorRequest& request) {
  return std::make_unique<KafkaSink>(TRY(sink_settings(registry, request)));
}

}  // namespace sluice::kafka
