#include "participant/presence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

// What the text of SHOW ENGINE INNODB STATUS tells. The texts are a MariaDB 10.11's, with sections left out.

namespace assent::participant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

const std::string kBefore =
    "\n=====================================\n"
    "2026-11-22 10:54:10 0x7fd08006b6c0 INNODB MONITOR OUTPUT\n"
    "=====================================\n";
const std::string kDeadlock =
    "------------------------\n"
    "LATEST DETECTED DEADLOCK\n"
    "------------------------\n"
    "*** (1) TRANSACTION:\n"
    "TRANSACTION 12, ACTIVE 1 sec starting index read\n"
    "MariaDB thread id 5, OS thread handle 140533478155968, query id 20 127.0.0.1 assent Updating\n"
    "UPDATE a SET x = 1\n";
const std::string kTransactions =
    "------------\n"
    "TRANSACTIONS\n"
    "------------\n"
    "Trx id counter 23\n"
    "Purge done for trx's n:o < 23 undo n:o < 0 state: running\n"
    "History list length 1\n";
const std::string kHeading = "LIST OF TRANSACTIONS FOR EACH SESSION:\n";
const std::string kActive =
    "---TRANSACTION 20, ACTIVE 1 sec\n"
    "1 lock struct(s), heap size 1128, 0 row lock(s), undo log entries 1\n"
    "MariaDB thread id 7, OS thread handle 140533478155968, query id 33 127.0.0.1 assent \n";
const std::string kHeld =
    "---TRANSACTION 19, ACTIVE (PREPARED) 1 sec\n"
    "1 lock struct(s), heap size 1128, 0 row lock(s), undo log entries 1\n"
    "MariaDB thread id 61, OS thread handle 140533482829504, query id 28 127.0.0.1 assent \n";
const std::string kLeft =
    "---TRANSACTION 18, ACTIVE (PREPARED) 4 sec recovered trx\n"
    "1 lock struct(s), heap size 1128, 0 row lock(s), undo log entries 1\n";
const std::string kAfter =
    "--------\n"
    "FILE I/O\n"
    "--------\n"
    "----------------------------\n"
    "END OF INNODB MONITOR OUTPUT\n"
    "============================\n";

TEST(PresenceTest, SessionsWithATransactionAreListed) {
  const auto text = kBefore + kTransactions + kHeading + kActive + kHeld + kLeft + kAfter;
  EXPECT_THAT(connections_in(text), Optional(ElementsAre(7, 61)));
}

TEST(PresenceTest, BranchWithoutASessionNamesNone) {
  EXPECT_THAT(connections_in(kBefore + kTransactions + kHeading + kLeft + kAfter), Optional(IsEmpty()));
  EXPECT_THAT(connections_in(kBefore + kTransactions + kHeading + kAfter), Optional(IsEmpty()));
}

TEST(PresenceTest, SessionsOfThePastAreNotListed) {
  const auto text = kBefore + kDeadlock + kTransactions + kHeading + kHeld + kAfter;
  EXPECT_THAT(connections_in(text), Optional(ElementsAre(61)));
}

TEST(PresenceTest, TextThatIsCutTellsNothing) {
  const std::string cut = "... truncated...\n";
  // With the beginning of the list, its heading included, as seen on 10.11, or not.
  EXPECT_FALSE(connections_in(kBefore + kTransactions + cut + kActive + kAfter));
  EXPECT_FALSE(connections_in(kBefore + kTransactions + kHeading + cut + kActive + kAfter));
  // Its end.
  EXPECT_FALSE(connections_in(kBefore + kTransactions + kHeading + kActive));
  EXPECT_FALSE(connections_in(""));
  // Whatever it looks like: this long it has been cut.
  const std::string row = "UPDATE a SET x = 1\n";
  std::string rows;
  while (rows.size() < 1'048'575) rows += row;
  EXPECT_FALSE(connections_in(kBefore + kTransactions + kHeading + kActive + rows + kAfter));
}

TEST(PresenceTest, QuotedTextHidesNoSession) {
  const auto quoted = "SELECT '\n" + kHeading + "... truncated...\n" + kAfter + "'\n";
  const auto text = kBefore + kTransactions + kHeading + kActive + quoted + kHeld + kAfter;
  EXPECT_THAT(connections_in(text), Optional(ElementsAre(7, 61)));
}

}  // namespace
}  // namespace assent::participant
