#include "connector/file/tables_writer.h"

#include <iterator>

#include <arrow/record_batch.h>

namespace sluice::file {

Result<WriteAck> TablesWriter::write(Context& context, const Rows& rows) {
  if (rows.batch == nullptr || rows.batch->num_rows() == 0) return WriteAck{};
  auto known = writers_.find(rows.table);
  if (known == writers_.end()) {
    known = writers_.emplace(rows.table, TRY(make_(context, rows.table, *rows.batch->schema()))).first;
  }
  return known->second->write(context, rows);
}

Result<WriteAck> TablesWriter::tick(Context& context) {
  WriteAck all;
  for (auto& [table, writer] : writers_) {
    auto ack = TRY(writer->tick(context));
    all.wants_cut = all.wants_cut || ack.wants_cut;
  }
  return all;
}

Result<std::vector<Prepared>> TablesWriter::prepare(Context& context, Epoch epoch) {
  std::vector<Prepared> all;
  for (auto& [table, writer] : writers_) {
    auto prepared = writer->prepare(context, epoch);
    if (!prepared.ok()) {
      auto discarded = all.empty() ? Result<void>() : discard_(context, all);
      if (!discarded.ok()) {
        context.log.warn("could not remove an undecided epoch", {{"error", discarded.error().message()}});
      }
      return std::move(prepared).error();
    }
    std::move(prepared->begin(), prepared->end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace sluice::file
