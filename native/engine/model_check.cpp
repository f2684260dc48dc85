#include "model_check.h"

#include "error.h"
#include "handles.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace qrhead {

namespace {

// Limits of llama.cpp's loader.
constexpr uint32_t max_layers  = 512;
constexpr uint32_t max_experts = 1024;
// Heads, and entries of a head: their product is counted in 32 bits.
constexpr uint32_t max_heads = 0xFFFF;

class Header {
  public:
    Header(const std::string & path, const gguf_context * gguf) : path_(path), gguf_(gguf) {
        const auto name = text("general.architecture");
        architecture_   = name ? *name : "";
    }

    const std::string & architecture() const noexcept { return architecture_; }

    // Values of another type than llama.cpp reads are as good as absent: it reports them.
    std::optional<uint32_t> number(const std::string & key) const {
        const auto values = numbers(key);
        return values.size() == 1 ? std::optional<uint32_t>(values.front()) : std::nullopt;
    }

    // Some keys have one number for all layers, or one for each.
    std::vector<uint32_t> numbers(const std::string & key) const {
        const auto &  llama = api();
        const int64_t id    = llama.gguf_find_key(gguf_, full(key).c_str());
        if (id < 0) {
            return {};
        }
        if (llama.gguf_get_kv_type(gguf_, id) == GGUF_TYPE_UINT32) {
            return { llama.gguf_get_val_u32(gguf_, id) };
        }
        const bool is_array = llama.gguf_get_kv_type(gguf_, id) == GGUF_TYPE_ARRAY;
        if (!is_array || (llama.gguf_get_arr_type(gguf_, id) != GGUF_TYPE_UINT32 && llama.gguf_get_arr_type(gguf_, id) != GGUF_TYPE_INT32)) {
            return {};
        }
        const auto * values = static_cast<const uint32_t *>(llama.gguf_get_arr_data(gguf_, id));
        return { values, values + llama.gguf_get_arr_n(gguf_, id) };
    }

    std::optional<float> fraction(const std::string & key) const {
        const int64_t id = api().gguf_find_key(gguf_, full(key).c_str());
        if (id < 0 || api().gguf_get_kv_type(gguf_, id) != GGUF_TYPE_FLOAT32) {
            return std::nullopt;
        }
        return api().gguf_get_val_f32(gguf_, id);
    }

    bool is_list_of_false(const std::string & key) const {
        const auto &  llama = api();
        const int64_t id    = llama.gguf_find_key(gguf_, full(key).c_str());
        if (id < 0 || llama.gguf_get_kv_type(gguf_, id) != GGUF_TYPE_ARRAY || llama.gguf_get_arr_type(gguf_, id) != GGUF_TYPE_BOOL) {
            return false;
        }
        const auto * values = static_cast<const int8_t *>(llama.gguf_get_arr_data(gguf_, id));
        return std::none_of(values, values + llama.gguf_get_arr_n(gguf_, id), [](int8_t value) { return value != 0; });
    }

    std::optional<std::string> text(const std::string & key) const {
        const int64_t id = api().gguf_find_key(gguf_, full(key).c_str());
        if (id < 0 || api().gguf_get_kv_type(gguf_, id) != GGUF_TYPE_STRING) {
            return std::nullopt;
        }
        return api().gguf_get_val_str(gguf_, id);
    }

    std::vector<std::string_view> texts(const std::string & key) const {
        const auto &  llama = api();
        const int64_t id    = llama.gguf_find_key(gguf_, key.c_str());
        if (id < 0 || llama.gguf_get_kv_type(gguf_, id) != GGUF_TYPE_ARRAY || llama.gguf_get_arr_type(gguf_, id) != GGUF_TYPE_STRING) {
            return {};
        }
        std::vector<std::string_view> found(llama.gguf_get_arr_n(gguf_, id));
        for (size_t i = 0; i < found.size(); i++) {
            found[i] = llama.gguf_get_arr_str(gguf_, id, i);
        }
        return found;
    }

    [[noreturn]] void refuse(const std::string & key, const std::string & value, const std::string & expected) const {
        throw EngineError("MODEL_LOAD_FAILED", "Could not load " + path_ + ": its header says " + full(key) + " = " + value +
                                                   " where " + expected + " was expected; fetch or convert the file again");
    }

