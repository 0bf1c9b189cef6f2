// One lane's writer where the location names tables and the source does not say beforehand which they are: the writer
// of each begins with its first rows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>

#include "port/sink.h"

namespace sluice::file {

class TablesWriter final : public Writer {
 public:
  using Make =
      std::function<Result<std::unique_ptr<Writer>>(Context&, const TableId& table, const arrow::Schema& schema)>;
  // For what some tables had prepared when another one failed.
  using Discard = std::function<Result<void>(Context&, std::span<const Prepared>)>;
  TablesWriter(Make make, Discard discard) : make_(std::move(make)), discard_(std::move(discard)) {}

  Result<WriteAck> write(Context& context, const Rows& rows) override;
  Result<WriteAck> tick(Context& context) override;
  Result<std::vector<Prepared>> prepare(Context& context, Epoch epoch) override;

 private:
  const Make make_;
  const Discard discard_;
  std::map<TableId, std::unique_ptr<Writer>> writers_;
};

}  // namespace sluice::file
