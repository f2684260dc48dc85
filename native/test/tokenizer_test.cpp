#include "check.h"
#include "text_pieces.h"

#include <algorithm>

using namespace qrhead;
using namespace qrhead::test;

namespace {

const std::string many_scripts =
    "Hello, world!\n\n\tTabs  and   runs\r\nПривет, мир. 你好，世界。こんにちは مرحبا بالعالم "
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x94\xAC e\xCC\x81\xCC\xA3 \xE2\x96\x81 <|eot_id|></s><s> 12345 don't";

// Every byte belongs to one token, in order; a begin-of-sequence token in front covers none.
bool covers(const Tokenization & result, const std::string & text) {
    size_t cursor = 0;
    for (size_t i = 0; i < result.tokens.size(); i++) {
        if (result.offsets[2 * i] != cursor || result.offsets[2 * i + 1] < cursor) {
            return false;
        }
        cursor = result.offsets[2 * i + 1];
    }
    return cursor == text.size() && result.offsets.size() == 2 * result.tokens.size();
}

bool has(const Tokenization & result, llama_token token) {
    return std::find(result.tokens.begin(), result.tokens.end(), token) != result.tokens.end();
}

constexpr const char * decoders[] = { "tiny-llama", "tiny-llama-spm", "tiny-qwen2", "tiny-phi3", "tiny-gptoss", "tiny-mpt" };

}  // namespace

TEST("offsets cover the text exactly, whatever script it is in") {
    for (const char * name : decoders) {
        for (const std::string & text : { many_scripts, std::string("x"), std::string("  "), std::string("\n"), std::string("\0a\0", 3) }) {
            CHECK(covers(tokenize(*model(name), { { text, false } }), text));
        }
    }
}

TEST("text cut into pieces is tokenized as the whole") {
    for (const char * name : decoders) {
        const auto whole = tokenize(*model(name), { { many_scripts, false } });
        for (size_t cut = 1; cut < many_scripts.size(); cut += 7) {
            const auto parts = tokenize(*model(name), { { many_scripts.substr(0, cut), false }, { many_scripts.substr(cut), false } });
            CHECK(parts.tokens == whole.tokens && parts.offsets == whole.offsets);
        }
    }
}

