// A schema registry inside a test: what Confluent's API promises, in memory, without compatibility checks.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "net/test_server.h"

namespace sluice::net {

class TestRegistry {
 public:
  TestRegistry() : server_([this](const SeenRequest& request) { return answer(request); }) {}

  [[nodiscard]] std::string url() const { return server_.url("/apis/ccompat"); }
  [[nodiscard]] size_t requests() { return server_.seen().size(); }

  // Registers as a producer would; `references` as {name, subject, version}.
  int add(const std::string& subject, const std::string& schema, const std::string& type = "AVRO",
          const std::vector<std::tuple<std::string, std::string, int>>& references = {}) {
    nlohmann::json item = {{"schema", schema}, {"schemaType", type}, {"references", nlohmann::json::array()}};
    for (const auto& [name, of, version] : references) {
      item["references"].push_back({{"name", name}, {"subject", of}, {"version", version}});
    }
    std::lock_guard lock(mutex_);
    return add_item(subject, item);
  }
  // The newest schema of a subject, {} where there is none.
  nlohmann::json latest(const std::string& subject) {
    std::lock_guard lock(mutex_);
    auto found = subjects_.find(subject);
    return found == subjects_.end() ? nlohmann::json::object() : by_id_.at(found->second.back());
  }
  std::string compatibility(const std::string& subject) {
    std::lock_guard lock(mutex_);
    return compatibility_[subject];
  }
  void go_down(bool down) {
    std::lock_guard lock(mutex_);
    down_ = down;
  }

 private:
  int add_item(const std::string& subject, const nlohmann::json& item) {
    int id = 0;
    for (const auto& [known, schema] : by_id_) {
      if (schema == item) id = known;
    }
    if (id == 0) {
      id = static_cast<int>(by_id_.size()) + 1;
      by_id_[id] = item;
    }
    auto& versions = subjects_[subject];
    if (std::find(versions.begin(), versions.end(), id) == versions.end()) versions.push_back(id);
    return id;
  }

  ServerReply answer(const SeenRequest& request) {
    std::lock_guard lock(mutex_);
    if (down_) return {503, "down for repairs", {}};
    std::vector<std::string> path;
    std::string part;
    for (char c : request.target.substr(0, request.target.find('?')) + "/") {
      if (c != '/') {
        part += c;
      } else {
        if (!part.empty()) path.push_back(std::exchange(part, ""));
      }
    }
    if (path.size() < 3 || path[0] != "apis" || path[1] != "ccompat") return {404, "<html>", {}};
    path.erase(path.begin(), path.begin() + 2);
    if (path[0] == "schemas") return by_id(std::stoi(path.at(2)));
    if (path[0] == "config") {
      compatibility_[path.at(1)] = nlohmann::json::parse(request.body).at("compatibility");
      return {200, request.body, {}};
    }
    if (request.method == "POST") {
      auto item = nlohmann::json::parse(request.body);
      if (!item.contains("schemaType")) item["schemaType"] = "AVRO";
      if (!item.contains("references")) item["references"] = nlohmann::json::array();
      const int id = add_item(path.at(1), item);
      const auto& versions = subjects_[path.at(1)];
      const auto version = std::find(versions.begin(), versions.end(), id) - versions.begin() + 1;
      return {200, nlohmann::json({{"id", id}, {"version", version}}).dump(), {}};
    }
    auto found = subjects_.find(path.at(1));
    if (found == subjects_.end()) return {404, R"({"error_code":40401,"message":"no such subject"})", {}};
    const auto& versions = found->second;
    const size_t version = path.at(3) == "latest" ? versions.size() : std::stoul(path.at(3));
    if (version > versions.size()) return {404, R"({"error_code":40402,"message":"no such version"})", {}};
    return by_id(versions[version - 1]);
  }
  ServerReply by_id(int id) {
    auto found = by_id_.find(id);
    if (found == by_id_.end()) return {404, R"({"error_code":40403,"message":"no such schema"})", {}};
    auto item = found->second;
    item["id"] = id;
    if (item["schemaType"] == "AVRO") item.erase("schemaType");
    return {200, item.dump(), {}};
  }

  std::mutex mutex_;
  bool down_ = false;
  std::map<int, nlohmann::json> by_id_;
  std::map<std::string, std::vector<int>> subjects_;
  std::map<std::string, std::string> compatibility_;
  TestServer server_;
};

}  // namespace sluice::net
