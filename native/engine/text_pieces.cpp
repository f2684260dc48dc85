#include "text_pieces.h"

#include <cstring>

namespace qrhead {

namespace {

// Bytes. A character costs libstdc++'s matcher about 270 bytes of stack, and a thread has 2 MiB where none were configured.
constexpr size_t max_stretch = 4096;

// Bytes of lines, after which a call can be stopped.
constexpr size_t max_piece = size_t(1) << 16;

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

bool is_word(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

// Languages without spaces have these instead.
bool is_wide_sign(const char * at, size_t length) {
    constexpr const char * signs[] = { "\xE3\x80\x81", "\xE3\x80\x82", "\xEF\xBC\x8C", "\xEF\xBC\x8E", "\xEF\xBC\x9A" };
    for (const char * sign : signs) {
        if (length >= 3 && std::memcmp(at, sign, 3) == 0) {
            return true;
        }
    }
    return false;
}

// No expression matches across a line's end, unless white space follows or a slash ("[\r\n/]*").
bool starts_stretch(const std::string & text, size_t at) {
    return text[at - 1] == '\n' && !is_space(text[at]) && text[at] != '/';
}

bool starts_match(const std::string & text, size_t at, size_t end) {
    if (!is_word(text[at - 1]) || at + 1 >= end) {
        return false;
    }
    return text[at] == ' ' ? !is_space(text[at + 1]) : !is_space(text[at]) && (!is_word(text[at]) || is_wide_sign(&text[at], end - at));
}

}  // namespace

size_t end_of_piece(const std::string & text, size_t begin, size_t end) noexcept {
    size_t stretch = begin;
    for (size_t at = begin + 1; at < end; at++) {
        if (starts_stretch(text, at)) {
            // Every expression stops after a single line break, so this changes no token.
            if (at - begin >= max_piece && !is_space(text[at - 2])) {
                return at;
            }
            stretch = at;
        } else if (at - stretch >= max_stretch) {
            for (size_t cut = at; cut > at - max_stretch / 2; cut--) {
                if (starts_match(text, cut, end)) {
                    return cut;
                }
            }
            size_t cut = at;
            while (cut > at - 4 && is_continuation(text[cut])) {
                cut--;
            }
            return cut;
        }
    }
    return end;
}

}  // namespace qrhead
