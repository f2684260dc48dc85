#pragma once

#include <cstddef>
#include <string>

namespace qrhead {

// Where a piece of `text` that starts at `begin` should end, at most `end`, for a BPE vocabulary.
//
// llama.cpp splits text for many vocabularies with std::regex, whose matcher recurses once per character: a stretch of some
// 20,000 letters, spaces or signs overflows the thread's stack and kills the process (DeepSeek, gpt-oss, Mistral and more).
// So text is cut. A stretch in which no match surely ends is cut only if it is longer than any line of prose, and if possible
// before a space or a sign, where every published expression starts a new match. Text of ordinary lines is cut after a line
// break, so that a call can be stopped.
size_t end_of_piece(const std::string & text, size_t begin, size_t end) noexcept;

}  // namespace qrhead
