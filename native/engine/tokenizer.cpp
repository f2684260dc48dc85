#include "tokenizer.h"

#include "error.h"
#include "log_guard.h"
#include "text_pieces.h"

#include <algorithm>
#include <cstring>

namespace qrhead {

namespace {

// Either one special token or text still to be tokenized, as a byte range of the whole prompt.
struct Fragment {
    size_t      begin   = 0;
    size_t      end     = 0;
    llama_token special = LLAMA_TOKEN_NULL;
};

// Some vocabularies (Command R, ChatML conversions) mark their turn tokens as user-defined, like runs of spaces and tags.
bool is_markup(const SpecialToken & token) {
    const auto & text = token.text;
    return token.user_defined && text.front() == '<' && text.back() == '>' &&
           (text == "<s>" || text == "</s>" || text.find('|') != std::string::npos ||
            text.find("\xEF\xBD\x9C") != std::string::npos);
}

std::vector<Fragment> split_at(const std::vector<Fragment> & fragments, const std::string & text,
                               const SpecialToken & token) {
    std::vector<Fragment> result;
    for (const auto & fragment : fragments) {
        size_t begin = fragment.begin;
        while (fragment.special == LLAMA_TOKEN_NULL) {
            const size_t at = text.find(token.text, begin);
            if (at == std::string::npos || at + token.text.size() > fragment.end) {
                break;
            }
            if (at > begin) {
                result.push_back({ begin, at, LLAMA_TOKEN_NULL });
            }
            begin = at + token.text.size();
            result.push_back({ at, begin, token.id });
        }
        if (begin < fragment.end) {
            result.push_back({ begin, fragment.end, fragment.special });
        }
    }
    return result;
}

void append(std::vector<Fragment> & fragments, const Fragment & next) {
    const bool joins = !fragments.empty() && fragments.back().special == LLAMA_TOKEN_NULL &&
                       next.special == LLAMA_TOKEN_NULL && fragments.back().end == next.begin;
    if (joins) {
        fragments.back().end = next.end;
    } else if (next.begin < next.end) {
        fragments.push_back(next);
    }
}

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Some vocabularies (Phi-3) drop the white space beside a special token.
void strip_beside_special(const llama_vocab * vocab, const std::string & text, std::vector<Fragment> & fragments) {
    for (size_t i = 0; i < fragments.size(); i++) {
        if (fragments[i].special == LLAMA_TOKEN_NULL) {
            continue;
        }
        const int attributes = api().llama_vocab_get_attr(vocab, fragments[i].special);
        if ((attributes & LLAMA_TOKEN_ATTR_LSTRIP) != 0 && i > 0 && fragments[i - 1].special == LLAMA_TOKEN_NULL) {
            auto & left = fragments[i - 1];
            while (left.end > left.begin && is_space(text[left.end - 1])) {
                left.end--;
            }
        }
        if ((attributes & LLAMA_TOKEN_ATTR_RSTRIP) != 0 && i + 1 < fragments.size() &&
            fragments[i + 1].special == LLAMA_TOKEN_NULL) {
            auto & right = fragments[i + 1];
            while (right.begin < right.end && is_space(text[right.begin])) {
                right.begin++;
            }
        }
    }
}

std::vector<llama_token> tokenize_piece(const llama_vocab * vocab, const char * text, size_t length) {
    std::vector<llama_token> tokens(length + 2);
    int32_t n = api().llama_tokenize(vocab, text, static_cast<int32_t>(length), tokens.data(),
                                     static_cast<int32_t>(tokens.size()), false, false);
    if (n < 0) {
        tokens.resize(static_cast<size_t>(-n));
        n = api().llama_tokenize(vocab, text, static_cast<int32_t>(length), tokens.data(),
                                 static_cast<int32_t>(tokens.size()), false, false);
    }
    if (n < 0) {
        throw EngineError("ENGINE_FAILED", "llama.cpp could not tokenize " + std::to_string(length) + " bytes of text");
    }
    tokens.resize(static_cast<size_t>(n));
    return tokens;
}

std::vector<llama_token> tokenize_text(const Model & model, const std::string & text, const Fragment & fragment,
                                       const Cancellation & cancellation) {
    const bool               cut = model.info().vocabulary_type == "bpe";
    std::vector<llama_token> tokens;
    for (size_t begin = fragment.begin; begin < fragment.end;) {
        cancellation.throw_if_requested();
        const size_t end   = cut ? end_of_piece(text, begin, fragment.end) : fragment.end;
        const auto   piece = tokenize_piece(model.vocab(), text.data() + begin, end - begin);
        tokens.insert(tokens.end(), piece.begin(), piece.end());
        begin = end;
    }
    return tokens;
}

// Walks the text as the tokens spell it, and says where each of them ends.
class Aligner {
  public:
    Aligner(const llama_vocab * vocab, const std::string & text) : vocab_(vocab), text_(text), piece_(64) {}

    void add(const Fragment & fragment, const std::vector<llama_token> & tokens, Tokenization & out) {
        // SentencePiece vocabularies may put a space before the first word that the text does not have. Only one of the
        // two readings spells the text to its end.
        if (!try_add(fragment, tokens, 0, out) && !try_add(fragment, tokens, 1, out)) {
            throw EngineError("TOKENIZER_UNSUPPORTED", "The vocabulary rewrites the text at byte " + std::to_string(furthest_) +
                                                           ", so tokens cannot be traced back to documents");
        }
    }

    static void push(llama_token token, size_t begin, size_t end, Tokenization & out) {
        out.tokens.push_back(token);
        out.offsets.push_back(static_cast<uint32_t>(begin));
        out.offsets.push_back(static_cast<uint32_t>(end));
    }

