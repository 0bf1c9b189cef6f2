// Copies from anywhere to anywhere, exactly once: killed at any moment and started again, it goes on where it was.
//   copy file:///data/orders.jsonl 'file:///lake/orders/?format=parquet'
#include <iostream>

#include <sluice/sluice.h>

namespace {

sluice::Result<void> copy(const char* from, const char* to) {
  auto source = sluice::create_source(from);
  if (!source.ok()) return source.error();
  auto sink = sluice::create_sink(to);
  if (!sink.ok()) return sink.error();

  auto writer = (*sink)->create_writer({.name = "example_copy", .state = "sqlite:example_copy.db"});
  if (!writer.ok()) return writer.error();
  auto reader = (*source)->create_reader({.from = (*writer)->position()});
  if (!reader.ok()) return reader.error();

  while (!(*reader)->finished()) {
    auto rows = (*reader)->read();
    if (!rows.ok()) return rows.error();
    if (*rows == nullptr) continue;
    if (auto written = (*writer)->write(*rows); !written.ok()) return written;
    // The rows and how far they reach become durable together.
    if (auto committed = (*writer)->commit((*reader)->position()); !committed.ok()) return committed;
  }
  return (*writer)->close();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: copy FROM TO\n";
    return 2;
  }
  auto copied = copy(arguments[1], arguments[2]);
  if (copied.ok()) return 0;
  std::cerr << "error: " << copied.error().message() << "\n";
  return 1;
}
