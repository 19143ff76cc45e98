// A terminal's parser, as an oracle: what would these bytes do to a screen?
//
// The states and transitions are those that Paul Williams found in DEC's VT500 and published at
// vt100.net/emu/dec_ansi_parser; terminals of today follow them. Text is harmless when the parser
// stays in `ground` from its first byte to its last and meets no control character but the line
// feeds that the program itself wrote. So a test need not list bad strings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace parley::test {

/// One terminal. Bytes may come in any pieces. It reads UTF-8 like the most gullible terminal there
/// is: overlong forms and surrogates count as what they spell, and a byte that fits nowhere is
/// taken for Latin-1, where 0x80 to 0x9f are C1 controls. Whatever a real terminal does, it does
/// less.
class vt500 {
 public:
  enum class state {
    ground,
    escape,
    escape_intermediate,
    csi_entry,
    csi_param,
    csi_intermediate,
    csi_ignore,
    dcs_entry,
    dcs_param,
    dcs_intermediate,
    dcs_passthrough,
    dcs_ignore,
    osc_string,
    sos_pm_apc_string,
  };

  void feed(std::string_view bytes) {
    for (const char byte : bytes) feed_byte(static_cast<unsigned char>(byte));
  }

  /// Where it is now; a character that has only begun to arrive has done nothing yet.
  state current() const { return state_; }

  /// Whether any byte so far has taken it out of ground, even if another brought it back.
  bool left_ground() const { return left_ground_; }

  /// All control characters met, C0, DEL and C1, in any state, without line feeds.
  const std::u32string& controls() const { return controls_; }

  /// How many line feeds were met in ground.
  std::size_t line_feeds() const { return line_feeds_; }

  /// What stands on the screen, with the line feeds.
  const std::u32string& printed() const { return printed_; }

  /// How many bytes were no UTF-8 at all, or the beginning of a character that did not go on.
  std::size_t stray_bytes() const { return stray_bytes_ + pending_.size(); }

  /// Nothing but characters and line feeds so far, and nothing half said.
  bool harmless() const { return !left_ground_ && controls_.empty() && stray_bytes() == 0; }

 private:
  void feed_byte(unsigned char byte) {
    const bool continues = byte >= 0x80 && byte <= 0xbf;
    if (!pending_.empty() && !continues) flush_as_latin1();
    if (pending_.empty()) {
      expected_ = length_promised_by(byte);
      if (expected_ == 0) {
        if (byte >= 0x80) ++stray_bytes_;
        take(byte);
        return;
      }
    }
    pending_ += static_cast<char>(byte);
    if (pending_.size() < expected_) return;

    char32_t value = static_cast<unsigned char>(pending_[0]) & (0xffU >> (expected_ + 1));
    for (const char next : pending_.substr(1)) {
      value = value << 6U | (static_cast<unsigned char>(next) & 0x3fU);
    }
    pending_.clear();
    take(value);
  }

  // By the bits of the first byte alone, so overlong forms too. 0: the byte stands for itself.
  static std::size_t length_promised_by(unsigned char byte) {
    if (byte < 0xc0 || byte >= 0xf8) return 0;
    if (byte < 0xe0) return 2;
    return byte < 0xf0 ? 3 : 4;
  }

  void flush_as_latin1() {
    const std::string bytes = std::move(pending_);
    pending_.clear();
    stray_bytes_ += bytes.size();
    for (const char byte : bytes) take(static_cast<unsigned char>(byte));
  }

  void take(char32_t c) {
    if (c == U'\n' && state_ == state::ground) {
      ++line_feeds_;
      printed_ += c;
      return;
    }
    if (c < 0x20 || within(c, 0x7f, 0x9f)) {
      controls_ += c;
    } else if (state_ == state::ground) {
      printed_ += c;
    }
    state_ = after(c);
    if (state_ != state::ground) left_ground_ = true;
  }

  static bool within(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

  // The state after `c`. First what the diagram has as "anywhere", then each state's own.
  state after(char32_t c) const {
    switch (c) {
      case 0x18:  // CAN
      case 0x1a:  // SUB
      case 0x9c:  // ST
        return state::ground;
      case 0x1b: return state::escape;
      case 0x90: return state::dcs_entry;
      case 0x9b: return state::csi_entry;
      case 0x9d: return state::osc_string;
      case 0x98:  // SOS
      case 0x9e:  // PM
      case 0x9f:  // APC
        return state::sos_pm_apc_string;
      default: break;
    }
    if (within(c, 0x80, 0x9f)) return state::ground;  // the other C1: executed at once
    if (c > 0x9f) return state_;                      // part of a string, or ignored
    switch (state_) {
      case state::ground: return state::ground;
      case state::escape: return after_escape(c);
      case state::escape_intermediate:
        return within(c, 0x30, 0x7e) ? state::ground : state::escape_intermediate;
      case state::csi_entry:
      case state::csi_param: return after_csi_param(c);
      case state::csi_intermediate:
        if (within(c, 0x30, 0x3f)) return state::csi_ignore;
        return within(c, 0x40, 0x7e) ? state::ground : state::csi_intermediate;
      case state::csi_ignore: return within(c, 0x40, 0x7e) ? state::ground : state::csi_ignore;
      case state::dcs_entry:
      case state::dcs_param: return after_dcs_param(c);
      case state::dcs_intermediate:
        if (within(c, 0x30, 0x3f)) return state::dcs_ignore;
        return within(c, 0x40, 0x7e) ? state::dcs_passthrough : state::dcs_intermediate;
      case state::osc_string:  // BEL ends it since xterm
        return c == 0x07 ? state::ground : state::osc_string;
      case state::dcs_passthrough:
      case state::dcs_ignore:
      case state::sos_pm_apc_string: return state_;
    }
    return state_;
  }

  static state after_escape(char32_t c) {
    switch (c) {
      case U'P': return state::dcs_entry;
      case U'[': return state::csi_entry;
      case U']': return state::osc_string;
      case U'X':
      case U'^':
      case U'_': return state::sos_pm_apc_string;
      default: break;
    }
    if (within(c, 0x20, 0x2f)) return state::escape_intermediate;
    return within(c, 0x30, 0x7e) ? state::ground : state::escape;
  }

  state after_csi_param(char32_t c) const {
    if (within(c, 0x20, 0x2f)) return state::csi_intermediate;
    if (within(c, 0x40, 0x7e)) return state::ground;
    if (c == U':') return state::csi_ignore;
    if (within(c, 0x3c, 0x3f))
      return state_ == state::csi_entry ? state::csi_param : state::csi_ignore;
    return within(c, 0x30, 0x3b) ? state::csi_param : state_;
  }

  state after_dcs_param(char32_t c) const {
    if (within(c, 0x20, 0x2f)) return state::dcs_intermediate;
    if (within(c, 0x40, 0x7e)) return state::dcs_passthrough;
    if (c == U':') return state::dcs_ignore;
    if (within(c, 0x3c, 0x3f))
      return state_ == state::dcs_entry ? state::dcs_param : state::dcs_ignore;
    return within(c, 0x30, 0x3b) ? state::dcs_param : state_;
  }

  state state_ = state::ground;
  bool left_ground_ = false;
  std::u32string controls_;
  std::size_t line_feeds_ = 0;
  std::u32string printed_;
  std::size_t stray_bytes_ = 0;
  std::string pending_;  // a character whose first byte has come and whose last has not
  std::size_t expected_ = 0;
};

}  // namespace parley::test
