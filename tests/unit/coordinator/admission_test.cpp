#include "coordinator/admission.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace assent::coordinator {
namespace {

class AdmissionTest : public testing::Test {
 protected:
  std::shared_ptr<Admission::Ticket> admit(Admission& admission, std::vector<Admission::ParticipantIndex> at, int id) {
    auto ticket = Admission::ticket(std::move(at), [this, id] { started_.push_back(id); });
    admission.admit(ticket);
    return ticket;
  }
  std::vector<int> started_;
};

TEST_F(AdmissionTest, StartsAtOnceWhileThereIsRoom) {
  Admission admission({1, 1});
  admit(admission, {0, 1}, 1);
  EXPECT_EQ(started_, (std::vector{1}));
}

TEST_F(AdmissionTest, StartsOnlyWithASlotAtEveryParticipant) {
  Admission admission({1, 1});
  admit(admission, {0}, 1);
  admit(admission, {0, 1}, 2);
  EXPECT_EQ(started_, (std::vector{1}));
  admission.release(0);
  EXPECT_EQ(started_, (std::vector{1, 2}));
}

TEST_F(AdmissionTest, ALaterOneDoesNotOvertakeAtAContendedParticipant) {
  Admission admission({1, 1});
  admit(admission, {0}, 1);
  admit(admission, {0, 1}, 2);
  admit(admission, {1}, 3);
  EXPECT_EQ(started_, (std::vector{1})) << "participant 1 is held for transaction 2";
  admission.release(0);
  admission.release(0);
  admission.release(1);
  EXPECT_EQ(started_, (std::vector{1, 2, 3}));
}

TEST_F(AdmissionTest, OppositeOrdersDoNotDeadlock) {
  Admission admission({1, 1});
  admit(admission, {0, 1}, 1);
  admit(admission, {1, 0}, 2);
  admit(admission, {0, 1}, 3);
  for (int i = 0; i < 2; ++i) {
    admission.release(0);
    admission.release(1);
  }
  EXPECT_EQ(started_, (std::vector{1, 2, 3}));
}

TEST_F(AdmissionTest, ACancelledOneGivesBackWhatItHeldAndNeverStarts) {
  Admission admission({1, 1});
  admit(admission, {0}, 1);
  const auto waiting = admit(admission, {0, 1}, 2);
  admit(admission, {1}, 3);
  EXPECT_TRUE(admission.cancel(waiting));
  EXPECT_EQ(started_, (std::vector{1, 3}));
  EXPECT_FALSE(admission.cancel(waiting));
  admission.release(0);
  EXPECT_EQ(started_, (std::vector{1, 3}));
}

TEST_F(AdmissionTest, AStartedOneCannotBeCancelled) {
  Admission admission({1});
  EXPECT_FALSE(admission.cancel(admit(admission, {0}, 1)));
}

TEST_F(AdmissionTest, CancelledBeforeItQueuesItNeverQueues) {
  Admission admission({1});
  const auto ticket = Admission::ticket({0}, [this] { started_.push_back(1); });
  EXPECT_TRUE(admission.cancel(ticket));
  admission.admit(ticket);
  admit(admission, {0}, 2);
  EXPECT_EQ(started_, (std::vector{2}));
}

TEST(Admission, UnderRandomLoadTheBoundHoldsAndEveryoneStarts) {
  constexpr std::uint32_t kSlots = 3;
  constexpr int kTickets = 4000;
  Admission admission({kSlots, kSlots, kSlots, kSlots});
  std::atomic<int> in_flight[4] = {};
  std::atomic<int> started{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < kTickets; ++i) {
      std::vector<Admission::ParticipantIndex> at = {0, 1, 2, 3};
      std::shuffle(at.begin(), at.end(), random);
      at.resize(1 + random() % 4);
      std::atomic<bool> running{false};
      admission.admit(Admission::ticket(at, [&running] {
        running = true;
        running.notify_one();
      }));
      running.wait(false);
      for (const auto participant : at) EXPECT_LE(++in_flight[participant], static_cast<int>(kSlots));
      for (const auto participant : at) {
        --in_flight[participant];
        admission.release(participant);
      }
      ++started;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 8; ++seed) threads.emplace_back(work, seed);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(started, 8 * kTickets);
}

}  // namespace
}  // namespace assent::coordinator
