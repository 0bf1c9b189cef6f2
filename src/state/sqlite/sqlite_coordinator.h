// The Coordinator on one SQLite file: the default state store, .sluice/state.db.
//
// Several processes of one machine may share the file, each running other pipelines. Who runs a pipeline is proven by
// a lock that the kernel releases when the process ends, however it ends, on one byte of the file `<path>-lease`: no
// clock, no process id that may have been reused. Beside that, every write compares the lease's generation, so that a
// process which lost its lease (somebody deleted the lock file) changes nothing.
//
// The file may be copied while it is in use with `sqlite3 state.db "VACUUM INTO 'copy.db'"` or `sqlite3 state.db
// ".backup copy.db"`; a plain cp misses what is still in state.db-wal. A copy carries no locks: nobody runs anything
// in it. It lies on a local disk: SQLite's write-ahead log needs memory shared by all who open it.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "port/coordinator.h"

namespace sluice {

// `path` is what follows "sqlite:". Creates the file and its folder. A file of somebody else, a damaged one, and one
// written by a newer Sluice are refused. Waiting for another process's lock ends early when `stop` is requested.
Result<std::unique_ptr<Coordinator>> open_sqlite_coordinator(const std::string& path, Clock& clock = system_clock(),
                                                             std::stop_token stop = {});

}  // namespace sluice
