#pragma once

#include <cstddef>
#include <string>

namespace qrhead {

// Where a piece of `text` that starts at `begin` should end, at most `end`, for a BPE vocabulary.
//
// llama.cpp splits text for many vocabularies with std::regex, whose matcher recurses once per character: a stretch of some
// 20,000 letters, spaces or signs overflows the thread's stack and kills the process (DeepSeek, gpt-oss, Mistral and more).
// Text is therefore cut, but only inside a stretch that no match is sure to end in, longer than any line of prose, and where
// possible in front of a space or a sign, which every published expression starts a new match at. Text of ordinary lines is
// cut behind a line break, so that a call can be stopped.
size_t end_of_piece(const std::string & text, size_t begin, size_t end) noexcept;

}  // namespace qrhead
