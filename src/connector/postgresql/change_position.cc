#include "connector/postgresql/change_position.h"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

namespace sluice::postgresql {
namespace {

using Json = nlohmann::json;

Json json_of(const Key& key) {
  Json out = Json::array();
  for (const auto& value : key) std::visit([&](const auto& plain) { out.push_back(plain); }, value);
  return out;
}

Key key_of(const Json& json) {
  Key out;
  for (const auto& value : json) {
    if (value.is_string()) {
      out.emplace_back(value.get<std::string>());
    } else {
      out.emplace_back(value.get<int64_t>());
    }
  }
  return out;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json json_of(const ChangePlace& place) { return {{"lsn", postgres::lsn_text(place.lsn)}, {"ordinal", place.ordinal}}; }

Result<ChangePlace> place_of(const Json& json) {
  ChangePlace place;
  place.lsn = TRY(postgres::parse_lsn(json.at("lsn").get<std::string>()));
  place.ordinal = json.value("ordinal", uint64_t{0});
  return place;
}

Error bad(std::string_view what, const std::string& token) {
  return user_error("the saved position of {} is not readable: {}; 'sluice reset' starts over", what,
                    token.substr(0, 200));
}

bool number(std::string_view digits, uint64_t* value) {
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), *value);
  return failed == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

Position StreamPosition::token() const {
  Json json = json_of(place);
  for (const auto& [table, further] : ahead) json["ahead"][table] = json_of(further);
  if (!emptied.empty()) json["emptied"] = emptied;
  if (!dropped.empty()) json["dropped"] = dropped;
  if (no_snapshot) json["no_snapshot"] = true;
  if (time_us != 0) json["time_us"] = time_us;
  json["system"] = identity.system;
  json["timeline"] = identity.timeline;
  json["publication"] = identity.publication;
  return {dump(json)};
}

Result<StreamPosition> StreamPosition::parse(const Position& position) {
  StreamPosition out;
  if (!position.token.starts_with('{')) {
    out.place.lsn = TRY(postgres::parse_lsn(position.token));
    out.no_snapshot = true;
    return out;
  }
  const auto json = Json::parse(position.token, nullptr, false);
  try {
    out.place = TRY(place_of(json));
    const Json ahead = json.value("ahead", Json::object());
    for (const auto& [table, further] : ahead.items()) out.ahead[table] = TRY(place_of(further));
    out.dropped = json.value("dropped", std::map<std::string, std::vector<std::string>>());
    out.no_snapshot = json.value("no_snapshot", false);
    out.time_us = json.value("time_us", int64_t{0});
    out.emptied = json.value("emptied", std::vector<std::string>());
    out.identity = {json.value("system", ""), json.value("timeline", int64_t{0}), json.value("publication", "")};
  } catch (const Json::exception&) {
    return bad("the change stream", position.token);
  }
  return out;
}

Position ChunkPosition::token() const {
  Json json{{"table", table}};
  if (range.from) json["from"] = json_of(*range.from);
  if (range.from_exclusive) json["from_exclusive"] = true;
  if (range.to) json["to"] = json_of(*range.to);
  if (range.to_inclusive) json["to_inclusive"] = true;
  if (!snapshot.empty()) json["snapshot"] = snapshot;
  if (log_end != 0) json["log_end"] = postgres::lsn_text(log_end);
  if (partial) json["partial"] = true;
  return {dump(json)};
}

Result<ChunkPosition> ChunkPosition::parse(const SplitId& split, const Position& position) {
  ChunkPosition out;
  const auto json = Json::parse(position.token, nullptr, false);
  try {
    out.table = json.at("table").get<std::string>();
    if (json.contains("from")) out.range.from = key_of(json["from"]);
    if (json.contains("to")) out.range.to = key_of(json["to"]);
    out.range.from_exclusive = json.value("from_exclusive", false);
    out.range.to_inclusive = json.value("to_inclusive", false);
    out.snapshot = json.value("snapshot", "");
    if (json.contains("log_end")) out.log_end = TRY(postgres::parse_lsn(json["log_end"].get<std::string>()));
    out.partial = json.value("partial", false);
  } catch (const Json::exception&) {
    return bad(fmt::format("snapshot piece '{}'", split), position.token);
  }
  return out;
}

std::string text_of(const KeyRange& range) {
  const auto text = [](const std::optional<Key>& key) {
    std::string out;
    for (const auto& value : key.value_or(Key())) {
      if (!out.empty()) out += ',';
      std::visit([&](const auto& plain) { out += fmt::format("{}", plain); }, value);
    }
    return out;
  };
  return fmt::format("{}{}..{}{}", range.from_exclusive ? '(' : '[', text(range.from), text(range.to),
                     range.to && !range.to_inclusive ? ')' : ']');
}

bool KeyRange::contains(const Key& key) const {
  if (from && (from_exclusive ? key <= *from : key < *from)) return false;
  return !to || (to_inclusive ? key <= *to : key < *to);
}

Result<XidSnapshot> XidSnapshot::parse(const std::string& text) {
  XidSnapshot out;
  const size_t first = text.find(':');
  const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  const std::string_view all = text;
  bool good = second != std::string::npos && number(all.substr(0, first), &out.xmin_) &&
              number(all.substr(first + 1, second - first - 1), &out.xmax_);
  for (size_t at = second + 1; good && at < all.size();) {
    const size_t comma = std::min(all.find(',', at), all.size());
    good = number(all.substr(at, comma - at), &out.running_.emplace_back());
    at = comma + 1;
  }
  if (!good) return user_error("'{}' is no snapshot of PostgreSQL's", text);
  std::sort(out.running_.begin(), out.running_.end());
  return out;
}

bool XidSnapshot::sees(uint32_t xid) const {
  // Ids wrap at 32 bits; those alive at the same time are less than half of that apart
  // (src/include/access/transam.h, TransactionIdPrecedes).
  const auto distance = static_cast<int32_t>(xid - static_cast<uint32_t>(xmax_));
  if (distance >= 0) return false;
  const uint64_t full = xmax_ - static_cast<uint64_t>(-static_cast<int64_t>(distance));
  return full < xmin_ || !std::binary_search(running_.begin(), running_.end(), full);
}

}  // namespace sluice::postgresql
