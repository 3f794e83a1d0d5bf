#include <cppconn/driver.h>

#include <string>

#include "assent/result.hpp"
#include "coordinator/driver.hpp"
#include "format.hpp"
#include "participant/session.hpp"
#include "unheard_of/thing.hpp"
#include "wal/format.hpp"
