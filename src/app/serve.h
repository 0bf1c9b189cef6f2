// `sluice serve`: the server. It lives here because it joins the command line with the gateway, which are siblings.
#pragma once

#include "cli/command.h"

namespace sluice {

Command serve_command();

}  // namespace sluice
