// Writers of one lane. FileWriter: one open file at a time. PartitionedWriter: partitioned_writer.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connector/file/output_file.h"
#include "port/sink.h"

namespace sluice::file {

// "<pipeline>/<generation>": whom an unfinished upload belongs to.
std::string upload_owner(const std::string& pipeline, Generation generation);

// The files that a writer has closed of its epoch: unless the committer gets them, they are removed.
class ClosedFiles {
 public:
  ClosedFiles(const Context& context, const Target& target) : context_(context), target_(target) {}
  // Within moments, also when the pipeline is being stopped: what is left is swept, as behind a crash.
  ~ClosedFiles();
  ClosedFiles(const ClosedFiles&) = delete;
  ClosedFiles& operator=(const ClosedFiles&) = delete;

  void add(Finished file) { files_.push_back(std::move(file)); }
  // What the lane hands to the committer, as the sink's own JSON.
  Result<std::vector<Prepared>> prepare(Context& context);

 private:
  Context context_;
  const Target& target_;
  std::vector<Finished> files_;
};

// The rows of `rows` begin here.
FirstRow first_row_of(const Rows& rows);

class FileWriter final : public Writer {
 public:
  FileWriter(const Context& context, Target& target, const WriterId& id);
  ~FileWriter() override;
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  Result<WriteAck> write(Context& context, const Rows& rows) override;
  Result<WriteAck> tick(Context& context) override;
  Result<std::vector<Prepared>> prepare(Context& context, Epoch epoch) override;

 private:
  Result<void> open(Context& context, const SchemaPtr& schema, const std::string& table, const FirstRow& first,
                    WallTime timestamp);
  Result<void> close(Context& context);
  // Do the open files of all tables hold more than their share of the memory? One writer's file alone never does: what
  // a format gathers is bounded.
  bool crowded(const Context& context);

  Target& target_;
  const std::string owner_;
  FileNames names_;
  std::unique_ptr<OutputFile> file_;
  int64_t bucket_ = 0;  // the date folder of file_, by time of arrival
  SteadyTime opened_{};
  SteadyTime written_{};
  ClosedFiles closed_;
  bool exact_written_ = false;
  int64_t buffered_ = 0;  // this writer's part of Target::buffered
};

}  // namespace sluice::file
