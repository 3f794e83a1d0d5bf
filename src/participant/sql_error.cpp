#include "participant/sql_error.hpp"

namespace assent::participant {

bool loses_connection(std::uint32_t number) noexcept {
  switch (number) {
    case 1053:  // shutdown in progress
    case 1152:  // aborted connection
    case 1153:  // packet too large: the server closes
    case 1158:  // network errors, read and write
    case 1159:
    case 1160:
    case 1161:
    case 1184:
    case 1927:  // connection was killed (MariaDB)
    case 3168:  // server isn't available
    case 4031:  // disconnected for inactivity (MySQL)
      return true;
    default: return number >= 2000 && number < 3000;
  }
}

bool is_retryable(std::uint32_t number) noexcept {
  if (loses_connection(number)) return number != 1153;
  switch (number) {
    case 1020:  // row changed since it was read
    case 1040:  // too many connections
    case 1203:
    case 1205:  // lock wait timeout
    case 1213:  // deadlock
    case 1226:  // user's resource limit
    case 1317:  // interrupted
    case 1397:  // XA errors of a branch that was taken away
    case 1399:
    case 1402:
    case 1440:  // duplicate XID: the next one is another
    case 1613:
    case 1614:
    case 1637:  // too many concurrent transactions
    case 1969:  // max_statement_time
    case 3024:  // max_execution_time
    case 3572:  // NOWAIT
      return true;
    default: return false;
  }
}

std::string describe(const SqlError& error) {
  // Errors about connecting and privileges name accounts and hosts; others may quote rows.
  const bool harmless = error.number == 0 || loses_connection(error.number) || error.number == 1040 ||
                        (error.number >= 1044 && error.number <= 1049) || error.number == 1142 ||
                        error.number == 1227 || error.number == 1290 || error.number == 1130 || error.number == 1205 ||
                        error.number == 1213 || (error.number >= 1397 && error.number <= 1402);
  std::string text = "error " + std::to_string(error.number);
  if (!error.sqlstate.empty()) text += " (" + error.sqlstate + ")";
  if (harmless) text += ": " + error.message;
  return text;
}

}  // namespace assent::participant
