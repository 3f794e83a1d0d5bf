#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/generic/stream_protocol.hpp>

#include "base/clock.hpp"
#include "server/core.hpp"
#include "wire/framer.hpp"
#include "wire/message.hpp"

namespace assent::server {

/// One client. It lives until its socket is closed and its last answer has come.
///
/// It ends in this order: no more requests are taken (`ending_`: the client closed its side, or sent a line too long);
/// what runs is answered; the answers are sent; our side is shut down; what the client still sends is thrown away
/// within bounds; the socket is closed. Any error of the socket goes to the last step at once.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  Connection(std::shared_ptr<Core> core, Socket socket, Peer peer);

  // On the loop's thread.
  void start();
  /// Sends one error and ends.
  void refuse(const wire::Refusal& refusal);
  /// Since when it takes a place without a request: none came yet, or one began and does not end. Nothing of others.
  std::optional<base::SteadyTime> unheard_since();
  /// Says that another connection gets its place, and closes at once.
  void give_way();
  const Peer& peer() const { return peer_; }
  /// Closes what has been slow for too long.
  void tick(base::SteadyTime now);
  /// Closes when nothing waits to be sent, whatever still runs. Called again and again while the server stops.
  void stop_softly();
  void close();

 private:
  // On the loop's thread.
  void read();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  /// Takes the lines that have come, as far as the bounds allow, and reads on.
  void pump();
  bool has_room();
  void handle(std::string_view line);
  void submit(wire::Request request);
  void query(const wire::Id& id, const Transaction& transaction) = delete;
  void query(const wire::Id& id, const wire::StatusQuery& query);
  void query(const wire::Id& id, const wire::ListQuery& query);
  void query(const wire::Id& id, const wire::ParticipantsQuery& query);
  void query(const wire::Id& id, const wire::InfoQuery& query);
  void query(const wire::Id& id, const wire::HazardsQuery& query);
  void query(const wire::Id& id, const Acknowledgement& said);
  void query(const wire::Id& id, const SurveyQuery& query);
  void query(const wire::Id& id, const wire::RecoverQuery&);
  /// Refuses what is served on the control socket only, unless this is it.
  bool may_control(const wire::Id& id);
  /// From here on one more request is in flight, until complete().
  void begin();
  void end();
  void end_if_done();
  void linger();
  void drain();
  void wait_writable();
  void on_writable();
  void on_wake();

  // On any thread.
  template <typename T>
  void complete(const wire::Id& id, Result<T> result);
  template <typename Print>
  void answer(Print print);

  // With mutex_ held.
  std::size_t unsent_bytes() const { return unsent_.size() - unsent_at_; }
  void append_result(const wire::Id& id, TransactionResult result);
  template <typename T>
  void append_result(const wire::Id& id, const T& result);
  void flush_soon();
  void flush();
  void forget_sent();
  void give_up();
  /// Paused, and enough room to go on. Half of the bound, so that a busy connection wakes the loop's thread seldom.
  bool may_resume() const;
  void wake();

  const std::shared_ptr<Core> core_;

  // On the loop's thread only.
  Socket socket_;
  const Peer peer_;
  wire::Framer framer_;
  bool speaks_ = false;  ///< It has begun as a client does.
  bool heard_ = false;   ///< A whole line has come.
  bool reading_ = false;
  bool lingering_ = false;
  std::size_t lingered_bytes_ = 0;
  base::SteadyTime linger_by_;
  base::SteadyTime last_read_;
  base::SteadyTime frame_began_;

  std::mutex mutex_;
  const int handle_;  ///< Of the socket; valid while not closed_.
  bool closed_ = false;
  bool ending_ = false;          ///< Written, like closed_, by the loop's thread only, which may read it unlocked.
  bool broken_ = false;          ///< Sending failed: to be closed by the loop's thread.
  bool corked_ = false;          ///< The loop's thread is taking a batch of lines, and sends when it is through.
  bool waits_writable_ = false;  ///< The loop's thread sends what is unsent once the socket takes more.
  bool flushes_soon_ = false;    ///< A flush is on its way.
  bool paused_ = false;          ///< Reading stopped at a bound; wake() when there is room.
  bool woken_ = false;           ///< on_wake() is on its way.
  std::uint32_t in_flight_ = 0;
  std::string unsent_;
  std::size_t unsent_at_ = 0;  ///< What stands before it has been sent.
  base::SteadyTime progress_;  ///< When the client last took something, or the first of unsent_ was added.
};

}  // namespace assent::server
