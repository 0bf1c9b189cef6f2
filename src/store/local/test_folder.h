// A folder for one test, and the Context that store calls want.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <arrow/io/interfaces.h>
#include <gtest/gtest.h>

#include "port/context.h"
#include "port/registry.h"
#include "store/local/local.h"

namespace sluice::local {

class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string name = ::testing::TempDir() + "sluice-local-XXXXXX";
    root_ = ::mkdtemp(name.data());
    store_ = local_store().create(Location{.scheme = "file"}, OptionValues{}).value();
  }
  ~FolderTest() override { std::filesystem::remove_all(root_); }

  std::string path(const std::string& name) const { return root_ + "/" + name; }
  void write(const std::string& name, const std::string& text = "x") const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool exists(const std::string& name) const { return std::filesystem::exists(path(name)); }
  // Everything in a folder, hidden files, too.
  std::vector<std::string> names_in(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path(folder)))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::vector<std::string>> list(const std::string& pattern, bool recursive = false,
                                        const std::function<bool(const std::string&)>& keep = {}) {
    auto found = TRY(store_->list(context_, path(pattern), recursive, keep));
    std::vector<std::string> names;
    for (const auto& info : found) names.push_back(info.path.substr(root_.size() + 1));
    return names;
  }

  // Everything up to the token.
  Result<std::string> prepare(const std::string& name, const std::string& text, const std::string& owner = "orders/3",
                              IfExists if_exists = IfExists::fail) {
    auto upload = TRY(store_->begin(context_, path(name), owner, if_exists));
    TRY(to_plain(upload->stream()->Write(text.data(), static_cast<int64_t>(text.size()))));
    return upload->finish(context_);
  }

  static Result<void> to_plain(const arrow::Status& status) {
    if (status.ok()) return {};
    return refused("{}", status.message());
  }

  std::string root_;
  std::stop_source stop_;
  Metrics metrics_;
  Budget budget_{64 << 20};
  Registry registry_;
  Context context_{stop_.get_token(), system_clock(), Log(), metrics_, budget_, registry_, "orders"};
  std::unique_ptr<Store> store_;
};

}  // namespace sluice::local
