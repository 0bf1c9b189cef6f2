#include "batch/arrow_result.h"

#include <arrow/io/file.h>
#include <arrow/util/io_util.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(FromArrowTest, AnErrnoDecidesWhoHasToAct) {
  auto missing = to_result(arrow::io::ReadableFile::Open("/nowhere/at/all"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().fault, Fault::user);
  EXPECT_NE(missing.error().what.find("No such file or directory"), std::string::npos) << missing.error().what;
  EXPECT_EQ(from_arrow(arrow::internal::IOErrorFromErrno(ENOSPC, "write")).fault, Fault::refused);
  EXPECT_EQ(from_arrow(arrow::internal::IOErrorFromErrno(EAGAIN, "read")).fault, Fault::transient);
}

TEST(FromArrowTest, TheCodeDecidesOtherwise) {
  EXPECT_EQ(from_arrow(arrow::Status::Invalid("x")).fault, Fault::user);
  EXPECT_EQ(from_arrow(arrow::Status::Invalid("x"), Fault::bug).fault, Fault::bug);
  EXPECT_EQ(from_arrow(arrow::Status::IOError("truncated gzip")).fault, Fault::user);
  EXPECT_EQ(from_arrow(arrow::Status::OutOfMemory("x")).fault, Fault::refused);
  EXPECT_EQ(from_arrow(arrow::Status::NotImplemented("x")).fault, Fault::refused);
  EXPECT_EQ(from_arrow(arrow::Status::Cancelled("x")).fault, Fault::cancelled);
  EXPECT_EQ(from_arrow(arrow::Status::UnknownError("x")).fault, Fault::bug);
}

TEST(FromArrowTest, TheSentenceHasNoFullStopOfItsOwn) {
  EXPECT_EQ(from_arrow(arrow::Status::Invalid("this is wrong.\n")).what, "this is wrong");
}

TEST(ToResultTest, ValuesPassThrough) {
  EXPECT_TRUE(to_result(arrow::Status::OK()).ok());
  EXPECT_EQ(to_result(arrow::Result<int>(7)).value(), 7);
  EXPECT_EQ(to_result(arrow::Result<int>(arrow::Status::Invalid("no"))).error().what, "no");
}

}  // namespace
}  // namespace sluice
