#pragma once

#include <boost/program_options.hpp>

#include "app/help_text.hpp"

namespace assent::app {

// What assentd says of itself, apart from what it does: assentctl writes its man page, and holds no daemon.

const ProgramHelp& daemon_help() noexcept;
boost::program_options::options_description daemon_options();

}  // namespace assent::app
