// A coordinator process to be killed: prepares branches at one participant, says so, and waits.
//   participant_child HOST PORT USER PASSWORD DATABASE COORDINATOR LOG_ID EPOCH PLACE (XID_GTRID XID_BQUAL SQL)...
// Prints `up`, then `prepared GTRID` for each branch whose prepare was acknowledged.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>

#include "base/random.hpp"
#include "participant/participant.hpp"

int main(int argc, char** argv) {
  using namespace assent;
  if (argc < 10) return 64;
  participant::Config config;
  config.name = "stock";
  config.host = argv[1];
  config.port = static_cast<std::uint16_t>(std::atoi(argv[2]));
  config.user = argv[3];
  config.password = argv[4];
  config.database = argv[5];
  config.coordinator_id = argv[6];
  base::EventLoop loop;
  const auto participant = participant::make_participant(config, loop);
  std::promise<void> up;
  ports::Claimant claimant;
  claimant.log.log_id = std::strtoull(argv[7], nullptr, 10);
  claimant.log.epoch = static_cast<std::uint32_t>(std::atoi(argv[8]));
  claimant.log.place = std::strtoull(argv[9], nullptr, 10);
  claimant.log.own_instance = base::process_instance();
  claimant.durable_sequence = [] { return std::uint64_t{1}; };
  claimant.held = [](std::chrono::milliseconds) {};
  claimant.refused = [](const std::string&) {};
  claimant.displaced = [](const std::string& why) { std::printf("displaced: %s\n", why.c_str()); };
  participant->enrol(std::move(claimant), std::nullopt, [&, first = true]() mutable {
    if (std::exchange(first, false)) up.set_value();
  });
  up.get_future().wait();
  std::puts("up");
  std::fflush(stdout);
  for (int i = 10; i + 2 < argc; i += 3) {
    ports::BranchWork work;
    work.xid = {argv[i], argv[i + 1]};
    work.branch = std::make_shared<Branch>(Branch{"stock", {{argv[i + 2], {}, {}}}});
    work.deadline = base::SteadyClock::now() + std::chrono::seconds(60);
    work.members = "stock,orders";
    const std::string gtrid = argv[i];
    participant->prepare(work, [gtrid](ports::Vote vote) {
      std::printf("%s %s\n", vote.kind == ports::Vote::Kind::prepared ? "prepared" : "failed", gtrid.c_str());
      std::fflush(stdout);
    });
  }
  for (;;) pause();
}
