#include "store/local/temp_name.h"

#include <gtest/gtest.h>

namespace sluice::local {
namespace {

TEST(TempName, gives_its_owner_back_whatever_the_owner_holds) {
  for (const char* owner : {"orders/3", "a-b/12", "täglich 1%/7", "~x/1", "/0", ""}) {
    auto name = temp_name(owner, 0xABC).value();
    EXPECT_TRUE(name.starts_with(".sluice-")) << name;
    EXPECT_EQ(name.find('/'), std::string::npos) << name;
    EXPECT_EQ(owner_of(name), owner) << name;
  }
}

TEST(TempName, knows_foreign_names) {
  EXPECT_FALSE(owner_of("a.parquet"));
  EXPECT_FALSE(owner_of(".sluice-x"));
  EXPECT_FALSE(owner_of(".sluice-%zz-1.tmp"));
  EXPECT_FALSE(owner_of(".sluice-.tmp"));
}

TEST(TempName, refuses_owners_too_long_for_a_file_name) {
  EXPECT_EQ(temp_name(std::string(300, 'a') + "/1", 1).error().fault, Fault::user);
}

}  // namespace
}  // namespace sluice::local
