#include "server/control_socket.hpp"

#include <sys/stat.h>
#include <sys/un.h>

#include <fstream>

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "harness.hpp"

namespace assent::server {
namespace {

using std::filesystem::exists;

TEST(ControlSocket, IsOpenToItsOwnerOnly) {
  const ControlFolder folder;
  boost::asio::io_context context;
  {
    ControlSocket socket(context);
    ASSERT_TRUE(socket.bind(folder.socket()).ok());
    struct stat found {};
    ASSERT_EQ(::stat(folder.socket().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
  }
  EXPECT_FALSE(exists(folder.socket())) << "it is left behind";
}

TEST(ControlSocket, OneThatAKilledProcessHasLeftIsReplaced) {
  const ControlFolder folder;
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  folder.socket().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(left);
  ASSERT_TRUE(exists(folder.socket()));
  boost::asio::io_context context;
  ControlSocket socket(context);
  EXPECT_TRUE(socket.bind(folder.socket()).ok());
}

TEST(ControlSocket, OneThatIsInUseOrNoSocketIsLeftAlone) {
  const ControlFolder folder;
  boost::asio::io_context context;
  ControlSocket first(context);
  ASSERT_TRUE(first.bind(folder.socket()).ok());
  {
    ControlSocket second(context);
    const auto refused = second.bind(folder.socket());
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().what.find("control.socket"), std::string::npos);
  }
  EXPECT_TRUE(exists(folder.socket())) << "the one that failed has removed the other's";
  first.close();
  std::ofstream(folder.socket()) << "a file";
  EXPECT_FALSE(first.bind(folder.socket()).ok());
  EXPECT_TRUE(exists(folder.socket()));
}

TEST(ControlSocket, ItsPathMayNotBeTooLong) {
  boost::asio::io_context context;
  ControlSocket socket(context);
  const auto refused = socket.bind("/" + std::string(107, 'x'));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("107 bytes"), std::string::npos) << refused.error().what;
}

TEST_F(ServerTest, OperatorsGetInWhenClientsHaveTakenAllPlaces) {
  const ControlFolder folder;
  serve({.control_socket = folder.socket(), .connections_max = 1});
  auto busy = connect();
  busy.send(submit_line("1", "running"));
  ASSERT_TRUE(service.wait_for(1));
  EXPECT_TRUE(has(connect().line(), "all 1 connections are taken"));
  boost::asio::io_context context;
  boost::asio::local::stream_protocol::socket control(context);
  control.connect(folder.socket());
  const std::string line = info_line("2");
  boost::asio::write(control, boost::asio::buffer(line));
  std::string answer;
  boost::asio::read_until(control, boost::asio::dynamic_buffer(answer), '\n');
  EXPECT_TRUE(has(answer, R"("id":2,"result")")) << answer;
  EXPECT_TRUE(has(answer, R"("connections_now":1,)")) << answer;
  service.release("running");
  EXPECT_TRUE(has(busy.line(), R"("id":1)"));
}

}  // namespace
}  // namespace assent::server
