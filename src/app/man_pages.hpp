#pragma once

#include <vector>

#include "app/man_page.hpp"

namespace assent::app {

/// Every man page that there is, made of the texts that --help and --help-config print: assentctl(1) and one for each
/// of its commands, assentd(8), assentd.json(5).
std::vector<ManPage> man_pages();

}  // namespace assent::app
