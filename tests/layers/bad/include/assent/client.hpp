#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "assent/result.hpp"
#include "base/check.hpp"
