#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/bench_servers.hpp"

namespace assent::bench {
namespace {

using ::testing::HasSubstr;

TEST(ServerUrlTest, AllPartsAreTaken) {
  const auto server = server_of_url("mysql://bench:s%40cret%3A@db1.example:3307");
  ASSERT_TRUE(server.ok()) << server.error().what;
  EXPECT_EQ(server->user, "bench");
  EXPECT_EQ(server->password, "s@cret:");
  EXPECT_EQ(server->admin_user, "bench");
  EXPECT_EQ(server->host, "db1.example");
  EXPECT_EQ(server->port, 3307);
  EXPECT_EQ(server->name, "db1.example:3307");
}

TEST(ServerUrlTest, PortAndPasswordMayBeLeftOut) {
  const auto server = server_of_url("mysql://root@localhost/");
  ASSERT_TRUE(server.ok()) << server.error().what;
  EXPECT_EQ(server->password, "");
  EXPECT_EQ(server->host, "localhost");
  EXPECT_EQ(server->port, 3306);
}

TEST(ServerUrlTest, ASocketMayBeNamed) {
  const auto server = server_of_url("mysql://root:x@localhost?socket=/run/my%20sql.sock");
  ASSERT_TRUE(server.ok()) << server.error().what;
  EXPECT_EQ(server->socket, "/run/my sql.sock");
}

TEST(ServerUrlTest, WhatIsWrongIsSaidWithoutThePassword) {
  for (const char* url :
       {"http://a:secret@b", "mysql://b:3306", "mysql://a:secret@", "mysql://a:secret@b:99999", "mysql://a:secret@b:x",
        "mysql://a:secret%4@b", "mysql://a:secret@b?charset=x", "mysql://@b"}) {
    const auto server = server_of_url(url);
    ASSERT_FALSE(server.ok()) << url;
    EXPECT_THAT(server.error().what, ::testing::Not(HasSubstr("secret"))) << url;
  }
}

TEST(ServersJsonTest, WhatTheScriptPrintsIsRead) {
  const auto servers = servers_of_json(
      R"({"dir":"/tmp/x","servers":[{"name":"mysql1","kind":"mysql","version":"9.7.4","host":"127.0.0.1","port":33060,
          "socket":"/tmp/x/s","user":"assent","password":"p","admin_user":"root","admin_password":"q","pid":7,
          "state":"up"},{"name":"b","host":"h","port":1,"user":"u","password":"v"}]})");
  ASSERT_TRUE(servers.ok()) << servers.error().what;
  ASSERT_EQ(servers->size(), 2U);
  EXPECT_EQ((*servers)[0].kind, "mysql");
  EXPECT_EQ((*servers)[0].socket, "/tmp/x/s");
  EXPECT_EQ((*servers)[0].admin_password, "q");
  EXPECT_EQ((*servers)[0].pid, 7);
  EXPECT_EQ((*servers)[1].admin_user, "u") << "without an administrator of its own, the account does all";
  EXPECT_EQ((*servers)[1].pid, 0);
}

TEST(ServersJsonTest, AnythingElseIsRefused) {
  for (const char* text :
       {"", "{}", R"({"servers":[]})", R"({"servers":[{"name":"x"}]})", R"({"servers":[{"port":"x"}]})"}) {
    EXPECT_FALSE(servers_of_json(text).ok()) << text;
  }
  EXPECT_FALSE(given_servers("/nowhere/at/all.json").ok());
}

}  // namespace
}  // namespace assent::bench