  private:
    // `n_added`: spaces that the vocabulary put before the first token. False, with `out` unchanged, if this spells another text.
    bool try_add(const Fragment & fragment, const std::vector<llama_token> & tokens, int32_t n_added, Tokenization & out) {
        const size_t n_tokens = out.tokens.size();
        size_t       cursor   = fragment.begin;
        bool         matches  = true;
        for (size_t i = 0; i < tokens.size() && matches; i++) {
            const size_t begin = cursor;
            matches            = advance(tokens[i], cursor, fragment.end, i == 0 ? n_added : 0);
            push(tokens[i], begin, cursor, out);
        }
        if (matches && cursor == fragment.end) {
            return true;
        }
        furthest_ = std::max(furthest_, cursor);
        out.tokens.resize(n_tokens);
        out.offsets.resize(2 * n_tokens);
        return false;
    }

    bool advance(llama_token token, size_t & cursor, size_t end, int32_t n_added) {
        const int32_t length = read_piece(token);
        for (int32_t i = n_added; i < length; i++) {
            const bool same = cursor < end && text_[cursor] == piece_[static_cast<size_t>(i)];
            if (!same && !(piece_[static_cast<size_t>(i)] == ' ' && is_written_space(cursor, end))) {
                return false;
            }
            cursor += same ? 1 : 3;
        }
        return true;
    }

    // A written U+2581 is read as a space by SentencePiece vocabularies.
    bool is_written_space(size_t cursor, size_t end) const {
        return cursor + 3 <= end && std::memcmp(text_.data() + cursor, "\xE2\x96\x81", 3) == 0;
    }

    int32_t read_piece(llama_token token) {
        int32_t length = api().llama_token_to_piece(vocab_, token, piece_.data(), static_cast<int32_t>(piece_.size()), 0, true);
        if (length < 0) {
            piece_.resize(static_cast<size_t>(-length));
            length = api().llama_token_to_piece(vocab_, token, piece_.data(), static_cast<int32_t>(piece_.size()), 0, true);
        }
        return length;
    }

    const llama_vocab * vocab_;
    const std::string & text_;
    std::vector<char>   piece_;
    size_t              furthest_ = 0;
};

// Cuts text inside every user-defined turn token that it spells, so that llama.cpp does not find it whole.
std::vector<Fragment> cut_markup(const std::vector<Fragment> & fragments, const std::string & text,
                                 const std::vector<SpecialToken> & tokens) {
    std::vector<size_t> cuts;
    for (const auto & token : tokens) {
        for (size_t at = is_markup(token) ? text.find(token.text) : std::string::npos; at != std::string::npos;
             at        = text.find(token.text, at + 1)) {
            cuts.push_back(at + 1);
        }
    }
    std::sort(cuts.begin(), cuts.end());
    std::vector<Fragment> result;
    for (auto fragment : fragments) {
        auto cut = std::upper_bound(cuts.begin(), cuts.end(), fragment.begin);
        for (; fragment.special == LLAMA_TOKEN_NULL && cut != cuts.end() && *cut < fragment.end; ++cut) {
            if (*cut > fragment.begin) {
                result.push_back({ fragment.begin, *cut, LLAMA_TOKEN_NULL });
                fragment.begin = *cut;
            }
        }
        result.push_back(fragment);
    }
    return result;
}

std::vector<Fragment> partition(const llama_vocab * vocab, const std::vector<SpecialToken> & tokens,
                                const std::vector<PromptPiece> & pieces, std::string & text) {
    std::vector<Fragment> fragments;
    for (const auto & piece : pieces) {
        const size_t begin = text.size();
        text += piece.text;
        std::vector<Fragment> split{ { begin, text.size(), LLAMA_TOKEN_NULL } };
        if (piece.special) {
            for (const auto & token : tokens) {
                if (piece.text.find(token.text) != std::string::npos) {
                    split = split_at(split, text, token);
                }
            }
        }
        for (const auto & fragment : split) {
            append(fragments, fragment);
        }
    }
    strip_beside_special(vocab, text, fragments);
    return cut_markup(fragments, text, tokens);
}

}  // namespace

Tokenization tokenize(const Model & model, const std::vector<PromptPiece> & pieces, const Cancellation & cancellation) {
    const llama_vocab * vocab = model.vocab();
    const auto &        info  = model.info();
    if (info.vocabulary_type == "none" || info.vocabulary_type == "wpm" || info.vocabulary_type == "ugm") {
        throw EngineError("TOKENIZER_UNSUPPORTED", "A vocabulary of type " + info.vocabulary_type +
                                                       " normalises text, so tokens cannot be traced back to documents: "
                                                       "use a model with a BPE or SentencePiece (SPM) vocabulary");
    }
    LogGuard    log(api());
    std::string text;
    const auto  fragments = partition(vocab, model.special_tokens(), pieces, text);

    Tokenization out;
    if (info.add_bos && info.bos_token != LLAMA_TOKEN_NULL &&
        (fragments.empty() || fragments.front().special != info.bos_token)) {
        Aligner::push(info.bos_token, 0, 0, out);
    }
    Aligner aligner(vocab, text);
    for (const auto & fragment : fragments) {
        if (fragment.special != LLAMA_TOKEN_NULL) {
            Aligner::push(fragment.special, fragment.begin, fragment.end, out);
        } else if (fragment.begin < fragment.end) {
            aligner.add(fragment, tokenize_text(model, text, fragment, cancellation), out);
        }
    }
    return out;
}

}  // namespace qrhead
