#include "batch/arrow_result.h"

#include <memory>
#include <string_view>

#include <arrow/util/io_util.h>

namespace sluice {
namespace {

constexpr const char* kFaultDetail = "sluice::Fault";

class FaultDetail final : public arrow::StatusDetail {
 public:
  explicit FaultDetail(Fault fault) : fault_(fault) {}
  [[nodiscard]] const char* type_id() const override { return kFaultDetail; }
  [[nodiscard]] std::string ToString() const override { return {}; }
  [[nodiscard]] Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

Fault fault_of(const arrow::Status& status, Fault invalid_is) {
  if (const auto& detail = status.detail(); detail != nullptr && std::string_view(detail->type_id()) == kFaultDetail) {
    return static_cast<const FaultDetail&>(*detail).fault();
  }
  if (const int error_number = arrow::internal::ErrnoFromStatus(status); error_number != 0) {
    return errno_error(error_number, {}).fault;
  }
  switch (status.code()) {
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
    case arrow::StatusCode::AlreadyExists:
    case arrow::StatusCode::NotImplemented:
      return Fault::refused;
    case arrow::StatusCode::Cancelled:
      return Fault::cancelled;
    // Without an errno an IOError comes from a decoder: a truncated gzip, a Parquet file without its footer.
    case arrow::StatusCode::IOError:
    case arrow::StatusCode::SerializationError:
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::KeyError:
    case arrow::StatusCode::IndexError:
      return invalid_is;
    default:
      return Fault::bug;
  }
}

}  // namespace

arrow::Status to_arrow(const Error& error) {
  return {arrow::StatusCode::IOError, error.message(), std::make_shared<FaultDetail>(error.fault)};
}

Error from_arrow(const arrow::Status& status, Fault invalid_is) {
  CHECK(!status.ok());
  std::string what = status.message();
  // Arrow keeps the errno's text in the detail, "[errno 28] No space left on device": it is what people look for.
  if (const auto& detail = status.detail(); detail != nullptr) {
    const std::string more = detail->ToString();
    if (!more.empty() && what.find(more) == std::string::npos) what += ": " + more;
  }
  while (what.ends_with('.') || what.ends_with('\n') || what.ends_with(' ')) what.pop_back();
  return Error{fault_of(status, invalid_is), std::move(what), {}};
}

}  // namespace sluice
