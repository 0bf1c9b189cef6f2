#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include "avro/container.h"
#include "batch/arrow_result.h"

namespace sluice::avro {
namespace {

// Two 64-bit FNV-1a hashes from different starts. Equal files have equal markers, so that a repeated upload has the
// same bytes; two files with the same beginning share one, which no reader minds.
SyncMarker hash_of(ByteSpan a, ByteSpan b) {
  SyncMarker marker;
  uint64_t hash = 14695981039346656037U;
  for (size_t half = 0; half < 2; ++half) {
    for (auto bytes : {a, b}) {
      for (uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211U;
    }
    for (size_t i = 0; i < 8; ++i) marker[8 * half + i] = static_cast<uint8_t>(hash >> (8 * i));
  }
  return marker;
}

bool put_text(Bytes& out, std::string_view text) {
  if (!out.ensure(kVarintBytesMax + std::ssize(text))) return false;
  put_varint(out, std::ssize(text));
  out.append(text.data(), std::ssize(text));
  return true;
}

}  // namespace

Result<std::unique_ptr<ContainerWriter>> ContainerWriter::make(const ContainerOptions& options, SchemaRef schema,
                                                               const arrow::Schema& columns,
                                                               std::shared_ptr<arrow::io::OutputStream> out) {
  std::unique_ptr<ContainerWriter> writer(new ContainerWriter());
  writer->options_ = options;
  writer->rows_ = TRY(RowWriter::make(std::move(schema), columns));
  writer->coder_ = make_block_coder(options.codec, options.level);
  writer->out_ = std::move(out);
  return writer;
}

Result<void> ContainerWriter::put(ByteSpan bytes) {
  TRY(to_result(out_->Write(bytes.data(), std::ssize(bytes))));
  bytes_out_ += std::ssize(bytes);
  return {};
}

// Waits for the first block, which the marker is made of.
Result<void> ContainerWriter::write_header() {
  if (begun_) return {};
  auto metadata = options_.metadata;
  metadata["avro.schema"] = rows_->schema()->json();
  metadata["avro.codec"] = kBlockCodecs[static_cast<size_t>(options_.codec)];
  Bytes header;
  const bool room = [&] {
    if (!header.ensure(4 + 2 * kVarintBytesMax)) return false;
    header.append("Obj\x01", 4);
    put_varint(header, std::ssize(metadata));
    for (const auto& [key, value] : metadata) {
      if (!put_text(header, key) || !put_text(header, value)) return false;
    }
    return header.ensure(1 + std::ssize(sync_));
  }();
  if (!room) return refused("not enough memory for an Avro header");
  header.put<uint8_t>(0);
  sync_ = hash_of(header.span(), block_.span());
  header.append(sync_.data(), std::ssize(sync_));
  begun_ = true;
  return put(header.span());
}

Result<void> ContainerWriter::write(BatchPtr batch) {
  const int64_t rows = batch->num_rows();
  TRY(rows_->bind(std::move(batch)));
  for (int64_t row = 0; row < rows;) {
    const int64_t begin = row;
    row = TRY(rows_->write(row, options_.block_bytes, block_));
    block_rows_ += row - begin;
    if (block_.size() >= options_.block_bytes) TRY(flush());
  }
  return {};
}

Result<void> ContainerWriter::flush() {
  if (block_rows_ == 0) return {};
  TRY(write_header());
  if (coder_ != nullptr) TRY(coder_->compress(block_.span(), packed_));
  const auto payload = coder_ == nullptr ? block_.span() : packed_.span();
  Bytes head;
  if (!head.ensure(2 * kVarintBytesMax)) return refused("not enough memory for an Avro block");
  put_varint(head, block_rows_);
  put_varint(head, std::ssize(payload));
  TRY(put(head.span()));
  TRY(put(payload));
  TRY(put(sync_));
  block_.clear();
  block_rows_ = 0;
  return {};
}

Result<void> ContainerWriter::finish() {
  TRY(flush());
  return write_header();
}

}  // namespace sluice::avro
