#include <cppconn/driver.h>
#include <mysql_driver.h>

#include <wal/format.hpp>

#include "ports/participant.hpp"
