#include "connector/postgresql/rows.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "batch/change.h"

namespace sluice::postgresql {
namespace {

using postgres::WireBuffer;

constexpr uint32_t kTextOid = 25;

// What an upsert has in front of the table's columns.
class ChangeCells {
 public:
  ChangeCells(const TargetTable& table, const arrow::RecordBatch& batch) : table_(table) {
    if (table.op_field >= 0) op_ = std::dynamic_pointer_cast<arrow::StringArray>(batch.column(table.op_field));
    if (table.unchanged_field < 0) return;
    unchanged_ = std::dynamic_pointer_cast<arrow::StringArray>(batch.column(table.unchanged_field));
  }

  void append(int64_t row, int64_t number, Piece& piece) const {
    WireBuffer& out = piece.bytes;
    out.put<int32_t>(8);
    out.put<int64_t>(number);
    const bool is_delete = op_ != nullptr && !op_->IsNull(row) && op_->GetView(row) == "delete";
    out.put<int32_t>(1);
    out.put<uint8_t>(is_delete ? 1 : 0);
    piece.deletes = piece.deletes || is_delete;
    append_unchanged(row, piece);
  }

 private:
  [[nodiscard]] bool keeps(std::string_view name) const {
    for (const auto& column : table_.columns) {
      if (column.name == name) return !column.in_key;
    }
    return false;
  }

  void append_unchanged(int64_t row, Piece& piece) const {
    WireBuffer& out = piece.bytes;
    std::vector<std::string> kept;
    if (unchanged_ != nullptr && !unchanged_->IsNull(row)) {
      for (auto& name : list_of_names(unchanged_->GetView(row))) {
        if (keeps(name)) kept.push_back(std::move(name));
      }
    }
    if (kept.empty()) {
      out.put<int32_t>(-1);
      return;
    }
    const size_t length_at = out.size();
    out.put<int32_t>(0);
    out.put<int32_t>(1);  // dimensions
    out.put<int32_t>(0);  // no NULLs
    out.put<uint32_t>(kTextOid);
    out.put<int32_t>(static_cast<int32_t>(kept.size()));
    out.put<int32_t>(1);  // lower bound
    for (const auto& name : kept) {
      out.put<int32_t>(static_cast<int32_t>(name.size()));
      out.append(name);
      piece.unchanged.emplace(name);
    }
    out.put_at<int32_t>(length_at, static_cast<int32_t>(out.size() - length_at - 4));
  }

  const TargetTable& table_;
  std::shared_ptr<arrow::StringArray> op_;
  std::shared_ptr<arrow::StringArray> unchanged_;
};

struct Cell {
  std::unique_ptr<postgres::ColumnEncoder> encoder;
  const arrow::Array* array = nullptr;
  const TargetColumn* column = nullptr;
  bool must_be_there = false;
};

std::vector<Cell> cells_of(const TargetTable& table, const arrow::RecordBatch& batch) {
  std::vector<Cell> cells;
  for (const auto& column : table.columns) {
    const auto& array = batch.column(column.field);
    cells.push_back({postgres::create_encoder(array, column.type), array.get(), &column,
                     table.upsert && column.in_key && array->null_count() > 0});
  }
  return cells;
}

}  // namespace

std::string_view Piece::bytes_of(size_t first, size_t end) const {
  const size_t from = first == 0 ? 0 : ends[first - 1];
  return bytes.view().substr(from, ends[end - 1] - from);
}

std::vector<UnfitRow> encode_rows(const arrow::RecordBatch& batch, int64_t first_number, Piece& piece) {
  const TargetTable& table = *piece.table;
  std::vector<UnfitRow> unfit;
  const auto cells = cells_of(table, batch);
  const ChangeCells changes(table, batch);
  const auto fields = static_cast<int16_t>(cells.size() + (table.upsert ? 3 : 0));
  WireBuffer& out = piece.bytes;
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    const size_t begin = out.size();
    out.put<int16_t>(fields);
    if (table.upsert) changes.append(row, first_number + row, piece);
    const Cell* bad = nullptr;
    for (const auto& cell : cells) {
      if ((cell.must_be_there && cell.array->IsNull(row)) || !cell.encoder->append(row, out)) {
        bad = &cell;
        break;
      }
    }
    if (bad == nullptr) {
      ++piece.rows;
      piece.ends.push_back(out.size());
      continue;
    }
    out.truncate(begin);
    const std::string& name = bad->column->name;
    unfit.push_back(
        {row, bad->array->IsNull(row)
                  ? fmt::format("key column '{}' is NULL", name)
                  : fmt::format("column '{}': {}", name, postgres::does_not_fit(*bad->array, row, bad->column->type))});
  }
  return unfit;
}

}  // namespace sluice::postgresql
