// Who the programs are to each other: identities, whom they know, whom they let in.

#include <fcntl.h>
#include <sys/stat.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"
#include "support/programs.hpp"

namespace secure_test {

namespace {

using namespace parley::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

const std::string nothing = "/dev/null";

/// A user who has run nothing yet.
struct newcomer {
  newcomer() { std::filesystem::remove_all(config_home()); }
};

/// The same program of another user.
words of_user(const scratch& user, const words& command) {
  return words{"env", "XDG_CONFIG_HOME=" + user / "config"} + command;
}

/// What a program prints and says, which ends by itself.
struct result {
  int status;
  std::string out, err;
};
result outcome_of(const words& command) {
  process p(command, {nothing, ""});
  const int status = p.finish();
  return {status, p.output(), p.errors()};
}

std::string identity_of(const words& command) {
  const auto r = outcome_of(command + words{"--print-id"});
  REQUIRE(r.status == 0);
  REQUIRE(r.out.size() == 64);
  return r.out.substr(0, 63);
}

std::string in_config(std::string_view file) {
  return config_home() + "/parley/" + std::string(file);
}

/// A conversation of no words; how the client ended and what it said.
result call(const words& client) {
  process p(client, {nothing, ""});
  const int status = p.finish();
  return {status, p.output(), p.errors()};
}

/// The text between two others.
std::string between(const std::string& text, std::string_view before, std::string_view after) {
  const auto at = text.find(before);
  REQUIRE(at != text.npos);
  const auto begin = at + before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

const std::string mark = "parley-client --invite ";

/// The invitation that a server has printed.
std::string invitation_of(process& server) {
  server.read_errors_until(mark);
  const auto at = server.errors().find(mark);
  while (server.errors().find('\n', at) == std::string::npos) server.read_some();
  return between(server.errors(), mark, "\n");
}

}  // namespace

// --- identities ---------------------------------------------------------------------------------

TEST_CASE_METHOD(
    newcomer, "a program's first run makes an identity that nobody else can read, and it stays") {
  const auto program = GENERATE(as<std::string>(), PARLEY_SERVER_PATH, PARLEY_CLIENT_PATH);
  const auto name = std::filesystem::path(program).filename().string();
  const auto id = identity_of({program});
  struct stat key{}, folder{};
  REQUIRE(::stat(in_config(name + ".pem").c_str(), &key) == 0);
  REQUIRE(::stat(in_config("").c_str(), &folder) == 0);
  CHECK((key.st_mode & 0777U) == 0600);
  CHECK((folder.st_mode & 0777U) == 0700);
  CHECK(identity_of({program}) == id);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(in_config("")))
    if (entry.path().filename().string().starts_with(name)) ++files;
  CHECK(files == 1);  // nothing lies about that was written aside
}

TEST_CASE_METHOD(newcomer, "the two programs of one user are two") {
  CHECK(identity_of({PARLEY_SERVER_PATH}) != identity_of({PARLEY_CLIENT_PATH}));
}

TEST_CASE_METHOD(newcomer, "many first runs at once make one identity") {
  const scratch user;
  std::vector<std::unique_ptr<process>> all;
  const auto command = of_user(user, {PARLEY_CLIENT_PATH, "--print-id"});
  for (int i = 0; i < 10; ++i)
    all.push_back(std::make_unique<process>(command, process::redirect{nothing, ""}));
  for (const auto& p : all) CHECK(p->finish() == 0);
  for (const auto& p : all) CHECK(p->output() == all.front()->output());
}

TEST_CASE_METHOD(newcomer,
                 "a key that others can read, or that is damaged, is not used: one line, exit 1") {
  const auto path = in_config("parley-client.pem");
  const auto id = identity_of({PARLEY_CLIENT_PATH});
  const auto pem = read_file(path);
  SECTION("others can read it") {
    const auto mode = GENERATE(0640U, 0604U, 0660U);
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const auto r = outcome_of({PARLEY_CLIENT_PATH, "127.0.0.1:9"});
    CHECK(r.status == 1);
    CHECK_THAT(r.err, ContainsSubstring("others can read it"));
    CHECK_THAT(r.err, ContainsSubstring("chmod 600"));
    CHECK(count_lines(r.err) == 1);
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
  }
  SECTION("it is damaged") {
    write_file(path, GENERATE_COPY(as<std::string>(), "", "nonsense", pem.substr(0, 60)));
    const auto r = outcome_of({PARLEY_CLIENT_PATH, "127.0.0.1:9"});
    CHECK(r.status == 1);
    CHECK_THAT(r.err, ContainsSubstring(path));
    CHECK(count_lines(r.err) == 1);
    write_file(path, pem);
  }
  CHECK(identity_of({PARLEY_CLIENT_PATH}) == id);
}

TEST_CASE_METHOD(
    newcomer, "without a place for an identity there is one clear line, and --plain needs none") {
  const words nowhere{"env", "-u", "HOME", "-u", "XDG_CONFIG_HOME"};
  const auto r = outcome_of(nowhere + words{PARLEY_CLIENT_PATH, "127.0.0.1:9"});
  CHECK(r.status == 1);
  CHECK_THAT(r.err, ContainsSubstring("XDG_CONFIG_HOME"));
  CHECK(count_lines(r.err) == 1);
  const auto plain = outcome_of(nowhere + words{PARLEY_CLIENT_PATH, "--plain", "unix:/no/such"});
  CHECK(plain.status == 3);
}

// --- whom a client takes for the server ---------------------------------------------------------

TEST_CASE_METHOD(newcomer, "a server is remembered by the address that was typed, and then known") {
  process server(server_command(), {nothing, ""});
  const auto port = port_of(server);
  const auto id = identity_of({PARLEY_SERVER_PATH});
  const auto first = call(client_command(port));
  CHECK(first.status == 0);
  CHECK_THAT(first.err, ContainsSubstring("new here: 127.0.0.1:" + port + " is from now on " + id));
  CHECK_THAT(read_file(in_config("known_peers")), ContainsSubstring(id + " 127.0.0.1:" + port));
  const auto second = call(client_command(port, {"--strict"}));
  CHECK(second.status == 0);
  CHECK_THAT(second.err, !ContainsSubstring("new here"));
  CHECK_THAT(second.err, ContainsSubstring("identity " + id));
}

TEST_CASE_METHOD(
    newcomer, "a server that is not the one of before is refused loudly, with what to do: exit 5") {
  std::string port;
  const auto before = identity_of({PARLEY_SERVER_PATH});
  {
    process server(server_command(), {nothing, ""});
    port = port_of(server);
    REQUIRE(call(client_command(port)).status == 0);
  }
  const scratch another;
  const words there{PARLEY_SERVER_PATH, "--bind", "127.0.0.1", "--port", port};
  process impostor(of_user(another, there), {nothing, ""});
  (void)port_of(impostor);
  const auto r = call(client_command(port));
  CHECK(r.status == 5);
  CHECK_THAT(r.err, ContainsSubstring("known as " + before));
  CHECK_THAT(r.err, ContainsSubstring(identity_of(of_user(another, {PARLEY_SERVER_PATH}))));
  CHECK_THAT(r.err, ContainsSubstring("SOMEBODY MAY BE IN BETWEEN"));
  CHECK_THAT(r.err, ContainsSubstring("remove line 1 of " + in_config("known_peers")));
  CHECK(count_lines(r.err) == 1);
  // And it does as it says.
  write_file(in_config("known_peers"), "");
  CHECK(call(client_command(port)).status == 0);
}

TEST_CASE_METHOD(newcomer,
                 "with --peer-id a client takes that one alone, with --strict nobody new") {
  process server(server_command(), {nothing, ""});
  const auto port = port_of(server);
  const auto id = identity_of({PARLEY_SERVER_PATH});
  SECTION("a right one") {
    CHECK(call(client_command(port, {"--strict", "--peer-id", id})).status == 0);
    CHECK(call(client_command(port, {"--strict"})).status == 0);  // remembered
  }
  SECTION("a wrong one") {
    const auto other = identity_of({PARLEY_CLIENT_PATH});
    const auto r = call(client_command(port, {"--peer-id", other}));
    CHECK(r.status == 5);
    CHECK_THAT(r.err, ContainsSubstring("it shows the identity " + id + ", not " + other));
    CHECK(read_file(in_config("known_peers")).empty());
  }
  SECTION("a new one") {
    make_identities();
    const auto r = call(client_command(port, {"--strict"}));
    CHECK(r.status == 5);
    CHECK_THAT(r.err, ContainsSubstring("--peer-id " + id));
    CHECK(count_lines(r.err) == 1);
  }
  SECTION("one that was mistyped") {
    auto wrong = id;
    wrong[0] = wrong[0] == 'A' ? 'B' : 'A';
    const auto r = call(client_command(port, {"--peer-id", wrong}));
    CHECK(r.status == 2);
    CHECK_THAT(r.err, ContainsSubstring("mistyped"));
  }
}

TEST_CASE_METHOD(newcomer,
                 "a damaged list of servers is told with its line, before anything is sent") {
  make_identities();
  write_file(in_config("known_peers"), "# mine\nnonsense 127.0.0.1:9\n");
  const auto r = outcome_of({PARLEY_CLIENT_PATH, "127.0.0.1:9"});
  CHECK(r.status == 1);
  CHECK_THAT(r.err, ContainsSubstring("line 2 of " + in_config("known_peers")));
  CHECK(count_lines(r.err) == 1);
}

// --- whom a server lets in ----------------------------------------------------------------------

TEST_CASE_METHOD(newcomer,
                 "a server shows who came, and a name is never without what nobody else can show") {
  process server(server_command({"--once"}), {nothing, ""});
  const auto id = identity_of({PARLEY_CLIENT_PATH});
  const auto r = call(client_command(port_of(server), {"--name", "Ann"}));
  CHECK(r.status == 0);
  CHECK(server.finish() == 0);
  CHECK_THAT(server.errors(), ContainsSubstring("connected to Ann~" + id.substr(0, 7) + " at "));
  CHECK_THAT(server.errors(), ContainsSubstring("identity " + id));
}

TEST_CASE_METHOD(newcomer,
                 "with --allow a server lets in those on its list, and tells who the others are") {
  const scratch folder;
  const auto id = identity_of({PARLEY_CLIENT_PATH});
  const auto other = identity_of({PARLEY_SERVER_PATH});
  write_file(folder / "friends", "# friends\n" + other + " somebody\n" + id + " me\n");
  SECTION("one who is on it") {
    const bool listed = GENERATE(false, true);
    const auto allowed = listed ? folder / "friends" : id;
    process server(server_command({"--once", "--allow", other, "--allow", allowed}), {nothing, ""});
    CHECK(call(client_command(port_of(server))).status == 0);
    CHECK(server.finish() == 0);
  }
  SECTION("one who is not") {
    process server(server_command({"--allow", other}), {nothing, ""});
    const auto r = call(client_command(port_of(server)));
    CHECK(r.status == 5);
    CHECK_THAT(r.err, ContainsSubstring("--allow " + id));
    server.read_errors_until("lets it in");
    CHECK_THAT(server.errors(), ContainsSubstring("its identity " + id + " is not allowed"));
  }
  SECTION("a list that makes no sense") {
    write_file(folder / "bad", id + "\nnobody\n");
    const auto bad = outcome_of({PARLEY_SERVER_PATH, "--allow", folder / "bad"});
    CHECK(bad.status == 1);
    CHECK_THAT(bad.err, ContainsSubstring("line 2"));
    const auto neither = outcome_of({PARLEY_SERVER_PATH, "--allow", "nobody"});
    CHECK(neither.status == 2);
    CHECK_THAT(neither.err, ContainsSubstring("'nobody'"));
  }
}

TEST_CASE_METHOD(newcomer, "an invitation lets in one, who may come again, and nobody else") {
  process server(server_command({"--invite"}), {nothing, ""});
  const auto invitation = invitation_of(server);
  const auto id = identity_of({PARLEY_CLIENT_PATH});
  const auto port = port_of(server);
  const scratch folder, stranger;
  SECTION("however it is given") {
    const auto how = GENERATE(0, 1, 2);
    CAPTURE(how);
    write_file(folder / "invitation", invitation + "\n");
    words client{PARLEY_CLIENT_PATH};
    if (how == 0) client = client + words{"--invite", invitation};
    if (how == 1) client = client + words{"--invite", "@" + folder / "invitation"};
    if (how == 2) client = words{"env", "PARLEY_INVITATION=" + invitation} + client;
    CHECK(call(client).status == 0);
    server.read_errors_until("the invitation was used by " + id);
    CHECK(call(client_command(port, {"--strict"})).status == 0);  // both know each other now
    const auto r = call(of_user(stranger, {PARLEY_CLIENT_PATH, "--invite", invitation}));
    CHECK(r.status == 5);
    CHECK_THAT(r.err, ContainsSubstring("this invitation was used already"));
    CHECK_THAT(read_file(in_config("invited_peers")), StartsWith(id));
    server.signal(SIGTERM);
    CHECK(server.finish() == 0);
    process later(server_command({"--once", "--allow", in_config("invited_peers")}), {nothing, ""});
    CHECK(call(client_command(port_of(later))).status == 0);
  }
  SECTION("nobody comes without one") {
    const auto r = call(client_command(port));
    CHECK(r.status == 5);
    CHECK_THAT(r.err, ContainsSubstring("only who is invited may come"));
    server.read_errors_until("lets it in");
  }
  SECTION("to no other server") {
    const scratch another;
    process impostor(of_user(another, server_command()), {nothing, ""});
    const auto there = "127.0.0.1:" + port_of(impostor);
    const auto r = call({PARLEY_CLIENT_PATH, there, "--invite", invitation});
    CHECK(r.status == 5);
    CHECK_THAT(r.err, ContainsSubstring("as the invitation says"));
    CHECK(call({PARLEY_CLIENT_PATH, "--invite", invitation}).status == 0);  // it was not spent
  }
}

TEST_CASE_METHOD(newcomer, "an invitation expires") {
  process server(server_command({"--invite=0"}), {nothing, ""});
  const auto r = call({PARLEY_CLIENT_PATH, "--invite", invitation_of(server)});
  CHECK(r.status == 5);
  CHECK_THAT(r.err, ContainsSubstring("this invitation has expired"));
}

TEST_CASE_METHOD(
    newcomer, "an invitation is asked for at the terminal, and one that is none is never shown") {
  process server(server_command({"--invite", "--once"}), {nothing, ""});
  const auto invitation = invitation_of(server);
  SECTION("entered") {
    process client({"env", "TERM=dumb", PARLEY_CLIENT_PATH, "--invite", "-"}, {},
                   process::streams::terminal);
    client.read_until("Enter invitation: ");
    client.write(invitation + "\n");
    client.read_until("connected to ");
    client.write("/quit\n");
    CHECK(client.finish() == 0);
    CHECK(server.finish() == 0);
  }
  SECTION("mistyped") {
    auto wrong = invitation;
    wrong[75] = wrong[75] == 'A' ? 'B' : 'A';
    const auto r = outcome_of({PARLEY_CLIENT_PATH, "--invite", wrong});
    CHECK(r.status == 2);
    CHECK_THAT(r.err, !ContainsSubstring(wrong.substr(10, 20)));
    CHECK(count_lines(r.err) == 1);
  }
}

TEST_CASE_METHOD(newcomer, "with --plain nobody is known, and it says so") {
  for (const words& wrong : {words{PARLEY_CLIENT_PATH, "--plain", "--strict", "127.0.0.1"},
                             words{PARLEY_CLIENT_PATH, "--plain", "--peer-id", "x", "127.0.0.1"},
                             words{PARLEY_SERVER_PATH, "--plain", "--invite"},
                             words{PARLEY_SERVER_PATH, "--plain", "--allow", "x"}}) {
    const auto r = outcome_of(wrong);
    CHECK(r.status == 2);
    CHECK_THAT(r.err, ContainsSubstring("--plain knows nobody"));
  }
}

// --- what is shown ------------------------------------------------------------------------------

TEST_CASE_METHOD(newcomer,
                 "/peer shows who is there, what it is encrypted with, and for how long") {
  process server(server_command({"--once", "--name", "Ann"}));
  const auto id = identity_of({PARLEY_SERVER_PATH});
  process client(words{"env", "TERM=dumb"} + client_command(port_of(server)), {},
                 process::streams::terminal);
  client.read_until("connected to ");
  client.write("/peer\n");
  client.read_until("you are " + identity_of({PARLEY_CLIENT_PATH}));
  CHECK_THAT(client.output(), ContainsSubstring("identity " + id));
  CHECK_THAT(client.output(), ContainsSubstring("TLS 1.3, TLS_"));
  CHECK_THAT(client.output(), ContainsSubstring("for 0."));
  client.write("/quit\n");
  server.close_input();
  CHECK(client.finish() == 0);
}

TEST_CASE_METHOD(newcomer, "JSON says who both sides are, and what the invitation is") {
  process server(server_command({"--once", "--json", "--invite"}), {nothing, ""});
  const auto invitation = invitation_of(server);
  CHECK(call({PARLEY_CLIENT_PATH, "--invite", invitation}).status == 0);
  CHECK(server.finish() == 0);
  std::istringstream lines(server.output());
  std::size_t seen = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto e = nlohmann::json::parse(line);
    const auto& name = e.at("event");
    if (name == "identity") CHECK(e.at("identity") == identity_of({PARLEY_SERVER_PATH}));
    if (name == "invitation") CHECK(e.at("invitation") == invitation);
    if (name == "connected") CHECK(e.at("identity") == identity_of({PARLEY_CLIENT_PATH}));
    if (name == "identity" || name == "invitation" || name == "connected") ++seen;
  }
  CHECK(seen == 3);
}