    void expect_between(const std::string & key, uint32_t min, uint32_t max) const {
        for (const uint32_t value : numbers(key)) {
            if (value < min || value > max) {
                refuse(key, std::to_string(value), "a number from " + std::to_string(min) + " to " + std::to_string(max));
            }
        }
    }

  private:
    // ".block_count" is the architecture's own key.
    std::string full(const std::string & key) const { return key.front() == '.' ? architecture_ + key : key; }

    const std::string &  path_;
    const gguf_context * gguf_;
    std::string          architecture_;
};

void check_sizes(const Header & header) {
    header.expect_between(".block_count", 1, max_layers);
    header.expect_between(".nextn_predict_layers", 0, header.number(".block_count").value_or(0));
    for (const char * key : { "head_count", "head_count_kv", "key_length", "value_length", "key_length_swa", "value_length_swa" }) {
        header.expect_between(std::string(".attention.") + key, 0, max_heads);
    }
    // Beyond these bounds nothing ends, but every token comes out alike.
    for (const char * key : { ".attention.layer_norm_epsilon", ".attention.layer_norm_rms_epsilon" }) {
        const float epsilon = header.fraction(key).value_or(0.0f);
        if (!(epsilon >= 0.0f && epsilon <= 1.0f)) {
            header.refuse(key, std::to_string(epsilon), "a number from 0 to 1");
        }
    }
    const float attention_factor = header.fraction(".rope.scaling.attn_factor").value_or(1.0f);
    if (!(attention_factor > 0.0f && std::isfinite(attention_factor))) {
        header.refuse(".rope.scaling.attn_factor", std::to_string(attention_factor), "a number above 0");
    }
    const uint32_t alignment = header.number("general.alignment").value_or(32);
    if (alignment == 0 || alignment % 32 != 0) {
        header.refuse("general.alignment", std::to_string(alignment), "a multiple of 32");
    }
    const auto scaling = header.text(".rope.scaling.type");
    if (scaling && *scaling != "none" && *scaling != "linear" && *scaling != "yarn" && *scaling != "longrope") {
        header.refuse(".rope.scaling.type", *scaling, "none, linear, yarn or longrope");
    }
}

// Entries of a head, and those of them that are rotated. llama.cpp's defaults stand in for what the header does not say.
struct HeadSizes {
    uint32_t n_key;
    uint32_t n_value;
    uint32_t n_rotated;
};

HeadSizes head_sizes(const Header & header) {
    const auto     n_heads  = header.numbers(".attention.head_count");
    const uint32_t width    = header.number(".embedding_length").value_or(0);
    const uint32_t fallback = n_heads.empty() || n_heads.front() == 0 ? 0 : width / n_heads.front();
    const uint32_t n_key    = header.number(".attention.key_length").value_or(fallback);
    return { n_key, header.number(".attention.value_length").value_or(fallback), header.number(".rope.dimension_count").value_or(n_key) };
}

// Architectures whose graph takes for granted that sizes of the heads agree, though the loader does not look.
struct HeadRule {
    const char * architecture;
    bool         as_wide_as_model;  // heads x key length is the embedding's length
    bool         rotated_whole;
};
constexpr HeadRule unchecked_heads[] = {
    { "qwen2", true, true },       { "qwen2moe", true, true },    { "qwen2vl", true, true },      { "starcoder2", true, true },
    { "internlm2", true, true },   { "olmo", true, true },        { "olmo2", true, true },        { "olmoe", true, true },
    { "phi2", true, false },       { "phi3", true, false },       { "command-r", true, false },   { "cohere2", true, false },
    { "stablelm", true, false },   { "gpt-oss", false, true },    { "mpt", true, false },         { "gpt2", true, false },
    { "bloom", true, false },      { "gptneox", true, false },    { "starcoder", true, false },   { "refact", true, false },
    { "qwen", true, false },       { "jais", true, false },       { "falcon", true, true },       { "baichuan", true, true },
    { "codeshell", true, true },   { "llama", false, true },      { "llama4", false, true },      { "llama-embed", false, true },
    { "deci", false, true },       { "mistral3", false, true },   { "qwen3", false, true },       { "qwen3moe", false, true },
    { "qwen3vl", false, true },    { "qwen3vlmoe", false, true }, { "seed_oss", false, true },    { "smollm3", false, true },
    { "granite", false, true },    { "granitemoe", false, true }, { "granite_swa", false, true }, { "graniteswitch", false, true },
    { "ernie4_5", false, true },   { "ernie4_5-moe", false, true }, { "exaone", false, true },    { "exaone4", false, true },
    { "exaone-moe", false, true }, { "hunyuan-moe", false, true }, { "hunyuan_vl", false, true }, { "hunyuan-dense", false, true },
    { "hy_v3", false, true },      { "dots1", false, true },      { "deepseek", false, true },    { "grok", false, true },
    { "dbrx", false, true },       { "arctic", false, true },     { "arcee", false, true },       { "apertus", false, true },
    { "orion", false, true },      { "xverse", false, true },     { "plamo", false, true },       { "smallthinker", false, true },
    { "maincoder", false, true },  { "mellum", false, true },     { "pangu-embedded", false, true }, { "cohere2moe", false, true },
    { "chatglm", false, false },   { "glm4", false, false },      { "glm4moe", false, false },    { "bitnet", false, false },
};
// Rotating no entries at all never ends in llama.cpp; these rotate none.
constexpr const char * unrotated[] = { "mpt", "gpt2", "bloom", "starcoder", "refact", "jais" };

bool is_one_of(const std::string & architecture, const char * const * begin, const char * const * end) {
    return std::any_of(begin, end, [&](const char * name) { return architecture == name; });
}

void check_rotation(const Header & header, const std::string & key, uint32_t n_rotated, uint32_t n_key) {
    const bool is_odd  = header.number(key).value_or(0) % 2 != 0;  // rotated in pairs
    const bool is_none = header.number(key) && n_rotated == 0 && !is_one_of(header.architecture(), std::begin(unrotated), std::end(unrotated));
    if (n_key > 0 && (n_rotated > n_key || is_odd || is_none)) {
        header.refuse(key, std::to_string(n_rotated), "an even number from 2 to the key length of " + std::to_string(n_key));
    }
}

// Each key-value head serves as many heads as the others of its layer.
void check_groups(const Header & header) {
    const auto   n_heads    = header.numbers(".attention.head_count");
    const auto   n_heads_kv = header.numbers(".attention.head_count_kv");
    const size_t n_layers   = n_heads.empty() || n_heads_kv.empty() ? 0 : std::max(n_heads.size(), n_heads_kv.size());
    for (size_t layer = 0; layer < n_layers; layer++) {
        const uint32_t n_head    = n_heads[std::min(layer, n_heads.size() - 1)];
        const uint32_t n_head_kv = n_heads_kv[std::min(layer, n_heads_kv.size() - 1)];
        if (n_head_kv > 0 && n_head % n_head_kv != 0) {
            header.refuse(".attention.head_count_kv", std::to_string(n_head_kv), "a number that divides the " + std::to_string(n_head) + " heads");
        }
    }
}

void check_head_rule(const Header & header, const HeadRule & rule, const HeadSizes & sizes) {
    const auto expect = [&](const char * key, uint32_t value, uint32_t wanted, const char * what) {
        if (value != wanted) {
            header.refuse(key, std::to_string(value), std::string(what) + " of " + std::to_string(wanted));
        }
    };
    if (header.number(".attention.value_length")) {
        expect(".attention.value_length", sizes.n_value, sizes.n_key, "the key length");
    }
    expect(".attention.key_length", sizes.n_key, sizes.n_value, "the value length");
    for (const char * key : { ".attention.key_length_swa", ".attention.value_length_swa" }) {
        expect(key, header.number(key).value_or(sizes.n_key), sizes.n_key, "the key length");
    }
    if (rule.rotated_whole) {
        expect(".rope.dimension_count", sizes.n_rotated, sizes.n_key, "the key length");
    }
    const uint32_t width = header.number(".embedding_length").value_or(0);
    for (const uint32_t n_head : header.numbers(".attention.head_count")) {
        if (rule.as_wide_as_model && uint64_t(n_head) * sizes.n_key != width) {
            header.refuse(".attention.head_count", std::to_string(n_head),
                          "heads of " + std::to_string(sizes.n_key) + " entries that are together as wide as the embedding of " + std::to_string(width));
        }
    }
}

void check_head_sizes(const Header & header) {
    const auto sizes = head_sizes(header);
    check_rotation(header, ".rope.dimension_count", sizes.n_rotated, sizes.n_key);
    for (const auto & rule : unchecked_heads) {
        if (header.architecture() == rule.architecture) {
            check_head_rule(header, rule, sizes);
        }
    }
    // Layers with a sliding window may have sizes of their own.
    check_rotation(header, ".rope.dimension_count_swa", header.number(".rope.dimension_count_swa").value_or(sizes.n_rotated),
                   header.number(".attention.key_length_swa").value_or(sizes.n_key));
    check_groups(header);
    // A model with a sliding window must use it in some layer. A period of 1, or a list without one, uses it nowhere.
    const bool has_window = header.number(".attention.sliding_window").value_or(1) > 0;
    const auto period     = header.number(".attention.sliding_window_pattern");
    if (has_window && ((period && *period == 1) || header.is_list_of_false(".attention.sliding_window_pattern"))) {
        header.refuse(".attention.sliding_window_pattern", period ? "1" : "none", "a window in one layer at least");
    }
}

void check_experts(const Header & header) {
    header.expect_between(".expert_count", 0, max_experts);
    const uint32_t n_experts = header.number(".expert_count").value_or(0);
    // Hunyuan's converter writes one expert for none.
    if (n_experts <= 1 && header.architecture().rfind("hunyuan", 0) == 0) {
        return;
    }
    uint32_t n_used = 0;
    for (const uint32_t value : header.numbers(".expert_used_count")) {
        n_used = std::max(n_used, value);
    }
    if (n_used > n_experts || (n_used == 0 && n_experts > 0)) {
        header.refuse(".expert_used_count", std::to_string(n_used), "a number from 1 to the " + std::to_string(n_experts) + " experts");
    }
    const uint32_t n_groups      = header.number(".expert_group_count").value_or(0);
    const uint32_t n_used_groups = header.number(".expert_group_used_count").value_or(0);
    const bool     is_divided    = n_groups <= 1 || (n_experts % n_groups == 0 && n_used_groups > 0 && n_used_groups < n_groups);
    if (n_groups > 0 && (n_groups >= n_experts || !is_divided)) {
        header.refuse(".expert_group_count", std::to_string(n_groups), "a number that divides the " + std::to_string(n_experts) + " experts");
    }
}

void check_tokens(const Header & header) {
    const auto                           tokens = header.texts("tokenizer.ggml.tokens");
    std::unordered_set<std::string_view> seen;
    seen.reserve(tokens.size());
    for (const auto & token : tokens) {
        if (!token.empty() && !seen.insert(token).second) {
            header.refuse("tokenizer.ggml.tokens", "\"" + std::string(token) + "\" twice", "every token once");
        }
    }
    const auto model = header.text("tokenizer.ggml.model").value_or("");
    const auto types = header.numbers("tokenizer.ggml.token_type");
    // llama.cpp can spell bytes in the other kinds of vocabulary only.
    const bool has_bytes = std::find(types.begin(), types.end(), LLAMA_TOKEN_TYPE_BYTE) != types.end();
    if (has_bytes && (model == "bert" || model == "rwkv" || model == "plamo2")) {
        header.refuse("tokenizer.ggml.model", model, "llama or gpt2, since some tokens are bytes,");
    }
    if (model == "llama" && !tokens.empty() && seen.count("<0x0A>") == 0) {
        header.refuse("tokenizer.ggml.model", model, "a model that spells bytes without tokens such as <0x0A>");
    }
}

}  // namespace

ModelSizes check_model_file(const std::string & path) {
    const gguf_init_params params{ true, nullptr };
    const GgufHandle       gguf(api().gguf_init_from_file(path.c_str(), params));
    if (!gguf) {
        return {};
    }
    const Header header(path, gguf.get());
    check_sizes(header);
    check_head_sizes(header);
    check_experts(header);
    check_tokens(header);
    return { header.number(".block_count").value_or(0), header.number(".expert_count").value_or(0) };
}

}  // namespace qrhead
