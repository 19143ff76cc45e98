// The conversations of both programs: every message passes through one of these two.

#include "chat/conversation/talk.hpp"

#include <utility>

#include <parley/endpoint.hpp>
#include <parley/peer.hpp>
#include <parley/protocols.hpp>
#include <parley/tls.hpp>

#include "chat/conversation/conversation.hpp"

namespace chat {

template <typename Peer>
asio::awaitable<outcome> talk(Peer peer, console& here, const settings& s, afterwards then) {
  conversation<Peer> whole(std::move(peer), here, s, then);
  co_return co_await whole.run();
}

template asio::awaitable<outcome> talk(parley::tls_peer, console&, const settings&, afterwards);
template asio::awaitable<outcome> talk(parley::basic_peer<parley::any_socket, parley::lines>,
                                       console&, const settings&, afterwards);

}  // namespace chat
