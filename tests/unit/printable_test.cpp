#include <parley/printable.hpp>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/vt500.hpp"

namespace printable_test {

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using parley::newlines;
using parley::printable;
using parley::test::vt500;

std::string encoded(char32_t c) {
  const auto byte = [](char32_t value) { return static_cast<char>(value); };
  const auto low = [&](unsigned shift) { return byte(0x80U | (c >> shift & 0x3fU)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0U | c >> 6U), low(0)};
  if (c < 0x10000) return {byte(0xe0U | c >> 12U), low(6), low(0)};
  return {byte(0xf0U | c >> 18U), low(12), low(6), low(0)};
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

bool leaves_ground(std::string_view raw) {
  vt500 terminal;
  terminal.feed(raw);
  return terminal.left_ground();
}

// Under either style of newlines: UTF-8, no control, no state but ground, as many lines as asked.
bool is_inert(std::string_view raw) {
  const std::string escaped = printable(raw);
  vt500 one_line;
  one_line.feed(escaped);

  const std::string continued = printable(raw, newlines::continued);
  vt500 lines;
  lines.feed(continued);
  return parley::is_utf8(escaped) && parley::is_utf8(continued) && one_line.harmless() &&
         one_line.line_feeds() == 0 && lines.harmless() &&
         lines.line_feeds() == static_cast<std::size_t>(std::ranges::count(raw, '\n'));
}

// Two messages on two lines; and, harder, with nothing between them.
bool is_inert(std::string_view first, std::string_view second) {
  vt500 lines;
  lines.feed(printable(first) + "\n" + printable(second));

  vt500 joined;
  joined.feed(printable(first) + printable(second));
  return lines.harmless() && lines.line_feeds() == 1 && joined.harmless() &&
         joined.line_feeds() == 0;
}

// A message behind the sender's name, as a screen shows it: as many lines as the text has, each
// further one marked, and nothing that the name began is gone on with by the text.
bool is_inert_behind(std::string_view name, std::string_view text) {
  const std::string line =
      printable(name) + ": " + printable(text, newlines::continued) + "\n" + printable(name);
  vt500 terminal;
  terminal.feed(line);
  std::size_t marked = 0;
  for (auto at = line.find("\n" + std::string(parley::continuation)); at != line.npos;
       at = line.find("\n" + std::string(parley::continuation), at + 1))
    ++marked;
  const auto wanted = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  return terminal.harmless() && marked == wanted && terminal.line_feeds() == wanted + 1;
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

// ESC alone, and all that begins a sequence or a string, in seven bits, as one byte, and in UTF-8.
const std::vector<std::string> introducers = {
    "\x1b",     "\x1b[",    "\x1b]",    "\x1bP",    "\x1b_",    "\x1b^",   "\x1bX",
    "\x1bk",    "\x9b",     "\x9d",     "\x90",     "\x9f",     "\x9e",    "\x98",
    "\xc2\x9b", "\xc2\x9d", "\xc2\x90", "\xc2\x9f", "\xc2\x9e", "\xc2\x98"};

const std::vector<std::string> terminators = {"", "\x07", "\x1b\\", "\x9c", "\xc2\x9c"};

}  // namespace

TEST_CASE("the oracle leaves ground for what drives a terminal") {
  for (const std::string& raw : introducers) {
    CAPTURE(raw);
    CHECK(leaves_ground(raw));
  }
  CHECK(leaves_ground("\x1b[2J"));                       // clear the screen
  CHECK(leaves_ground("\x1b]0;title\x07"));              // set the title
  CHECK(leaves_ground("\x1b]52;c;cm0gLXJmIH4K\x1b\\"));  // set the clipboard
  CHECK(leaves_ground("\x1b]8;;http://a\x1b\\b"));       // a link
  CHECK(leaves_ground("\xc0\x9b[2J"));                   // an overlong CSI
  CHECK(leaves_ground("text \x1b"));                     // what the next message completes
}

TEST_CASE("the oracle goes through the states of the sequences") {
  using state = vt500::state;
  const auto after = [](std::string_view raw) {
    vt500 terminal;
    terminal.feed(raw);
    return terminal.current();
  };
  CHECK(after("plain") == state::ground);
  CHECK(after("\x1b") == state::escape);
  CHECK(after("\x1b(") == state::escape_intermediate);
  CHECK(after("\x1b(B") == state::ground);
  CHECK(after("\x1b[") == state::csi_entry);
  CHECK(after("\x1b[1;2") == state::csi_param);
  CHECK(after("\x1b[?1") == state::csi_param);
  CHECK(after("\x1b[1 ") == state::csi_intermediate);
  CHECK(after("\x1b[1:") == state::csi_ignore);
  CHECK(after("\x1b[1 q") == state::ground);
  CHECK(after("\x1bP") == state::dcs_entry);
  CHECK(after("\x1bP1") == state::dcs_param);
  CHECK(after("\x1bP$") == state::dcs_intermediate);
  CHECK(after("\x1bP1:") == state::dcs_ignore);
  CHECK(after("\x1bP1$q text\n\x07") == state::dcs_passthrough);
  CHECK(after("\x1bP1$q\x1b\\") == state::ground);
  CHECK(after("\x1b]0;title\n") == state::osc_string);
  CHECK(after("\x1b]0;title\x07") == state::ground);
  CHECK(after("\x1b_text\x07") == state::sos_pm_apc_string);
  CHECK(after("\x1b_text\xc2\x9c") == state::ground);
  CHECK(after("\x1b[12\x18") == state::ground);
}

TEST_CASE("the oracle knows each introducer in seven bits, in eight, and as UTF-8") {
  using state = vt500::state;
  const struct {
    char seven;
    unsigned char eight;
    state into;
  } all[] = {{'P', 0x90, state::dcs_entry},         {'X', 0x98, state::sos_pm_apc_string},
             {'[', 0x9b, state::csi_entry},         {']', 0x9d, state::osc_string},
             {'^', 0x9e, state::sos_pm_apc_string}, {'_', 0x9f, state::sos_pm_apc_string}};
  for (const auto& one : all) {
    CAPTURE(one.seven);
    const char byte = static_cast<char>(one.eight);
    const std::string forms[] = {{'\x1b', one.seven},
                                 {byte},
                                 {'\xc2', byte},
                                 {'\xe0', '\x82', byte},
                                 {'\xf0', '\x80', '\x82', byte},
                                 {'a', '\xe2', '\x82', '\x1b', one.seven}};
    for (const auto& form : forms) {
      vt500 terminal;
      terminal.feed(form);
      CHECK(terminal.current() == one.into);
      CHECK(terminal.left_ground());
      terminal.feed("\x1b\\");
      CHECK(terminal.current() == state::ground);
      CHECK(terminal.left_ground());  // it is not forgotten
      CHECK_FALSE(terminal.harmless());
    }
  }
}

TEST_CASE("the oracle takes every byte from 80 to 9f, alone or as UTF-8, for a control character") {
  std::size_t cases = 0;
  for (unsigned c = 0x80; c < 0xa0; ++c) {
    CAPTURE(c);
    for (const std::string& raw : {std::string(1, static_cast<char>(c)), encoded(c)}) {
      vt500 terminal;
      terminal.feed("text " + raw);
      CHECK_FALSE(terminal.harmless());
      CHECK(terminal.controls() == std::u32string(1, c));
      ++cases;
    }
  }
  CHECK(cases == 64);
}

TEST_CASE("the oracle reports control characters that change no state") {
  for (unsigned c = 0; c < 0xa0; ++c) {
    if ((c >= 0x20 && c < 0x7f) || c == '\n') continue;
    CAPTURE(c);
    vt500 terminal;
    terminal.feed(encoded(c));
    CHECK_FALSE(terminal.harmless());
    CHECK(terminal.controls() == std::u32string(1, c));
  }
  vt500 cut;
  cut.feed("\xe2\x82");
  CHECK_FALSE(cut.harmless());
}

TEST_CASE("the oracle has nothing against plain text in any pieces") {
  vt500 terminal;
  for (const char byte : "two lines\nof \xc3\xa9\xe4\xb8\x96\xf0\x9f\x98\x80"sv)
    terminal.feed({&byte, 1});
  CHECK(terminal.harmless());
  CHECK(terminal.line_feeds() == 1);
  CHECK(terminal.current() == vt500::state::ground);
  CHECK(terminal.printed() == U"two lines\nof \u00e9\u4e16\U0001f600");
}

TEST_CASE("the oracle tells text from the sequences around it") {
  vt500 terminal;
  terminal.feed(
      "a\x1b[1mb\x1b]0;title\x07"
      "c\x1b[0m\x9b"
      "5nd");
  CHECK(terminal.printed() == U"abcd");
}

TEST_CASE("the oracle catches a filter that knows ESC but not C1") {
  const auto filtered = [](std::string text) {
    std::erase(text, '\x1b');
    return text;
  };
  CHECK_FALSE(leaves_ground(filtered("\x1b[2J")));
  CHECK(
      leaves_ground(filtered("\x9b"
                             "2J")));
  CHECK(
      leaves_ground(filtered("\xc2\x9b"
                             "2J")));
}

TEST_CASE("no two bytes drive a terminal") {
  std::size_t cases = 0;
  std::size_t harmful = 0;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const char bytes[] = {static_cast<char>(bits >> 8U), static_cast<char>(bits & 0xffU)};
    const std::string_view text(bytes, 2);
    ++cases;
    harmful += is_inert(text) ? 0U : 1U;
    harmful += is_inert(text.substr(0, 1), text.substr(1)) ? 0U : 1U;
    harmful += is_inert_behind(text.substr(0, 1), text.substr(1)) ? 0U : 1U;
    harmful += is_inert_behind(text, text) ? 0U : 1U;
  }
  CHECK(cases == 65'536);
  CHECK(harmful == 0);
}

TEST_CASE("no byte behind an introducer drives a terminal, in one message or split over two") {
  std::size_t cases = 0;
  std::size_t splits = 0;
  std::size_t harmful = 0;
  for (const std::string& introducer : introducers) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      for (const std::string& terminator : terminators) {
        const std::string raw = introducer + static_cast<char>(byte) + terminator;
        const std::string_view text = raw;
        ++cases;
        harmful += is_inert(text) ? 0U : 1U;
        for (std::size_t cut = 0; cut <= text.size(); ++cut, ++splits) {
          const auto first = text.substr(0, cut);
          const auto second = text.substr(cut);
          harmful += is_inert(first, second) ? 0U : 1U;
          harmful += is_inert_behind(first, second) ? 0U : 1U;
        }
      }
    }
  }
  CHECK(cases == introducers.size() * 256 * terminators.size());
  CHECK(splits > 4 * cases);  // three bytes on average have four places to be cut at, or more
  CHECK(harmful == 0);
}

