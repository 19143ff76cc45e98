// Peer text made safe for a terminal or a log.
//
// This is the one choke point: message bodies, names, the text of refusals and errors, certificate
// names, all that a stranger chose passes here on its way to a screen or a file, in every mode of
// output. What goes wrong without it is well documented: titles and clipboards set, answers typed
// back into the shell (CVE-2003-0070), logs forged (CVE-2003-0020, CWE-117), text that reads in
// another order than it stands (CVE-2021-42574).
#pragma once

#include <parley/utf8.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

namespace parley {

/// What becomes of a line feed in peer text.
enum class newlines {
  /// Shown as `\x0a`: one text, one line. For names, errors and logs.
  escaped,
  /// A line feed and then `continuation`, so that a message of many lines can be read, and none of
  /// its lines can pose as another message. A CR LF counts as one line feed. For messages on a
  /// screen, where the program's own lines begin with something else than `continuation`.
  continued,
};

/// What each further line of a text begins with under `newlines::continued`.
inline constexpr std::string_view continuation = "  | ";

/// What a tab is shown as. It moves a cursor like any control character, so it cannot stay, but
/// pasted code is better read indented than full of escapes.
inline constexpr std::string_view tab_shown = "    ";

/// How many combining marks one character may carry. Living scripts need three or four; a thousand
/// of them paint over the lines above.
inline constexpr int marks_allowed = 8;

namespace detail {

struct code_range {
  char32_t first;
  char32_t last;
};

// Everything that is not text to be seen. It ends with all planes in which Unicode has nothing to
// show, so what is allowed is the four planes of scripts and symbols, less what is named here.
// Unassigned places between are allowed, else each new emoji would wait for a release of parley.
inline constexpr code_range hidden_ranges[] = {
    {0x00, 0x1f},         // C0
    {0x7f, 0x9f},         // DEL and C1: U+009B is ESC [ in one character
    {0xad, 0xad},         // soft hyphen
    {0x34f, 0x34f},       // combining grapheme joiner
    {0x61c, 0x61c},       // Arabic letter mark: bidi control
    {0x115f, 0x1160},     // Hangul fillers
    {0x17b4, 0x17b5},     // Khmer inherent vowels, never seen
    {0x180e, 0x180e},     // Mongolian vowel separator
    {0x200b, 0x200f},     // zero-width space and joiners, bidi marks
    {0x2028, 0x202e},     // line and paragraph separator, bidi embedding and override
    {0x2060, 0x206f},     // word joiner, invisible operators, bidi isolates
    {0x3164, 0x3164},     // Hangul filler
    {0xd800, 0xf8ff},     // surrogates (never valid UTF-8), private use
    {0xfdd0, 0xfdef},     // noncharacters
    {0xfeff, 0xfeff},     // byte order mark
    {0xffa0, 0xffa0},     // halfwidth Hangul filler
    {0xfff0, 0xfffb},     // interlinear annotation, and places kept for its like
    {0xfffe, 0xffff},     // noncharacters
    {0x13430, 0x13440},   // Egyptian format controls
    {0x1bca0, 0x1bca3},   // shorthand format controls
    {0x1d173, 0x1d17a},   // musical format controls
    {0x1fffe, 0x1ffff},   // noncharacters
    {0x2fffe, 0x2ffff},   // noncharacters
    {0x3fffe, 0x10ffff},  // empty planes, tags and variation selectors of plane 14, private use
};

// What takes no cell of its own and so can be piled up: the general categories Mn, Mc and Me of
// Unicode 14 and what versions 15 to 17 added, variation selectors among them, and the vowels and
// finals of Hangul that join the letter before. Unassigned gaps of up to 15 are closed.
// clang-format off
inline constexpr code_range mark_ranges[] = {
    {0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd}, {0x5bf, 0x5bf}, {0x5c1, 0x5c2}, {0x5c4, 0x5c5},
    {0x5c7, 0x5c7}, {0x610, 0x61a}, {0x64b, 0x65f}, {0x670, 0x670}, {0x6d6, 0x6dc}, {0x6df, 0x6e4},
    {0x6e7, 0x6e8}, {0x6ea, 0x6ed}, {0x711, 0x711}, {0x730, 0x74a}, {0x7a6, 0x7b0}, {0x7eb, 0x7f3},
    {0x7fd, 0x7fd}, {0x816, 0x819}, {0x81b, 0x823}, {0x825, 0x827}, {0x829, 0x82d}, {0x859, 0x85b},
    {0x897, 0x89f}, {0x8ca, 0x8e1}, {0x8e3, 0x903}, {0x93a, 0x93c}, {0x93e, 0x94f}, {0x951, 0x957},
    {0x962, 0x963}, {0x981, 0x983}, {0x9bc, 0x9bc}, {0x9be, 0x9cd}, {0x9d7, 0x9d7}, {0x9e2, 0x9e3},
    {0x9fe, 0xa03}, {0xa3c, 0xa51}, {0xa70, 0xa71}, {0xa75, 0xa75}, {0xa81, 0xa83}, {0xabc, 0xabc},
    {0xabe, 0xacd}, {0xae2, 0xae3}, {0xafa, 0xb03}, {0xb3c, 0xb3c}, {0xb3e, 0xb57}, {0xb62, 0xb63},
    {0xb82, 0xb82}, {0xbbe, 0xbcd}, {0xbd7, 0xbd7}, {0xc00, 0xc04}, {0xc3c, 0xc3c}, {0xc3e, 0xc56},
    {0xc62, 0xc63}, {0xc81, 0xc83}, {0xcbc, 0xcbc}, {0xcbe, 0xcd6}, {0xce2, 0xce3}, {0xcf3, 0xd03},
    {0xd3b, 0xd3c}, {0xd3e, 0xd4d}, {0xd57, 0xd57}, {0xd62, 0xd63}, {0xd81, 0xd83}, {0xdca, 0xddf},
    {0xdf2, 0xdf3}, {0xe31, 0xe31}, {0xe34, 0xe3a}, {0xe47, 0xe4e}, {0xeb1, 0xeb1}, {0xeb4, 0xebc},
    {0xec8, 0xece}, {0xf18, 0xf19}, {0xf35, 0xf35}, {0xf37, 0xf37}, {0xf39, 0xf39}, {0xf3e, 0xf3f},
    {0xf71, 0xf84}, {0xf86, 0xf87}, {0xf8d, 0xfbc}, {0xfc6, 0xfc6}, {0x102b, 0x103e},
    {0x1056, 0x1059}, {0x105e, 0x1060}, {0x1062, 0x1064}, {0x1067, 0x106d}, {0x1071, 0x1074},
    {0x1082, 0x108d}, {0x108f, 0x108f}, {0x109a, 0x109d}, {0x1161, 0x11ff}, {0x135d, 0x135f},
    {0x1712, 0x1715}, {0x1732, 0x1734}, {0x1752, 0x1753}, {0x1772, 0x1773}, {0x17b4, 0x17d3},
    {0x17dd, 0x17dd}, {0x180b, 0x180f}, {0x1885, 0x1886}, {0x18a9, 0x18a9}, {0x1920, 0x193b},
    {0x1a17, 0x1a1b}, {0x1a55, 0x1a7f}, {0x1ab0, 0x1b04}, {0x1b34, 0x1b44}, {0x1b6b, 0x1b73},
    {0x1b80, 0x1b82}, {0x1ba1, 0x1bad}, {0x1be6, 0x1bf3}, {0x1c24, 0x1c37}, {0x1cd0, 0x1cd2},
    {0x1cd4, 0x1ce8}, {0x1ced, 0x1ced}, {0x1cf4, 0x1cf4}, {0x1cf7, 0x1cf9}, {0x1dc0, 0x1dff},
    {0x20d0, 0x20ff}, {0x2cef, 0x2cf1}, {0x2d7f, 0x2d7f}, {0x2de0, 0x2dff}, {0x302a, 0x302f},
    {0x3099, 0x309a}, {0xa66f, 0xa672}, {0xa674, 0xa67d}, {0xa69e, 0xa69f}, {0xa6f0, 0xa6f1},
    {0xa802, 0xa802}, {0xa806, 0xa806}, {0xa80b, 0xa80b}, {0xa823, 0xa827}, {0xa82c, 0xa82c},
    {0xa880, 0xa881}, {0xa8b4, 0xa8c5}, {0xa8e0, 0xa8f1}, {0xa8ff, 0xa8ff}, {0xa926, 0xa92d},
    {0xa947, 0xa953}, {0xa980, 0xa983}, {0xa9b3, 0xa9c0}, {0xa9e5, 0xa9e5}, {0xaa29, 0xaa36},
    {0xaa43, 0xaa43}, {0xaa4c, 0xaa4d}, {0xaa7b, 0xaa7d}, {0xaab0, 0xaab0}, {0xaab2, 0xaab4},
    {0xaab7, 0xaab8}, {0xaabe, 0xaabf}, {0xaac1, 0xaac1}, {0xaaeb, 0xaaef}, {0xaaf5, 0xaaf6},
    {0xabe3, 0xabea}, {0xabec, 0xabed}, {0xd7b0, 0xd7ff}, {0xfb1e, 0xfb1e}, {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f}, {0x101fd, 0x101fd}, {0x102e0, 0x102e0}, {0x10376, 0x1037a},
    {0x10a01, 0x10a0f}, {0x10a38, 0x10a3f}, {0x10ae5, 0x10ae6}, {0x10d24, 0x10d27},
    {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10efa, 0x10eff}, {0x10f46, 0x10f50},
    {0x10f82, 0x10f85}, {0x11000, 0x11002}, {0x11038, 0x11046}, {0x11070, 0x11070},
    {0x11073, 0x11074}, {0x1107f, 0x11082}, {0x110b0, 0x110ba}, {0x110c2, 0x110c2},
    {0x11100, 0x11102}, {0x11127, 0x11134}, {0x11145, 0x11146}, {0x11173, 0x11173},
    {0x11180, 0x11182}, {0x111b3, 0x111c0}, {0x111c9, 0x111cc}, {0x111ce, 0x111cf},
    {0x1122c, 0x11237}, {0x1123e, 0x1123e}, {0x11241, 0x11241}, {0x112df, 0x112ea},
    {0x11300, 0x11303}, {0x1133b, 0x1133c}, {0x1133e, 0x1134d}, {0x11357, 0x11357},
    {0x11362, 0x11374}, {0x113b8, 0x113d0}, {0x113d2, 0x113d2}, {0x113e1, 0x113e2},
    {0x11435, 0x11446}, {0x1145e, 0x1145e}, {0x114b0, 0x114c3}, {0x115af, 0x115c0},
    {0x115dc, 0x115dd}, {0x11630, 0x11640}, {0x116ab, 0x116b7}, {0x1171d, 0x1172b},
    {0x1182c, 0x1183a}, {0x11930, 0x1193e}, {0x11940, 0x11940}, {0x11942, 0x11943},
    {0x119d1, 0x119e0}, {0x119e4, 0x119e4}, {0x11a01, 0x11a0a}, {0x11a33, 0x11a39},
    {0x11a3b, 0x11a3e}, {0x11a47, 0x11a47}, {0x11a51, 0x11a5b}, {0x11a8a, 0x11a99},
    {0x11b60, 0x11b67}, {0x11c2f, 0x11c3f}, {0x11c92, 0x11cb6}, {0x11d31, 0x11d45},
    {0x11d47, 0x11d47}, {0x11d8a, 0x11d97}, {0x11ef3, 0x11ef6}, {0x11f00, 0x11f01},
    {0x11f03, 0x11f03}, {0x11f34, 0x11f42}, {0x11f5a, 0x11f5a}, {0x13447, 0x13455},
    {0x1611e, 0x1612f}, {0x16af0, 0x16af4}, {0x16b30, 0x16b36}, {0x16f4f, 0x16f4f},
    {0x16f51, 0x16f92}, {0x16fe4, 0x16ff1}, {0x1bc9d, 0x1bc9e}, {0x1cf00, 0x1cf46},
    {0x1d165, 0x1d169}, {0x1d16d, 0x1d172}, {0x1d17b, 0x1d182}, {0x1d185, 0x1d18b},
    {0x1d1aa, 0x1d1ad}, {0x1d242, 0x1d244}, {0x1da00, 0x1da36}, {0x1da3b, 0x1da6c},
    {0x1da75, 0x1da75}, {0x1da84, 0x1da84}, {0x1da9b, 0x1daaf}, {0x1e000, 0x1e02a},
    {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef},
    {0x1e4ec, 0x1e4ef}, {0x1e5ee, 0x1e5ef}, {0x1e6e3, 0x1e6e3}, {0x1e6e6, 0x1e6e6},
    {0x1e6ee, 0x1e6ef}, {0x1e6f5, 0x1e6f5}, {0x1e8d0, 0x1e8d6}, {0x1e944, 0x1e94a},
};
// clang-format on

constexpr bool any_contains(std::span<const code_range> sorted, char32_t c) noexcept {
  const auto after =
      std::upper_bound(sorted.begin(), sorted.end(), c,
                       [](char32_t value, const code_range& range) { return value < range.first; });
  return after != sorted.begin() && c <= std::prev(after)->last;
}

constexpr bool is_hidden(char32_t c) noexcept { return any_contains(hidden_ranges, c); }
constexpr bool is_mark(char32_t c) noexcept { return any_contains(mark_ranges, c); }

inline void append_byte_escape(std::string& out, unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\x";
  out += digits[byte >> 4U];
  out += digits[byte & 0x0fU];
}

inline void append_code_escape(std::string& out, char32_t c) {
  char digits[8];  // 10ffff is the longest
  const auto end =
      std::to_chars(std::begin(digits), std::end(digits), static_cast<std::uint32_t>(c), 16).ptr;
  out += "\\u{";
  out.append(std::begin(digits), end);
  out += '}';
}

// Writes what stands for the front of `text`, which is not to be shown as it is, and returns how
// many bytes of `text` that was.
inline std::size_t append_substitute(std::string& out, std::string_view text, code_point front,
                                     newlines style) {
  if (!front.valid) {
    for (const char byte : text.substr(0, front.length))
      append_byte_escape(out, static_cast<unsigned char>(byte));
    return front.length;
  }
  if (front.value == U'\t') {
    out += tab_shown;
    return 1;
  }
  if (style == newlines::continued && (text.starts_with('\n') || text.starts_with("\r\n"))) {
    out += '\n';
    out += continuation;
    return text[0] == '\r' ? 2 : 1;
  }
  if (front.value < 0x80) {
    append_byte_escape(out, static_cast<unsigned char>(front.value));
  } else {
    append_code_escape(out, front.value);
  }
  return front.length;
}

}  // namespace detail

/// Appends `text` to `out` in a form that is valid UTF-8, holds no control character (but the line
/// feeds that `newlines::continued` asks for), moves nothing on the screen but the cursor to the
/// right, and reads in the order in which it stands as far as its letters allow. `text` is any
/// bytes, valid or not, and must not lie in `out`. Throws only what `std::string` does.
///
/// Letters, ideographs, symbols, spaces and emoji stay as they are. The rest is shown:
///
///     \x1b     a control character below U+0080
///     \xff     a byte that is not UTF-8
///     \u{9b}   C1, line separators, bidi controls, zero-width and invisible characters, tags,
///              private use, noncharacters, empty planes
///
/// and a tab as `tab_shown`. Of combining marks in a row `marks_allowed` stay, and only behind a
/// character of the text's own that was shown: none can sit on what the program wrote before it.
/// A zero-width joiner is not kept either, so a family emoji shows as its members.
///
/// A backslash stays one backslash. A peer can thus write the four characters `\x1b`, which
/// deceives nobody to any effect, and paths of Windows stay readable. What is written grows by at
/// most 4 bytes for each byte, 5 where newlines are continued. What no such function can know is
/// the width of the screen: a long line still wraps there.
inline void printable_to(std::string& out, std::string_view text,
                         newlines style = newlines::escaped) {
  std::size_t copied = 0;  // [copied, at) stays as it is and is appended in one piece
  std::size_t at = 0;
  int marks_left = 0;  // none before there is a character for them to sit on
  while (at < text.size()) {
    if (text[at] >= ' ' && text[at] <= '~') {
      marks_left = marks_allowed;
      ++at;
      continue;
    }
    const auto front = first_code_point(text.substr(at));
    const bool mark = detail::is_mark(front.value);
    if (front.valid && !detail::is_hidden(front.value) && (!mark || marks_left > 0)) {
      marks_left = mark ? marks_left - 1 : marks_allowed;
      at += front.length;
      continue;
    }
    out += text.substr(copied, at - copied);
    at += detail::append_substitute(out, text.substr(at), front, style);
    copied = at;
    marks_left = 0;
  }
  out += text.substr(copied);
}

/// The same as a string of its own, for the middle of an expression:
/// `std::cerr << "refused: " << parley::printable(reason) << '\n'`.
[[nodiscard]] inline std::string printable(std::string_view text,
                                           newlines style = newlines::escaped) {
  std::string out;
  out.reserve(text.size());
  printable_to(out, text, style);
  return out;
}

}  // namespace parley
