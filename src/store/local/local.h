// The store of file://: plain files in folders. Thread-safe; keeps inotify handles and the list of folders whose names
// are not durable yet.
//
// An upload is a hidden temporary file in its target folder, so that publishing is a rename within one file system and
// readers of the lake skip it until then.
#pragma once

#include "port/store.h"

namespace sluice {

StoreDescriptor local_store();

}  // namespace sluice
