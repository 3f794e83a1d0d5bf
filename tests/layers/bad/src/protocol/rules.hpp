#pragma once

#include <spdlog/spdlog.h>

#include <string>
#include <thread>

#include "protocol/xid.hpp"