TEST_CASE("no two bytes behind an introducer drive a terminal, however they end") {
  std::size_t cases = 0;
  std::size_t harmful = 0;
  std::string raw;
  std::string shown;
  for (const std::string& introducer : introducers) {
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
      for (const std::string& terminator : terminators) {
        raw = introducer;
        raw += static_cast<char>(bits >> 8U);
        raw += static_cast<char>(bits & 0xffU);
        raw += terminator;
        shown.clear();
        parley::printable_to(shown, raw);
        vt500 terminal;
        terminal.feed(shown);
        ++cases;
        harmful += terminal.harmless() && terminal.line_feeds() == 0 ? 0U : 1U;
      }
    }
  }
  CHECK(cases == introducers.size() * 65'536 * terminators.size());
  CHECK(harmful == 0);
}

TEST_CASE("no mixture of sequences, text and broken UTF-8 drives a terminal") {
  std::vector<std::string> pieces = introducers;
  pieces.insert(pieces.end(), terminators.begin(), terminators.end());
  for (const auto text :
       {"0;",       "?1h",    "2J",         "52;c;YQ==", "\n",       "\r\n",
        "\r",       "\t",     "a",          "\\",        "é",        "e\u0301",
        "\u0338",   "\u202e", "\xe2",       "\x80",      "\xf0\x9f", "\xed\xa0\x80",
        "\xc0\x9b", "\xff",   "\U0001f600", "\U000e0041"})
    pieces.emplace_back(text);
  pieces.emplace_back(1, '\0');  // no C string can

  std::mt19937 random(1);  // any seed, but the same each time
  std::size_t harmful = 0;
  std::size_t unstable = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string raw;
    for (int i = 0; i < 12; ++i) raw += pieces[random() % pieces.size()];
    const std::size_t line_ends = static_cast<std::size_t>(std::ranges::count(raw, '\n'));
    const std::string shown = printable(raw);
    const std::string continued = printable(raw, newlines::continued);
    harmful += is_inert(raw) && shown.size() <= 4 * raw.size() &&
                       continued.size() <= 4 * raw.size() + line_ends
                   ? 0U
                   : 1U;
    unstable += printable(shown) == shown ? 0U : 1U;
  }
  CHECK(harmful == 0);
  CHECK(unstable == 0);
}

