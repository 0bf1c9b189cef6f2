#include "connector/file/file_committer.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <nlohmann/json.hpp>

namespace sluice::file {
namespace {

struct Payload {
  std::vector<std::string> publish;
  std::vector<std::string> remove;  // what `if_exists := replace` found in the folder
};

Result<Payload> parse_payload(const Prepared& prepared) {
  auto json = nlohmann::json::parse(prepared.payload, nullptr, false);
  try {
    Payload payload;
    payload.publish = json.at("publish").get<std::vector<std::string>>();
    if (json.contains("remove")) payload.remove = json.at("remove").get<std::vector<std::string>>();
    return payload;
  } catch (const nlohmann::json::exception&) {
    return refused("the record of prepared files is unreadable: {}", prepared.payload);
  }
}

}  // namespace

Result<std::optional<Positions>> FileCommitter::fence_and_load(Context&, Generation generation) {
  // The intent is saved with a compare-and-swap on the generation: a fenced-off process publishes nothing new.
  generation_ = generation;
  spared_.clear();
  return std::optional<Positions>();
}

Result<std::optional<Positions>> FileCommitter::join_and_load(Context&, Generation generation,
                                                              std::span<const Generation> spared) {
  generation_ = generation;
  spared_.assign(spared.begin(), spared.end());
  return std::optional<Positions>();
}

Result<void> FileCommitter::commit(Context& context, std::span<const Prepared> prepared, const Positions&,
                                   const Positions&) {
  auto& store = *endpoint_.store;
  std::vector<Payload> payloads;
  for (const auto& part : prepared) payloads.push_back(TRY(parse_payload(part)));
  std::vector<std::string> tokens;
  for (auto& payload : payloads) std::move(payload.publish.begin(), payload.publish.end(), std::back_inserter(tokens));
  // The first one alone: a crash among many published files is then a step that tests can stop at.
  auto first = std::span<const std::string>(tokens).first(std::min<size_t>(1, tokens.size()));
  TRY(store.publish_all(context, first));
  if (tokens.size() > 1) crash_point("file.commit.mid");
  TRY(store.publish_all(context, std::span<const std::string>(tokens).subspan(first.size())));
  for (const auto& payload : payloads) {
    for (const auto& path : payload.remove) TRY(store.remove(context, path));
  }
  TRY(store.sync(context));
  crash_point("file.commit.after");
  return {};
}

Result<Outcome> FileCommitter::resume(Context& context, std::span<const Prepared> prepared) {
  if (prepared.empty()) return Outcome::nothing_to_do;
  TRY(commit(context, prepared, {}, {}).while_doing("finishing what an earlier run decided"));
  return Outcome::completed;
}

Result<void> FileCommitter::discard(Context& context, std::span<const Prepared> prepared) {
  auto& store = *endpoint_.store;
  std::vector<std::string> tokens;
  for (const auto& part : prepared) {
    auto payload = TRY(parse_payload(part));
    replaced_.add(std::move(payload.remove));  // the next epoch removes it
    std::move(payload.publish.begin(), payload.publish.end(), std::back_inserter(tokens));
  }
  for (const auto& token : tokens) TRY(store.discard(context, token));
  if (!prepared.empty()) return {};
  const std::string prefix = endpoint_.pipeline.empty() ? context.pipeline : endpoint_.pipeline;
  return store.sweep(context, root_, [&](const std::string& owner) {
    auto slash = owner.rfind('/');
    if (slash == std::string::npos || owner.substr(0, slash) != prefix) return false;
    Generation generation = 0;
    auto [end, error] = std::from_chars(owner.data() + slash + 1, owner.data() + owner.size(), generation);
    if (error != std::errc() || end != owner.data() + owner.size() || generation >= generation_) return false;
    return !std::binary_search(spared_.begin(), spared_.end(), generation);
  });
}

}  // namespace sluice::file
