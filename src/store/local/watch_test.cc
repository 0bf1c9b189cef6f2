#include "store/local/watch.h"

#include <gmock/gmock.h>

#include <thread>

#include "store/local/test_folder.h"

namespace sluice::local {
namespace {

class WaitForChange : public FolderTest {
 protected:
  // How long a wait of up to `limit` took, while `change` happens after 100 ms.
  Millis wait(const std::string& pattern, const std::function<void()>& change, Millis limit = Millis(5000)) {
    auto begin = context_.clock.steady();
    std::jthread later([&] {
      std::this_thread::sleep_for(Millis(100));
      change();
    });
    EXPECT_TRUE(store_->wait_for_change(context_, path(pattern), begin + limit).ok());
    return std::chrono::duration_cast<Millis>(context_.clock.steady() - begin);
  }
  // The first call starts the watch.
  void start(const std::string& pattern) {
    EXPECT_TRUE(store_->wait_for_change(context_, path(pattern), context_.clock.steady() + Millis(5000)).ok());
  }
};

TEST_F(WaitForChange, the_first_call_returns_at_once) {
  auto begin = context_.clock.steady();
  start("*.csv");
  EXPECT_LT(context_.clock.steady() - begin, Millis(1000));
}

TEST_F(WaitForChange, notices_a_new_file) {
  start("*.csv");
  EXPECT_LT(wait("*.csv", [&] { write("a.csv"); }), Millis(2000));
}

TEST_F(WaitForChange, notices_growth_renames_and_removal) {
  write("a.log");
  start("a.log");
  EXPECT_LT(wait("a.log", [&] { std::ofstream(path("a.log"), std::ios::app) << "more"; }), Millis(2000));
  EXPECT_LT(wait("a.log", [&] { std::filesystem::rename(path("a.log"), path("a.log.1")); }), Millis(2000));
  EXPECT_LT(wait("a.log", [&] { write("a.log"); }), Millis(2000));
  EXPECT_LT(wait("a.log", [&] { std::filesystem::remove(path("a.log")); }), Millis(2000));
}

TEST_F(WaitForChange, sleeps_to_the_deadline_when_nothing_happens) {
  start("*.csv");
  auto waited = wait(
      "*.csv", [] {}, Millis(300));
  EXPECT_GE(waited, Millis(299));
  EXPECT_LT(waited, Millis(1500));
}

TEST_F(WaitForChange, ignores_unfinished_uploads) {
  start("*.csv");
  std::string token;
  auto waited = wait(
      "*.csv", [&] { token = prepare("a.csv", "x").value(); }, Millis(500));
  EXPECT_GE(waited, Millis(499));
  EXPECT_LT(wait("*.csv", [&] { ASSERT_TRUE(store_->publish(context_, token).ok()); }), Millis(2000));
}

TEST_F(WaitForChange, follows_folders_that_appear_later) {
  start("**/*.csv");
  EXPECT_LT(wait("**/*.csv", [&] { std::filesystem::create_directories(path("d/e")); }), Millis(2000));
  EXPECT_LT(wait("**/*.csv", [&] { write("d/e/a.csv"); }), Millis(2000));
}

TEST_F(WaitForChange, waits_for_a_folder_that_is_not_there_yet) {
  start("late/in/*.csv");
  EXPECT_LT(wait("late/in/*.csv", [&] { std::filesystem::create_directories(path("late")); }), Millis(2000));
  EXPECT_LT(wait("late/in/*.csv", [&] { std::filesystem::create_directories(path("late/in")); }), Millis(2000));
  EXPECT_LT(wait("late/in/*.csv", [&] { write("late/in/a.csv"); }), Millis(2000));
}

TEST_F(WaitForChange, survives_its_folder_being_replaced) {
  write("d/a.csv");
  start("d/*.csv");
  EXPECT_LT(wait("d/*.csv", [&] { std::filesystem::rename(path("d"), path("old")); }), Millis(2000));
  EXPECT_LT(wait("d/*.csv", [&] { std::filesystem::create_directory(path("d")); }), Millis(2000));
  EXPECT_LT(wait("d/*.csv", [&] { write("d/b.csv"); }), Millis(2000));
}

TEST_F(WaitForChange, watches_below_a_folder_that_was_listed_recursively) {
  write("d/e/a.csv");
  ASSERT_TRUE(list("d", true).ok());
  start("d");
  EXPECT_LT(wait("d", [&] { write("d/e/b.csv"); }), Millis(2000));
}

TEST_F(WaitForChange, returns_soon_after_stop_is_requested) {
  start("*.csv");
  EXPECT_LT(wait("*.csv", [&] { stop_.request_stop(); }), Millis(1000));
}

TEST_F(WaitForChange, looks_for_folders_anew_when_events_were_lost) {
  int queued = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queued;
  if (queued > 200'000) GTEST_SKIP() << "the kernel keeps so many events that none is lost in a test's time";
  write("a.csv");
  write("b.csv");
  start("**/*.csv");
  // Equal events in a row count as one.
  for (int i = 0; i <= queued; ++i) ::chmod(path(i % 2 == 0 ? "a.csv" : "b.csv").c_str(), 0644);
  std::filesystem::create_directories(path("unseen"));
  start("**/*.csv");
  EXPECT_LT(wait("**/*.csv", [&] { write("unseen/c.csv"); }), Millis(2000));
}

TEST_F(WaitForChange, polls_on_file_systems_without_notification) {
  // The numbers of statfs(2) and linux/magic.h.
  for (uint32_t network :
       {0x6969U, 0x517BU, 0xFE534D42U, 0xFF534D42U, 0x65735546U, 0x01021997U, 0x00C36400U, 0x0BD00BD0U, 0x5346414FU}) {
    EXPECT_TRUE(is_network_magic(network)) << std::hex << network;
  }
  for (uint32_t local : {0xEF53U, 0x58465342U, 0x9123683EU, 0x01021994U, 0x794C7630U}) {  // ext4, XFS, btrfs, tmpfs, …
    EXPECT_FALSE(is_network_magic(local)) << std::hex << local;
  }
  EXPECT_FALSE(is_network_file_system(root_));
  EXPECT_TRUE(Watch(root_, true).notified());
}

// Time passes only while somebody sleeps.
class SleptClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return now_; }
  [[nodiscard]] WallTime wall() const override { return {}; }
  bool sleep(Millis time, const std::stop_token&) override {
    now_ += time;
    return true;
  }

 private:
  SteadyTime now_{};
};

TEST_F(WaitForChange, without_notification_it_looks_every_second) {
  SleptClock clock;
  Context context{{}, clock, Log(), metrics_, budget_, registry_, ""};
  Watch watch(root_, true, Watch::Notice::never);
  EXPECT_FALSE(watch.notified());
  ASSERT_TRUE(watch.wait(context, clock.steady() + Millis(60'000)).ok());
  EXPECT_EQ(clock.steady(), SteadyTime(Millis(1000))) << "it may have changed: whoever waits has to look";
  ASSERT_TRUE(watch.wait(context, clock.steady() + Millis(300)).ok());
  EXPECT_EQ(clock.steady(), SteadyTime(Millis(1300)));
}

}  // namespace
}  // namespace sluice::local
