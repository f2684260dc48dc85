#include "tokenizer.h"

#include "error.h"
#include "log_guard.h"
#include "text_pieces.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string_view>

namespace qrhead {

namespace {

// Either one special token or text still to be tokenized, as a byte range of the whole prompt.
struct Fragment {
    size_t      begin     = 0;
    size_t      end       = 0;
    llama_token special   = LLAMA_TOKEN_NULL;
    bool        continues = false;  // text that was cut off the text before it
};

// Elements of HTML that vocabularies have as tokens of text, and not for turns.
bool is_html_element(std::string_view text) {
    constexpr std::string_view names[] = { "a",   "b",    "blockquote", "body", "br",   "caption", "code",  "div",   "em",    "footer", "h1",
                                           "h2",  "h3",   "h4",         "h5",   "h6",   "hr",      "html",  "i",     "iframe", "img",   "li",
                                           "ol",  "p",    "pre",        "span", "strong", "sub",   "sup",   "table", "tbody", "td",     "tfoot",
                                           "th",  "thead", "tr",        "u",    "ul" };
    text.remove_prefix(text.substr(0, 2) == "</" ? 2 : 1);
    text.remove_suffix(1);
    return std::find(std::begin(names), std::end(names), text) != std::end(names);
}

// Many vocabularies mark their turn, thinking and tool tokens as user-defined, like runs of spaces and elements of HTML.
bool is_markup(const SpecialToken & token) {
    const auto & text        = token.text;
    const bool   is_tag      = text.front() == '<' && text.back() == '>' && !is_html_element(text);
    const bool   is_brackets = text.front() == '[' && text.back() == ']';
    return token.user_defined && text.size() > 2 && (is_tag || is_brackets);
}

// Takes a token out of the text, as llama.cpp does: from left to right, in what no token was taken from before.
std::vector<Fragment> split_at(const std::vector<Fragment> & fragments, const std::string & text,
                               const SpecialToken & token) {
    std::vector<Fragment> result;
    for (const auto & fragment : fragments) {
        const std::string_view window(text.data(), fragment.end);
        size_t                 begin     = fragment.begin;
        bool                   continues = fragment.continues;
        while (fragment.special == LLAMA_TOKEN_NULL) {
            const size_t at = window.find(token.text, begin);
            if (at == std::string::npos) {
                break;
            }
            if (at > begin) {
                result.push_back({ begin, at, LLAMA_TOKEN_NULL, continues });
            }
            begin     = at + token.text.size();
            continues = false;
            result.push_back({ at, begin, token.id });
        }
        if (begin < fragment.end) {
            result.push_back({ begin, fragment.end, fragment.special, continues });
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

// A piece of SPM text that follows other text. The separator is put before it and its tokens are dropped again, so that what
// the vocabulary puts before a text comes before the separator.
std::vector<llama_token> tokenize_continued(const llama_vocab * vocab, const std::string & separator, const char * text, size_t length) {
    const auto separated = tokenize_piece(vocab, separator.data(), separator.size());
    const auto piece     = separator + std::string(text, length);
    const auto tokens    = tokenize_piece(vocab, piece.data(), piece.size());
    return { tokens.begin() + static_cast<std::ptrdiff_t>(separated.size()), tokens.end() };
}

std::vector<llama_token> tokenize_text(const Model & model, const std::string & text, const Fragment & fragment,
                                       const Cancellation & cancellation) {
    const bool is_bpe  = model.info().vocabulary_type == "bpe";
    const bool is_long = fragment.end - fragment.begin > 4096;
    // Looking for the places takes a moment, so only when there is something to cut.
    const auto * spm = model.info().vocabulary_type == "spm" && (is_long || fragment.continues) ? &model.spm_boundaries() : nullptr;
    std::vector<llama_token> tokens;
    for (size_t begin = fragment.begin; begin < fragment.end;) {
        cancellation.throw_if_requested();
        const size_t end = is_bpe        ? end_of_piece(text, begin, fragment.end)
                           : spm != nullptr ? spm->end_of_piece(text, begin, fragment.end)
                                            : fragment.end;
        const bool continues = spm != nullptr && !spm->separator().empty() && (begin > fragment.begin || fragment.continues);
        const auto piece     = continues ? tokenize_continued(model.vocab(), spm->separator(), text.data() + begin, end - begin)
                                         : tokenize_piece(model.vocab(), text.data() + begin, end - begin);
        tokens.insert(tokens.end(), piece.begin(), piece.end());
        begin = end;
    }
    return tokens;
}

// Walks the text as the tokens spell it, and says where each of them ends.
class Aligner {
  public:
    Aligner(const Model & model, const std::string & text)
        : model_(model), is_bpe_(model.info().vocabulary_type == "bpe"), text_(text), piece_(64) {}

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
        if (matches) {
            skip_dropped(cursor, fragment.end);
            if (!tokens.empty()) {
                out.offsets.back() = static_cast<uint32_t>(cursor);
            }
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
            if (cursor < end && text_[cursor] != piece_[static_cast<size_t>(i)]) {
                skip_dropped(cursor, end);
            }
            const bool same = cursor < end && text_[cursor] == piece_[static_cast<size_t>(i)];
            if (!same && !(piece_[static_cast<size_t>(i)] == ' ' && is_written_space(cursor, end))) {
                return false;
            }
            cursor += same ? 1 : 3;
        }
        return true;
    }

    // Bytes that the vocabulary has no token for. llama.cpp leaves them out; they count as part of the token beside them.
    void skip_dropped(size_t & cursor, size_t end) const {
        while (is_bpe_ && cursor < end && !model_.lone_bytes()[static_cast<unsigned char>(text_[cursor])]) {
            cursor++;
        }
    }

    // A written U+2581 is read as a space by SentencePiece vocabularies.
    bool is_written_space(size_t cursor, size_t end) const {
        return cursor + 3 <= end && std::memcmp(text_.data() + cursor, "\xE2\x96\x81", 3) == 0;
    }

    int32_t read_piece(llama_token token) {
        int32_t length = api().llama_token_to_piece(model_.vocab(), token, piece_.data(), static_cast<int32_t>(piece_.size()), 0, true);
        if (length < 0) {
            piece_.resize(static_cast<size_t>(-length));
            length = api().llama_token_to_piece(model_.vocab(), token, piece_.data(), static_cast<int32_t>(piece_.size()), 0, true);
        }
        return length;
    }

    const Model &       model_;
    const bool          is_bpe_;
    const std::string & text_;
    std::vector<char>   piece_;
    size_t              furthest_ = 0;
};

// Cuts text inside every token for turns that it spells, so that llama.cpp does not find it whole.
std::vector<Fragment> cut_markup(const std::vector<Fragment> & fragments, const std::string & text,
                                 const std::vector<const SpecialToken *> & tokens) {
    std::vector<size_t> cuts;
    for (const auto * token : tokens) {
        for (size_t at = is_markup(*token) ? text.find(token->text) : std::string::npos; at != std::string::npos;
             at        = text.find(token->text, at + 1)) {
            cuts.push_back(at + 1);
        }
    }
    std::sort(cuts.begin(), cuts.end());
    std::vector<Fragment> result;
    for (auto fragment : fragments) {
        auto cut = std::upper_bound(cuts.begin(), cuts.end(), fragment.begin);
        for (; fragment.special == LLAMA_TOKEN_NULL && cut != cuts.end() && *cut < fragment.end; ++cut) {
            if (*cut > fragment.begin) {
                result.push_back({ fragment.begin, *cut, LLAMA_TOKEN_NULL, fragment.continues });
                fragment.begin     = *cut;
                fragment.continues = true;
            }
        }
        result.push_back(fragment);
    }
    return result;
}

// Tokens that llama.cpp recognises in plain text, as far as the text may have them: of some thousand, most are ruled out by
// two bytes that never stand side by side.
std::vector<const SpecialToken *> plain_tokens(const std::vector<SpecialToken> & tokens, const std::string & text) {
    const auto                     byte_at = [](const std::string & string, size_t at) { return static_cast<unsigned char>(string[at]); };
    std::vector<bool>              pairs(size_t(1) << 16);
    std::vector<bool>              bytes(size_t(1) << 8);
    for (size_t at = 0; at < text.size(); at++) {
        bytes[byte_at(text, at)] = true;
        pairs[size_t(byte_at(text, at)) << 8 | (at + 1 < text.size() ? byte_at(text, at + 1) : 0u)] = true;
    }
    std::vector<const SpecialToken *> found;
    for (const auto & token : tokens) {
        bool may_occur = token.user_defined && !token.control && bytes[byte_at(token.text, 0)];
        for (size_t at = 0; may_occur && at + 1 < token.text.size(); at++) {
            may_occur = pairs[size_t(byte_at(token.text, at)) << 8 | byte_at(token.text, at + 1)];
        }
        if (may_occur && text.find(token.text) != std::string::npos) {
            found.push_back(&token);
        }
    }
    return found;
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
    // llama.cpp would find these by itself, but in time quadratic in their number.
    const auto plain = plain_tokens(tokens, text);
    fragments        = cut_markup(fragments, text, plain);
    for (const auto * token : plain) {
        if (!is_markup(*token)) {
            fragments = split_at(fragments, text, *token);
        }
    }
    strip_beside_special(vocab, text, fragments);
    return fragments;
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
    Aligner aligner(model, text);
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