TEST_CASE("every code point stays as it is or becomes visible ASCII") {
  std::size_t shown = 0;
  std::size_t wrong = 0;
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    const std::string raw = "a" + encoded(c);  // a surrogate too: three invalid bytes then
    const std::string text = printable(raw);
    if (text == raw) {
      ++shown;
    } else {
      wrong += is_visible_ascii(text) ? 0U : 1U;
    }
    vt500 terminal;
    terminal.feed(text);
    wrong += terminal.harmless() ? 0U : 1U;
  }
  CHECK(wrong == 0);
  // Four planes of scripts and symbols, less private use, surrogates and 185 others: 65 controls,
  // 40 noncharacters, 80 that are invisible or steer layout. The number moves with the table, and
  // that it moved should be seen.
  CHECK(shown == 0x40000 - 0x1900 - 0x800 - (65 + 40 + 80));
}

TEST_CASE("text that people write passes unchanged") {
  for (const auto text : {
           "",
           "hello, world",
           " !\"#$%&'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~",
           "Grüße, façade, naïve, Dvořák, İstanbul, ﬁne",
           "cafe\u0301 in two code points",
           "Привет, Γειά σου, Բարեւ",
           "שלום עליכם, שָׁלוֹם",
           "مرحبا بالعالم، السَّلامُ",
           "नमस्ते दुनिया, বাংলা, தமிழ்",
           "สวัสดีชาวโลก ที่นี่",
           "你好，世界。　こんにちは　안녕하세요",
           "\u1112\u1161\u11ab\u1100\u1173\u11af",  // Hangul, letter by letter
           "\U0001f600 \u2764\ufe0f 1\ufe0f\u20e3 \U0001f44d\U0001f3fd",  // emoji, with their
                                                                          // selectors
           "\U0001f1ef\U0001f1f5",                                        // a flag of two letters
           "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, ½ · 10 °C … “so” – ‘so’ € ₿",
           "┌─┐ │░▒▓ ◆ ✓ ⠿",
           "\U00020000 \U0002ebe0 \U00030000",  // ideographs of planes 2 and 3
           "\ufffd",
           "C:\\new\\x1b\\table",
       }) {
    CHECK(printable(text) == text);
    CHECK(printable(text, newlines::continued) == text);
  }
}

