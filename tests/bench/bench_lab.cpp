#include "bench/bench_lab.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <random>
#include <stdexcept>

#include "bench/bench_process.hpp"

namespace assent::bench {
namespace {

/// Sessions of coordinators and of this program's own, on top of the bare client's.
constexpr unsigned kFurtherSessions = 300;

unsigned sessions_per_server(unsigned clients, unsigned participants, std::size_t servers) {
  const auto per_server = (participants + servers - 1) / servers;
  return static_cast<unsigned>(clients * per_server) + kFurtherSessions;
}

std::string random_tag() {
  constexpr char kHex[] = "0123456789abcdef";
  std::random_device random;
  std::string tag = "ab";
  for (int i = 0; i < 6; ++i) tag += kHex[random() % 16];
  return tag;
}

Transport transport_of(const Options& options) {
  return options.run.transport == "unix" ? Transport::unix_socket : Transport::tcp;
}

Address address_of(const std::string& text) {
  const auto colon = text.rfind(':');
  Address address;
  if (colon == std::string::npos) throw std::runtime_error("--coordinator takes HOST:PORT");
  address.host = text.substr(0, colon);
  const auto parsed = std::from_chars(text.data() + colon + 1, text.data() + text.size(), address.port);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    throw std::runtime_error("--coordinator takes HOST:PORT");
  }
  return address;
}

}  // namespace

Site::Site(const Options& options, unsigned clients, unsigned participants) {
  if (options.folder.empty()) {
    temporary_ = std::make_unique<testing::TempFolder>();
    folder_ = temporary_->path();
  } else {
    std::filesystem::create_directories(options.folder);
    folder_ = std::filesystem::canonical(options.folder);
  }
  machine_ = look_at_machine(folder_);
  for (const auto& given : options.servers) {
    auto servers = given_servers(given);
    if (!servers) throw std::runtime_error(servers.error().what);
    servers_.insert(servers_.end(), servers->begin(), servers->end());
  }
  if (!servers_.empty()) return;
  const auto count = options.run.server_count;
  OwnServers::Wanted wanted;
  wanted.mysql = options.run.servers == "mysql"   ? static_cast<int>(count)
                 : options.run.servers == "mixed" ? static_cast<int>(count / 2)
                                                  : 0;
  wanted.mariadb = static_cast<int>(count) - wanted.mysql;
  wanted.connections_max = sessions_per_server(clients, participants, count);
  wanted.folder = folder_ + "/servers";
  wanted.options = options.server_options;
  own_ = std::make_unique<OwnServers>(wanted);
  servers_ = own_->servers();
}

Lab::Lab(const Options& options, const Site& site)
    : options_(options),
      folder_(site.folder()),
      testbed_(site.servers(), transport_of(options), options.run.participants, random_tag()),
      workload_(make_workload(options.run.workload, {.databases = testbed_.databases(),
                                                     .touched = options.run.touched,
                                                     .statements = options.run.statements,
                                                     .accounts = options.run.accounts,
                                                     .seed = options.seed})) {
  testbed_.fill(*workload_);
}

const CoordinatorPlace* Lab::coordinator(const std::string& mode) {
  if (!is_assent(mode)) return nullptr;
  if (const auto found = coordinators_.find(mode); found != coordinators_.end()) return &found->second;
  CoordinatorPlace place;
  place.participants = participant_names(testbed_.places().size());
  if (!options_.coordinator.empty()) {
    for (std::size_t i = 0; i < std::min(place.participants.size(), options_.participants.size()); ++i) {
      place.participants[i] = options_.participants[i];
    }
    place.address = address_of(options_.coordinator);
    wait_participants_up(place.address, place.participants);
    testbed_.also_check(coordinator_id(place.address) + ".");
    return &(coordinators_[mode] = place);
  }
  Coordinator::Options wanted;
  wanted.program = options_.assentd.empty() ? std::string(ASSENT_BIN_DIR) + "/assentd" : options_.assentd;
  wanted.id = testbed_.tag() + (mode == "assent" ? "p" : mode == "assent-3pc" ? "t" : "n");
  wanted.schema = testbed_.coordinator_schema();
  wanted.folder = folder_ + "/" + wanted.id;
  wanted.proof_rows = mode != "assent-no-proof";
  wanted.transport = testbed_.transport();
  wanted.config_json = options_.coordinator_config;
  wanted.participant_json = options_.participant_config;
  own_.push_back(std::make_unique<Coordinator>(wanted, testbed_.places()));
  place.address = own_.back()->address();
  place.pid = own_.back()->pid();
  return &(coordinators_[mode] = place);
}

}  // namespace assent::bench
