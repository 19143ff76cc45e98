#include <string>

#include <parley/error.hpp>
#include <parley/protocols.hpp>
#include <parley/tls.hpp>

#include "chat/conversation/connector.hpp"
#include "chat/conversation/dialing.hpp"
#include "chat/conversation/joining.hpp"
#include "chat/files/terms.hpp"
#include "chat/program/outcome.hpp"
#include "chat/screen/console.hpp"
#include "chat/screen/explain.hpp"

namespace chat {

namespace {

asio::awaitable<exit_status> join(console& here, const client_settings& s, const terms& t) {
  here.me = t.me.id();
  if (t.me.made) here.show().introduce(t.me.id(), t.me.path);
  const auto explain = [&t](const no_peer& f) {
    if (const auto special = t.known.explain(f.why)) return *special;
    if (f.why == parley::errc::tls_refused)
      return reason_text(f.why) + "; whoever runs it can --allow " + to_string(t.me.id());
    return explain_no_connection(f.why) + (f.words.empty() ? "" : " (" + f.words + ")");
  };
  const auto met = [&](const auto& peer) {
    try {
      if (const auto news = t.known.met(*peer.identity())) here.show().tell(*news);
    } catch (const file_error& e) {
      here.show().error(std::string(e.what()) + "; the server will be new here next time too");
    }
  };
  const parley::tls_connector<chat::connector> connect(chat::connector{s.server}, t.me.key,
                                                       t.known.check(), t.invited);
  co_return co_await join<parley::session>(here, s, connect, explain, met);
}

}  // namespace

exit_status join_securely(const client_settings& s, const terms& t) {
  return run_at_console(s, [&](console& here) { return join(here, s, t); });
}

}  // namespace chat