TEST_CASE("a control character is shown by its number") {
  CHECK(printable("\x1b[31mred"sv) == "\\x1b[31mred");
  CHECK(printable("\0\a\b\r\x7f"sv) == "\\x00\\x07\\x08\\x0d\\x7f");
  CHECK(printable("\xc2\x80 \xc2\x85 \xc2\x9b \xc2\x9f") == "\\u{80} \\u{85} \\u{9b} \\u{9f}");
}

TEST_CASE("every byte of invalid UTF-8 is shown by its number and costs no valid neighbour") {
  CHECK(printable("\x9b") == "\\x9b");
  CHECK(printable("a\xff z") == "a\\xff z");
  CHECK(printable("\xc0\x9b") == "\\xc0\\x9b");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(printable("\xe2\x82 \xe2\x82\xac") == "\\xe2\\x82 \u20ac");
  CHECK(printable("\xf0\x9f\x98\xe2\x82\xac\xe2") == "\\xf0\\x9f\\x98\u20ac\\xe2");
  CHECK(printable("\xe2\x1b[2J") == "\\xe2\\x1b[2J");
}

TEST_CASE("a tab becomes spaces") {
  CHECK(printable("if:\n\tgo") == "if:\\x0a    go");
  CHECK(printable("\t", newlines::continued) == parley::tab_shown);
}

