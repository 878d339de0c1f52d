#include "connection.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Redis/Array.h>
#include <Poco/Timespan.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "lectern/sdk/failure.hpp"

namespace presence_redis {
namespace {

using lectern::sdk::Failure;

constexpr std::size_t max_line = 64u << 10;
constexpr std::int64_t max_bulk = 1 << 20;  // we never ask for more than 256 KiB at once
constexpr std::int64_t max_list = 20'000;

/// What is left until then, and at least a moment: 0 would mean for ever.
Poco::Timespan left(Connection::Clock::time_point deadline) {
  const auto now = Connection::Clock::now();
  if (now >= deadline) throw Broken("did not answer in time");
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(deadline - now).count();
  return {std::max<Poco::Timespan::TimeDiff>(us, 1'000)};
}

std::int64_t number_of(const std::string& text) {
  std::int64_t out = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) throw Broken("does not speak Redis");
  return out;
}

Poco::Net::StreamSocket tls_socket(const Settings& settings, const Poco::Net::SocketAddress& address,
                                   const Poco::Timespan& patience) {
  using Poco::Net::Context;
  // With each connection anew, so that a replaced ca_file counts.
  Context::Ptr context = new Context(Context::TLS_CLIENT_USE, "", "", settings.ca_file, Context::VERIFY_STRICT, 9,
                                     settings.ca_file.empty());
  context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
  Poco::Net::SecureStreamSocket socket(context);
  socket.setPeerHostName(settings.host);
  socket.connect(address, patience);
  socket.setReceiveTimeout(patience);
  socket.setSendTimeout(patience);
  if (socket.completeHandshake() != 1) throw Broken("did not finish the TLS handshake");
  socket.verifyPeerCertificate(settings.host);
  return socket;
}

}  // namespace

Connection::Connection(const Settings& settings, Clock::time_point deadline) : place_(settings.place()) {
  try {
    connect(settings, deadline);
    enter(settings, deadline);
  } catch (const Poco::Exception& problem) {
    throw Broken("cannot be reached: " + problem.displayText());
  }
}

void Connection::connect(const Settings& settings, Clock::time_point deadline) {
  using Poco::Net::SocketAddress;
  const auto address = settings.host.empty() ? SocketAddress(SocketAddress::UNIX_LOCAL, settings.socket)
                                             : SocketAddress(settings.host, settings.port);
  if (settings.tls) {
    socket_ = tls_socket(settings, address, left(deadline));
  } else {
    socket_.connect(address, left(deadline));
  }
  if (!settings.host.empty()) socket_.setNoDelay(true);
}

void Connection::enter(const Settings& settings, Clock::time_point deadline) {
  std::vector<Arguments> commands;
  if (const auto password = settings.password(); !password.empty()) {
    commands.push_back(settings.username.empty() ? Arguments{"AUTH", password}
                                                 : Arguments{"AUTH", settings.username, password});
  }
  if (settings.database != 0) commands.push_back({"SELECT", std::to_string(settings.database)});
  if (commands.empty()) return;
  const auto replies = call(commands, deadline);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].kind != Reply::Kind::error) continue;
    // Only the first word: what follows may repeat the command, with the password in it.
    const auto word = replies[i].text.substr(0, replies[i].text.find(' ')).substr(0, 20);
    throw Failure(LECTERN_UNAVAILABLE,
                  "the Redis server at " + place_ + " refused " +
                      (commands[i][0] == "AUTH" ? "the password" : "the database") + " (" + word + ")",
                  "check \"username\", \"password_file\" and \"database\"")
        .code("redis_refused");
  }
}

void Connection::send(const std::string& bytes, Clock::time_point deadline) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    socket_.setSendTimeout(left(deadline));
    const auto piece = static_cast<int>(std::min<std::size_t>(bytes.size() - sent, 64u << 10));
    const int count = socket_.sendBytes(bytes.data() + sent, piece);
    if (count <= 0) throw Broken("took no more");
    sent += static_cast<std::size_t>(count);
  }
}

void Connection::fill(Clock::time_point deadline) {
  if (taken_ == read_.size()) {
    read_.clear();
    taken_ = 0;
  }
  socket_.setReceiveTimeout(left(deadline));
  std::array<char, 16384> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by what follows
  const int count = socket_.receiveBytes(piece.data(), static_cast<int>(piece.size()));
  if (count <= 0) throw Broken("closed the connection");
  read_.append(piece.data(), static_cast<std::size_t>(count));
}

std::string Connection::line(Clock::time_point deadline) {
  for (;;) {
    const auto end = read_.find("\r\n", taken_);
    if (end != std::string::npos) {
      auto out = read_.substr(taken_, end - taken_);
      taken_ = end + 2;
      return out;
    }
    if (read_.size() - taken_ > max_line) throw Broken("does not speak Redis");
    fill(deadline);
  }
}

std::string Connection::bytes(std::size_t count, Clock::time_point deadline) {
  while (read_.size() - taken_ < count) fill(deadline);
  auto out = read_.substr(taken_, count);
  taken_ += count;
  return out;
}

/// Not Poco::Redis's own reader, which believes any length and takes memory for it.
Reply Connection::reply(Clock::time_point deadline, int depth) {
  auto text = line(deadline);
  if (text.empty()) throw Broken("does not speak Redis");
  const char marker = text.front();
  text.erase(0, 1);
  Reply out;
  if (marker == '+' || marker == '-') {
    out.kind = marker == '+' ? Reply::Kind::text : Reply::Kind::error;
    out.text = std::move(text);
    return out;
  }
  const auto number = number_of(text);
  if (marker == ':') {
    out.kind = Reply::Kind::number;
    out.number = number;
  } else if (marker == '$' && number >= 0 && number <= max_bulk) {
    out.kind = Reply::Kind::text;
    out.text = bytes(static_cast<std::size_t>(number) + 2, deadline);
    out.text.resize(static_cast<std::size_t>(number));
  } else if (marker == '*' && number >= 0 && number <= max_list && depth > 0) {
    out.kind = Reply::Kind::list;
    for (std::int64_t i = 0; i < number; ++i) out.list.push_back(reply(deadline, depth - 1));
  } else if (number != -1 || (marker != '$' && marker != '*')) {
    throw Broken("answered with more than was asked for");
  }
  return out;
}

std::vector<Reply> Connection::call(const std::vector<Arguments>& commands, Clock::time_point deadline) {
  try {
    std::string out;
    for (const auto& arguments : commands) {
      Poco::Redis::Array command;
      for (const auto& argument : arguments) command.add(argument);
      out += command.toString();
    }
    send(out, deadline);
    std::vector<Reply> replies;
    replies.reserve(commands.size());
    for (std::size_t i = 0; i < commands.size(); ++i) replies.push_back(reply(deadline, 3));
    return replies;
  } catch (const Poco::TimeoutException&) {
    throw Broken("did not answer in time");
  } catch (const Poco::Exception& problem) {
    throw Broken("was lost: " + problem.displayText());
  }
}

}  // namespace presence_redis
