// Every command of the program, one file each; the list is in app/.
#pragma once

#include "cli/command.h"

namespace sluice {

Command run_command();           // run.cc
Command check_command();         // check.cc
Command explain_command();       // explain.cc
Command preview_command();       // preview.cc
Command cp_command();            // cp.cc
Command schema_command();        // schema.cc
Command connectors_command();    // connectors.cc
Command status_command();        // status.cc
Command reset_command();         // reset.cc
Command drop_command();          // drop.cc
Command dead_letters_command();  // dead_letters.cc
Command completion_command();    // completion.cc
Command reference_command();     // reference.cc

}  // namespace sluice
