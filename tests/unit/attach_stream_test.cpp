// A connection that was closed: its descriptor's number may be somebody else's by then.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "attach/client_stream.hpp"

namespace lectern::attach {
namespace {

TEST(ClientStream, TouchesNoDescriptorOnceItIsClosed) {
  boost::asio::io_context io;
  using boost::asio::ip::tcp;
  tcp::acceptor door(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  ClientStream stream(io);
  stream.socket().connect(door.local_endpoint());
  const int number = stream.socket().native_handle();
  auto tls = net::load_tls();
  ASSERT_TRUE(tls);
  int answers = 0;
  const auto lost = [&answers](boost::system::error_code error, std::size_t) {
    EXPECT_TRUE(error);
    ++answers;
  };
  stream.secure((*tls)->connect(number, "127.0.0.1"), [&](boost::system::error_code error) { lost(error, 0); });
  stream.close();
  io.run();
  EXPECT_EQ(answers, 1) << "the handshake";

  std::array<int, 2> others{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, others.data()), 0);
  int theirs = others[0];
  if (theirs != number) {
    theirs = ::dup2(others[0], number);
    ASSERT_EQ(theirs, number);
    ::close(others[0]);
  }
  const std::string said = "somebody else's bytes";
  ASSERT_EQ(::send(others[1], said.data(), said.size(), 0), static_cast<ssize_t>(said.size()));
  std::array<char, 64> bytes{};
  stream.async_read_some(boost::asio::buffer(bytes), lost);
  stream.async_write_some(boost::asio::buffer(said), lost);
  stream.secure((*tls)->connect(number, "127.0.0.1"), [&](boost::system::error_code error) { lost(error, 0); });
  io.restart();
  io.run();
  EXPECT_EQ(answers, 4);
  EXPECT_EQ(::recv(theirs, bytes.data(), bytes.size(), MSG_DONTWAIT), static_cast<ssize_t>(said.size()));
  EXPECT_LT(::recv(others[1], bytes.data(), bytes.size(), MSG_DONTWAIT), 0) << "nothing was written there";
  ::close(theirs);
  ::close(others[1]);
}

}  // namespace
}  // namespace lectern::attach