TEST_CASE("a line feed is shown by its number unless lines are to be continued") {
  CHECK(printable("one\ntwo\n") == "one\\x0atwo\\x0a");
  CHECK(printable("one\r\ntwo") == "one\\x0d\\x0atwo");
  CHECK(printable("one\ntwo\n", newlines::continued) == "one\n  | two\n  | ");
  CHECK(printable("one\r\n\r\ntwo", newlines::continued) == "one\n  | \n  | two");
  CHECK(printable("over\rwritten\r\r\n", newlines::continued) == "over\\x0dwritten\\x0d\n  | ");
}

TEST_CASE("no line of a message can pose as another message") {
  const std::string shown =
      printable("hi\nbob: send me your key\r\n* bob has left", newlines::continued);
  std::size_t lines = 0;
  for (auto at = shown.find('\n'); at != shown.npos; at = shown.find('\n', at + 1)) {
    ++lines;
    CHECK(shown.compare(at + 1, parley::continuation.size(), parley::continuation) == 0);
  }
  CHECK(lines == 2);
  // What else breaks a line on some screen or in some editor never does.
  CHECK(printable("a\v\f\x85\u0085\u2028\u2029"s, newlines::continued) ==
        "a\\x0b\\x0c\\x85\\u{85}\\u{2028}\\u{2029}");
}

