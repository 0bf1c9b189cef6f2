// Every connector of the registry passes the batteries of sources and sinks: a new one is tested by being listed. Those
// whose server nobody named are skipped; tests/e2e/test_batteries.py runs them with servers of its own.
#include "app/components.h"
#include "app/test_places.h"
#include "port/conformance/shared_source_battery.h"
#include "port/conformance/sink_battery.h"
#include "port/conformance/source_battery.h"

namespace sluice::conformance {
namespace {

const Registry& everything() {
  static const Registry registry = all_components();
  return registry;
}

Result<Places> places_of(std::string_view connector) {
  auto found = places().find(connector);
  if (found == places().end()) return bug("src/app/test_places.h has no place for the connector '{}'", connector);
  return found->second;
}

Result<ConnectorRequest> request_for(std::string_view connector, const std::string& folder) {
  const auto place = TRY(places_of(connector)).of(folder);
  ConnectorRequest request;
  request.location = TRY(parse_location(place.location, connector));
  request.options = place.both;
  request.where = "test.sql:1:1";
  request.pipeline = "battery";
  return request;
}

Result<std::unique_ptr<Source>> source_at(std::string_view connector, const std::string& folder, bool streaming) {
  auto request = TRY(request_for(connector, folder));
  const auto all = TRY(places_of(connector));
  request.options.merge(RawOptions(all.of(folder).source));
  if (streaming) request.options.merge(RawOptions(*all.streaming));
  request.streaming = streaming;
  request.pipeline += "_" + unique_name(folder);  // groups and slots are named after it
  return everything().create_source(request);
}

Result<std::unique_ptr<Sink>> sink_at(std::string_view connector, const std::string& folder) {
  auto request = TRY(request_for(connector, folder));
  request.options.merge(RawOptions(TRY(places_of(connector)).of(folder).sink));
  return everything().create_sink(request);
}

std::string missing_at(std::string_view connector) {
  auto all = places_of(connector);
  return all.ok() ? all->of("/anywhere").missing : "";  // whose battery then says so
}

// Rows get to a place by its own sink.
Result<void> deliver(std::string_view connector, const std::string& folder, int64_t first, int64_t count) {
  TestContext context;
  auto sink = TRY(sink_at(connector, folder));
  const auto generation = static_cast<Generation>(first + 1);
  TRY(sink->open(context, *numbered_schema(), first > 0));
  auto committer = TRY(sink->create_committer(context));
  TRY(committer->fence_and_load(context, generation));
  auto writer = TRY(sink->create_writer(context, {.pipeline = "battery", .generation = generation}));
  const auto rows = numbered_rows(first, count, "in" + std::to_string(first));
  TRY(writer->write(context, rows));
  auto prepared = TRY(writer->prepare(context, 1));
  Positions upto;
  for (const auto& step : rows.progress) upto[step.split] = step.upto;
  return committer->commit(context, prepared, {}, upto);
}

// Its own source reads it, bounded: what another program sees is the business of tests/e2e.
Result<SeenRows> look(std::string_view connector, const std::string& folder) {
  TestContext context;
  SeenRows seen;
  auto opened = [&]() -> Result<std::unique_ptr<Source>> {
    auto source = TRY(source_at(connector, folder, false));
    TRY(source->plan(context, {}));
    return source;
  }();
  if (!opened.ok() && opened.error().fault == Fault::user) return seen;  // there is no target yet
  auto source = TRY(std::move(opened));
  TRY(source->start(context, {}));
  for (bool finished = false; !finished;) {
    auto events = TRY(source->poll_splits(context, {}));
    finished = events.finished;
    if (events.added.empty()) continue;
    auto reader = TRY(source->create_reader(context, events.added));
    for (;;) {
      auto event = TRY(reader->next(context, system_clock().steady() + Millis(1000)));
      if (std::holds_alternative<End>(event)) break;
      const auto* rows = std::get_if<Rows>(&event);
      if (rows == nullptr || rows->batch == nullptr) continue;
      for (auto& row : seen_in(*rows->batch)) seen.push_back(std::move(row));
    }
  }
  return seen;
}

SourceCase source_case(const std::string& connector, bool streaming) {
  return {connector + (streaming ? "_stream" : ""),
          [connector](const std::string& folder, int64_t first, int64_t count) {
            return deliver(connector, folder, first, count);
          },
          [connector, streaming](const std::string& folder) { return source_at(connector, folder, streaming); },
          [connector] { return missing_at(connector); }};
}

std::vector<SourceCase> all_sources() {
  std::vector<SourceCase> cases;
  for (const auto& connector : everything().connectors()) {
    if (connector.create_source == nullptr) continue;
    const std::string name(connector.name);
    cases.push_back(source_case(name, false));
    if (auto all = places_of(name); all.ok() && all->streaming) cases.push_back(source_case(name, true));
  }
  return cases;
}

std::vector<SourceCase> shared_sources() {
  std::vector<SourceCase> cases;
  for (const auto& [connector, all] : places()) {
    if (all.shares_work) cases.push_back(source_case(std::string(connector), true));
  }
  return cases;
}

std::vector<SinkCase> all_sinks() {
  std::vector<SinkCase> cases;
  for (const auto& connector : everything().connectors()) {
    if (connector.create_sink == nullptr || connector.name == "null") continue;  // null keeps nothing to be looked at
    const std::string name(connector.name);
    cases.push_back({name, [name](const std::string& folder) { return sink_at(name, folder); },
                     [name](const std::string& folder) { return look(name, folder); },
                     [name] { return missing_at(name); }});
  }
  return cases;
}

const auto kNameOfCase = [](const auto& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Registry, SourceBattery, testing::ValuesIn(all_sources()), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(Registry, SharedSourceBattery, testing::ValuesIn(shared_sources()), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(Registry, SinkBattery, testing::ValuesIn(all_sinks()), kNameOfCase);

}  // namespace
}  // namespace sluice::conformance
