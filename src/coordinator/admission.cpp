#include "coordinator/admission.hpp"

#include "base/check.hpp"

namespace assent::coordinator {

struct Admission::Ticket {
  std::vector<ParticipantIndex> participants;
  std::vector<ParticipantIndex> held;
  std::function<void()> start;
  bool cancelled = false;
  bool started = false;
};

Admission::Admission(const std::vector<std::uint32_t>& slots) {
  for (const auto count : slots) {
    ASSENT_CHECK(count > 0);
    queues_.push_back({count, {}});
  }
}

std::shared_ptr<Admission::Ticket> Admission::ticket(std::vector<ParticipantIndex> participants,
                                                     std::function<void()> start) {
  auto ticket = std::make_shared<Ticket>();
  ticket->participants = std::move(participants);
  ticket->start = std::move(start);
  return ticket;
}

void Admission::admit(const std::shared_ptr<Ticket>& ticket) {
  std::vector<std::shared_ptr<Ticket>> complete;
  {
    const std::lock_guard lock(mutex_);
    if (ticket->cancelled) return;
    for (const auto participant : ticket->participants) {
      auto& queue = queues_.at(participant);
      if (queue.free > 0) {
        ASSENT_CHECK(queue.waiting.empty());
        --queue.free;
        ticket->held.push_back(participant);
      } else {
        queue.waiting.push_back(ticket);
      }
    }
    if (ticket->held.size() == ticket->participants.size()) {
      ticket->started = true;
      complete.push_back(ticket);
    }
  }
  run(complete);
}

bool Admission::cancel(const std::shared_ptr<Ticket>& ticket) {
  std::vector<std::shared_ptr<Ticket>> complete;
  {
    const std::lock_guard lock(mutex_);
    if (ticket->started || ticket->cancelled) return false;
    ticket->cancelled = true;
    ticket->start = nullptr;
    for (const auto participant : ticket->participants) std::erase(queues_[participant].waiting, ticket);
    for (const auto participant : ticket->held) pass_on(participant, complete);
    ticket->held.clear();
  }
  run(complete);
  return true;
}

void Admission::release(ParticipantIndex participant) {
  std::vector<std::shared_ptr<Ticket>> complete;
  {
    const std::lock_guard lock(mutex_);
    pass_on(participant, complete);
  }
  run(complete);
}

void Admission::pass_on(ParticipantIndex participant, std::vector<std::shared_ptr<Ticket>>& complete) {
  auto& queue = queues_.at(participant);
  if (queue.waiting.empty()) {
    ++queue.free;
    return;
  }
  auto ticket = std::move(queue.waiting.front());
  queue.waiting.pop_front();
  ticket->held.push_back(participant);
  if (ticket->held.size() == ticket->participants.size()) {
    ticket->started = true;
    complete.push_back(std::move(ticket));
  }
}

void Admission::run(const std::vector<std::shared_ptr<Ticket>>& complete) {
  for (const auto& ticket : complete) {
    // Moved out: it usually holds its transaction, which holds the ticket.
    const auto start = std::move(ticket->start);
    start();
  }
}

}  // namespace assent::coordinator
