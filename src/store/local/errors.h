// What a failed system call on a path means to the user, in one sentence.
#pragma once

#include <string>
#include <string_view>

#include <arrow/status.h>

#include "base/result.h"

namespace sluice::local {

// "cannot write to /lake/a: the disk is full; …". `doing` is a verb phrase before the path: "write to".
Error path_error(int error_number, std::string_view doing, const std::string& path);

// The same for Arrow's interfaces; keeps the errno so that from_arrow() finds the Fault again.
arrow::Status path_status(int error_number, std::string_view doing, const std::string& path);

// The folder a path lies in: "/a/b" → "/a", "/a" → "/".
std::string folder_of(const std::string& path);
std::string_view name_of(std::string_view path);

}  // namespace sluice::local
