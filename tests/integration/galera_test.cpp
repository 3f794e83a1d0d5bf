// A real Galera node: MariaDB with Debian's provider, a cluster of one.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/participants.hpp"

namespace assent::testing {
namespace {

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

DoctorFinding galera_finding(const participant::Config& config) {
  const auto diagnosis = participant::doctor(config);
  EXPECT_TRUE(diagnosis.ok());
  for (const auto& finding : diagnosis->findings) {
    if (finding.probe == "galera") return finding;
  }
  throw std::runtime_error("the doctor did not look for Galera");
}

TEST(Galera, AClusterNodeIsRefusedWithTheRemedyUnlessAcceptedByName) {
  auto& servers = Servers::start(1, 0);
  servers.stop("mariadb1");
  servers.restart("mariadb1",
                  {"--wsrep-on=ON", "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
                   "--wsrep-cluster-address=gcomm://", "--wsrep-node-address=127.0.0.1", "--binlog-format=ROW",
                   "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:" + std::to_string(free_port())});
  ASSERT_EQ(Sql(servers.at("mariadb1")).text("SELECT @@wsrep_on"), "1");
  auto config = config_for(servers.at("mariadb1"), "", "galeratest");
  const auto refused = galera_finding(config);
  EXPECT_EQ(refused.grade, DoctorFinding::Grade::refusal);
  EXPECT_FALSE(refused.remedy.empty());

  BlockingParticipant participant(config);
  participant.enrol();
  EXPECT_TRUE(eventually([&] { return participant.port().info().state == ParticipantInfo::State::refused; }));
  EXPECT_NE(participant.port().info().reason.find("galera"), std::string::npos);

  config.accept = {"galera"};
  EXPECT_EQ(galera_finding(config).grade, DoctorFinding::Grade::accepted);
}

}  // namespace
}  // namespace assent::testing
