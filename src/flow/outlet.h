// One lane's way out: its writer, its dead-letter writer, and what they hold of the current epoch. Used by the lane's
// thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "flow/commit.h"
#include "port/sink.h"

namespace sluice {

// What one lane contributes to an epoch.
struct LanePart {
  std::vector<Prepared> main;
  std::vector<Prepared> dead_letters;
  Positions upto;
  int64_t rows = 0;
  int64_t dead_rows = 0;
};

// pipeline, at, reason, position, split, payload, stage (read | transform | write: see Reject::Stage), message (see
// Reject::message). `sluice dead-letters` reads it back.
SchemaPtr dead_letter_schema();

class Outlet {
 public:
  using Writers = std::map<TableId, std::unique_ptr<Writer>>;
  // For a table's first rows, which belong to this epoch; rows of a table that is in `writers` do not ask.
  using MakeWriter = std::function<Result<std::unique_ptr<Writer>>(Context&, const TableId&, Epoch)>;

  // One table's writer is under TableId{}, and takes the rows of all.
  Outlet(Writers writers, MakeWriter make_writer, std::unique_ptr<Writer> dead_letters, std::string pipeline,
         Epoch first_epoch)
      : writers_(std::move(writers)),
        make_writer_(std::move(make_writer)),
        dead_letters_(std::move(dead_letters)),
        pipeline_(std::move(pipeline)),
        epoch_(first_epoch) {}

  // Writes transformed rows and remembers how far they reach. Without a dead-letter target the first reject is an
  // error that names it.
  Result<void> deliver(Context& context, Rows rows);
  Result<void> tick(Context& context);
  Result<LanePart> prepare(Context& context, Epoch epoch);
  // What prepare() had when it failed.
  LanePart take_unfinished() { return std::exchange(part_, {}); }

  [[nodiscard]] bool pending() const { return !part_.upto.empty() || part_.rows > 0; }
  [[nodiscard]] bool wants_cut() const { return wants_cut_; }

 private:
  Result<void> bury(Context& context, std::vector<Reject> rejects);
  Result<Writer*> writer_for(Context& context, const TableId& table);

  Writers writers_;
  MakeWriter make_writer_;
  std::unique_ptr<Writer> dead_letters_;
  std::string pipeline_;
  Epoch epoch_;  // that part_ is of
  LanePart part_;
  bool wants_cut_ = false;
};

}  // namespace sluice