// --- strangers ----------------------------------------------------------------------------------

TEST_CASE_METHOD(
    newcomer,
    "openssl s_client is turned away, each time for its own reason, and the server goes on") {
  if (outcome_of({"openssl", "version"}).status != 0) SKIP("there is no openssl to call with");
  const scratch folder;
  const auto key = folder / "key.pem", certificate = folder / "certificate.pem";
  REQUIRE(outcome_of({"openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj",
                      "/CN=\x1b[2J", "-keyout", key, "-out", certificate})
              .status == 0);
  process server(server_command({"--once"}), {nothing, ""});
  const auto port = port_of(server);
  const auto knock = [&](const words& how) {
    // It goes on reading until the server hangs up.
    const auto r = outcome_of(
        words{"timeout", "20", "openssl", "s_client", "-ign_eof", "-connect", "127.0.0.1:" + port} +
        how);
    CHECK(r.status != 124);
  };
  const words shown{"-cert", certificate, "-key", key};
  knock({"-alpn", "parley/1"});
  server.read_errors_until("did not show who it is");
  knock(shown);
  server.read_errors_until("TLS, but not for parley/1");
  knock(shown + words{"-alpn", "parley/1", "-tls1_2"});
  server.read_errors_until("does not speak TLS 1.3");
  // One with all that is asked for, who then says nothing: the deadline.
  knock(shown + words{"-alpn", "parley/1"});
  server.read_errors_until("no greeting in time");
  CHECK_THAT(server.errors(), !ContainsSubstring("\x1b"));
  CHECK_THAT(server.errors(), !ContainsSubstring("connected to"));

  process client(client_command(port));
  client.write("still here\n");
  client.close_input();
  CHECK(client.finish() == 0);
  CHECK(server.finish() == 0);
  CHECK(server.output() == "still here\n");
}

}  // namespace secure_test
