// The bytes of an object as a decoder wants them: from an offset on, decompressed.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include <arrow/io/type_fwd.h>

#include "codec/codec.h"
#include "connector/file/position.h"

namespace sluice::file {

// Reads `file` from `offset` on with ReadAt: no copy between the store's buffer and the caller, no shared cursor.
std::shared_ptr<arrow::io::InputStream> stream_from(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t offset);

// The whole of a small file, read by one system call; `file` itself where it has another size by now.
Result<std::shared_ptr<arrow::io::RandomAccessFile>> read_whole(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                                int64_t bytes);

// Decompressed bytes from `offset` on. Compressed data has to be decompressed up to there; it is an error (Fault::user)
// when it ends before.
Result<std::shared_ptr<arrow::io::InputStream>> open_bytes(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                           Codec codec, int64_t offset, const std::string& name);

// The same of `stored`, which is compressed and stands at its beginning.
Result<std::shared_ptr<arrow::io::InputStream>> open_compressed_bytes(std::shared_ptr<arrow::io::InputStream> stored,
                                                                      Codec codec, int64_t offset,
                                                                      const std::string& name);

// The line feeds before the decompressed byte `end`, with which an error names its line; all before it is read once
// more.
Result<int64_t> count_line_feeds(std::shared_ptr<arrow::io::RandomAccessFile> file, Codec codec, int64_t end,
                                 const std::string& name, const std::stop_token& stop);

// Is what `read` has delivered of an uncompressed file the beginning of this compressed one?
Result<bool> holds_already_read(std::shared_ptr<arrow::io::RandomAccessFile> file, Codec codec,
                                const FilePosition& read);

}  // namespace sluice::file
