// Uses every header: reads, writes, and runs SQL that DuckDB has to compute.  consumer FOLDER
#include <iostream>
#include <string>

#include <arrow/record_batch.h>
#include <sluice/sluice.h>

int main(int, char** arguments) {
  const std::string folder = arguments[1];
  auto fail = [](const sluice::Error& error) {
    std::cerr << "error: " << error.message() << "\n";
    return 1;
  };
  auto sink = sluice::create_sink("file://" + folder + "/numbers.jsonl");
  if (!sink.ok()) return fail(sink.error());
  auto writer = (*sink)->create_writer();
  if (!writer.ok()) return fail(writer.error());
  const std::string rows[] = {R"({"n": 1})", R"({"n": 2})", R"({"n": 3})"};
  auto batch = sluice::batch_from_json(rows);
  if (!batch.ok()) return fail(batch.error());
  std::cout << (*batch)->num_rows() << " rows built\n";
  if (auto written = (*writer)->write(*batch); !written.ok()) return fail(written.error());
  if (auto closed = (*writer)->close(); !closed.ok()) return fail(closed.error());

  sluice::SqlOptions options;
  options.state = "sqlite:" + folder + "/state.db";
  options.variables = {{"DIR", folder}};
  auto delivered = sluice::run_sql(
      "CREATE TABLE sums AS SELECT sum(n) AS total FROM file('${DIR}/numbers.jsonl') INSERT INTO "
      "file('${DIR}/sums.parquet');",
      options);
  if (!delivered.ok()) return fail(delivered.error());
  std::cout << "delivered " << (*delivered)[0].guarantee << "\n";

  auto source = sluice::create_source("file://" + folder + "/sums.parquet");
  if (!source.ok()) return fail(source.error());
  auto reader = (*source)->create_reader();
  if (!reader.ok()) return fail(reader.error());
  auto sums = (*reader)->read();
  if (!sums.ok()) return fail(sums.error());
  std::cout << sluice::batch_to_json(*sums).value();

  auto config = sluice::S3Config::builder().bucket("b").build();
  std::cout << config.error().message() << "\n";
}
