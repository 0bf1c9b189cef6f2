// A table of an SQLite file as a sink. The decision "this epoch happened" is the file's own: one transaction holds the
// rows and the positions, so that a lost state store doubles nothing.
#pragma once

#include <memory>

#include "connector/sqlite/spool.h"
#include "connector/sqlite/target_table.h"
#include "port/sink.h"

namespace sluice::sqlite {

class SqliteSink final : public Sink {
 public:
  explicit SqliteSink(SqliteSinkOptions options) : options_(std::move(options)) {}

  [[nodiscard]] SinkTraits traits() const override;
  Result<void> validate_schema(Context& context, const arrow::Schema& schema) override;
  Result<void> probe(Context& context) override;
  Result<void> open(Context& context, const arrow::Schema& schema, bool resumed) override;
  Result<void> open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed) override;
  Result<void> evolve(Context& context, const SchemaChange& change) override;
  Result<std::unique_ptr<Writer>> create_writer(Context& context, const WriterId& id) override;
  Result<std::unique_ptr<Committer>> create_committer(Context& context) override;
  Result<void> drop(Context& context) override;
  Result<void> reset(Context& context, const Positions& positions) override;

 private:
  Result<void> refuse_existing(Database& database, const TargetTable& table) const;

  const SqliteSinkOptions options_;
  Spool spool_;
  SchemaPtr schema_;  // of open()
};

}  // namespace sluice::sqlite