TEST("tokenizing a long text ends when it is cancelled") {
    const Cancellation cancellation{ make_cancel_flag(), make_cancel_flag() };
    const std::string  text(100'000, 'a');
    CHECK(covers(tokenize(*model("tiny-llama"), { { text, false } }, cancellation), text));
    *cancellation.environment = true;
    CHECK_ERROR("ABORTED", tokenize(*model("tiny-llama"), { { text, false } }, cancellation));
}

TEST("special tokens are recognised in special pieces and nowhere else") {
    const auto &      llama = *model("tiny-llama");
    const llama_token eot   = tokenize(llama, { { "<|eot_id|>", true } }).tokens.back();
    const auto        mixed = tokenize(llama, { { "<|eot_id|>a", true }, { "<|eot_id|>b", false } });
    CHECK(mixed.tokens.size() > 4 && mixed.tokens[1] == eot);
    CHECK(std::count(mixed.tokens.begin(), mixed.tokens.end(), eot) == 1);
    CHECK(covers(mixed, "<|eot_id|>a<|eot_id|>b"));
    // Split over pieces, a special token's text is text.
    CHECK(!has(tokenize(llama, { { "<|eot", true }, { "_id|>", false } }), eot));
    CHECK(!has(tokenize(*model("tiny-llama-spm"), { { "x</s><s>", false } }), 2));
    // Phi-3 marks </s> as user-defined, which llama.cpp recognises in plain text.
    const llama_token end = tokenize(*model("tiny-phi3"), { { "</s>", true } }).tokens.back();
    const auto        text = tokenize(*model("tiny-phi3"), { { "a</s>b</s>", false } });
    CHECK(end == 2 && !has(text, end) && covers(text, "a</s>b</s>"));
}

TEST("a begin-of-sequence token is added once, where the vocabulary asks for it") {
    const auto & llama = *model("tiny-llama");
    const auto   bos   = llama.info().bos_token;
    CHECK(tokenize(llama, { { "a", false } }).tokens.front() == bos);
    const auto spelled = tokenize(llama, { { "<|begin_of_text|>a", true } });
    CHECK(std::count(spelled.tokens.begin(), spelled.tokens.end(), bos) == 1 && spelled.offsets[1] == 17);
    CHECK(!has(tokenize(*model("tiny-qwen2"), { { "a", false } }), model("tiny-qwen2")->info().bos_token));
}

TEST("the space that SentencePiece puts in front belongs to no byte") {
    const auto & spm    = *model("tiny-llama-spm");
    const auto   result = tokenize(spm, { { "Hello world", false } });
    CHECK(result.tokens.size() == 3 && covers(result, "Hello world"));
    CHECK(result.offsets == std::vector<uint32_t>({ 0, 0, 0, 5, 5, 11 }));
    CHECK(covers(tokenize(spm, { { " Hello", false } }), " Hello"));
    CHECK(covers(tokenize(spm, { { "   ", false } }), "   "));
}

TEST("a written U+2581 is three bytes of the text although SentencePiece reads a space") {
    for (const std::string text : { "a\xE2\x96\x81" "b", "\xE2\x96\x81", "\xE2\x96\x81\xE2\x96\x81x \xE2\x96\x81", " \xE2\x96\x81" }) {
        CHECK(covers(tokenize(*model("tiny-llama-spm"), { { text, false } }), text));
        CHECK(covers(tokenize(*model("tiny-phi3"), { { text, false } }), text));
    }
}

TEST("empty text has no tokens beyond the begin-of-sequence token") {
    CHECK(tokenize(*model("tiny-llama"), {}).tokens.size() == 1);
    CHECK(tokenize(*model("tiny-llama"), { { "", false }, { "", true } }).tokens.size() == 1);
    CHECK(tokenize(*model("tiny-qwen2"), { { "", false } }).tokens.empty());
}

TEST("bytes that are no UTF-8 are spelled or refused") {
    const std::string broken = "a\xFF\xC3(\xE2\x96 b\xF0\x9F";
    for (const char * name : decoders) {
        try {
            CHECK(covers(tokenize(*model(name), { { broken, false } }), broken));
        } catch (const EngineError & error) {
            CHECK(error.code() == std::string("TOKENIZER_UNSUPPORTED"));
        }
    }
}

TEST("a vocabulary that rewrites text is refused") {
    CHECK_ERROR("TOKENIZER_UNSUPPORTED", tokenize(*model("tiny-bert"), { { "Hello", false } }));
}

TEST("pieces are whole lines where lines are short, and never longer than a stretch where they are not") {
    const std::string lines(20000, 'x');
    std::string       prose;
    while (prose.size() < 20000) {
        prose += "A line of prose, with words and signs.\n";
    }
    CHECK(end_of_piece(prose, 0, prose.size()) == prose.size());
    std::replace(prose.begin(), prose.end(), '\n', ' ');
    for (const std::string & text : { lines, prose, std::string(20000, '\n'), std::string(20000, ' ') }) {
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = end_of_piece(text, begin, text.size());
            CHECK(end > begin && end - begin <= 4096);
            CHECK(end == text.size() || text != prose || text[end] == ' ' || text[end] == ',' || text[end] == '.');
            begin = end;
        }
    }
}

TEST("pieces end between characters") {
    std::string text;
    while (text.size() < 20000) {
        text += "\xF0\x9F\x91\xA9\xE4\xBD\xA0";
    }
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = end_of_piece(text, begin, text.size());
        CHECK(end == text.size() || (static_cast<unsigned char>(text[end]) & 0xC0) == 0xC0);
        begin = end;
    }
    // Bytes that are no UTF-8 have no characters to end between; a cut must come all the same.
    const std::string broken(20000, '\x80');
    CHECK(end_of_piece(broken, 0, broken.size()) > 0);
}