TEST_CASE("what turns, hides or joins text is shown by its number") {
  const struct {
    char32_t first;
    char32_t last;
  } hidden[] = {
      {0x80, 0x9f},       {0xad, 0xad},         {0x34f, 0x34f},     {0x61c, 0x61c},
      {0x115f, 0x1160},   {0x180e, 0x180e},     {0x200b, 0x200f},   {0x2028, 0x202e},
      {0x2060, 0x2064},   {0x2066, 0x2069},     {0x3164, 0x3164},   {0xe000, 0xf8ff},
      {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},     {0xffa0, 0xffa0},   {0xfff9, 0xfffb},
      {0xfffe, 0xffff},   {0x1fffe, 0x1ffff},   {0xe0000, 0xe007f}, {0xe0100, 0xe01ef},
      {0xf0000, 0xfffff}, {0x10fffe, 0x10ffff},
  };
  constexpr auto digits = "0123456789abcdef"sv;
  std::size_t wrong = 0;
  for (const auto& range : hidden) {
    for (char32_t c = range.first; c <= range.last; ++c) {
      std::string number;
      for (char32_t rest = c; rest != 0; rest >>= 4U) number.insert(0, 1, digits[rest & 0xfU]);
      wrong += printable("a" + encoded(c) + "b") == "a\\u{" + number + "}b" ? 0U : 1U;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("text that would read in another order than it stands is shown as it stands") {
  CHECK(printable("gpj.\u202eexe") == "gpj.\\u{202e}exe");
  CHECK(printable("\u2067a\u2069\u200f\u061c") == "\\u{2067}a\\u{2069}\\u{200f}\\u{61c}");
}

TEST_CASE("a name cannot hide what tells it from another") {
  CHECK(printable("al\u200bice") == "al\\u{200b}ice");
  CHECK(printable("alice\u3164\u00ad") == "alice\\u{3164}\\u{ad}");
  CHECK(printable("alice\U000e0061\U000e007f") == "alice\\u{e0061}\\u{e007f}");
}

TEST_CASE("a family emoji is shown as its members, since joiners are not kept") {
  CHECK(printable("\U0001f468\u200d\U0001f467") == "\U0001f468\\u{200d}\U0001f467");
}

TEST_CASE("of a flood of combining marks eight stay") {
  const std::string acute = "\u0301";
  CHECK(printable("a" + repeated(acute, 8) + "b") == "a" + repeated(acute, 8) + "b");
  CHECK(printable("a" + repeated(acute, 10) + "b") ==
        "a" + repeated(acute, 8) + repeated("\\u{301}", 2) + "b");
  CHECK(printable("a" + repeated(acute, 9) + "b" + acute) ==
        "a" + repeated(acute, 8) + "\\u{301}b" + acute);
}

TEST_CASE("marks of all scripts count together") {
  for (const auto mark :
       {"\u0300", "\u036f", "\u0483",     "\u0489",    "\u0591", "\u05bd", "\u064b", "\u0670",
        "\u0730", "\u0902", "\u094d",     "\u09cd",    "\u0bcd", "\u0e31", "\u0e4e", "\u0f39",
        "\u102d", "\u1161", "\u17d2",     "\u180b",    "\u1ab0", "\u1aff", "\u1dc0", "\u1dff",
        "\u20d0", "\u20e3", "\u302a",     "\u3099",    "\ua66f", "\ua670", "\ufe00", "\ufe0f",
        "\ufe20", "\ufe2f", "\U0001d165", "\U0001e000"}) {
    CAPTURE(mark);
    CHECK(printable("a" + repeated(mark, 8)) == "a" + repeated(mark, 8));
    const std::string flooded = printable("a" + repeated("\u0301", 8) + mark);
    CHECK(flooded.starts_with("a" + repeated("\u0301", 8) + "\\u{"));
  }
}

TEST_CASE("letters are no marks, however many there are in a row") {
  for (const auto letter : {"a", "é", "\u05d0", "\u0628", "\u0915", "\u0e01", "\u1100", "\u3131",
                            "\uac00", "\u4e00", "\u30fc", "\U0001f600", "\U00020000"})
    CHECK(printable(repeated(letter, 100)) == repeated(letter, 100));
}

TEST_CASE("a mark never sits on what the program wrote") {
  CHECK(printable("\u0338text") == "\\u{338}text");
  CHECK(printable("a\x1b\u0338") == "a\\x1b\\u{338}");
  CHECK(printable("a\n\u20e3", newlines::continued) == "a\n  | \\u{20e3}");
  CHECK(printable(" \u0338") == " \u0338");
}

TEST_CASE("printable text is appended to what is there") {
  std::string out = "bob: ";
  parley::printable_to(out, "hi\x07");
  parley::printable_to(out, "\nthere", newlines::continued);
  CHECK(out == "bob: hi\\x07\n  | there");
}

TEST_CASE("the tables are sorted and without overlap, as the search in them needs") {
  const auto in_order = [](std::span<const parley::detail::code_range> ranges) {
    char32_t free_from = 0;
    for (const auto& range : ranges) {
      if (range.first < free_from || range.last < range.first) return false;
      free_from = range.last + 1;
    }
    return true;
  };
  CHECK(in_order(parley::detail::hidden_ranges));
  CHECK(in_order(parley::detail::mark_ranges));
}

}  // namespace printable_test
