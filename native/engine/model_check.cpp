#include "model_check.h"

#include "error.h"
#include "handles.h"

#include <algorithm>
#include <cstdint>
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
    for (const char * key : { ".attention.layer_norm_epsilon", ".attention.layer_norm_rms_epsilon" }) {
        const float epsilon = header.fraction(key).value_or(0.0f);
        if (!(epsilon >= 0.0f)) {
            header.refuse(key, std::to_string(epsilon), "a number of at least 0");
        }
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

// Common architectures whose loader holds their matrices against sizes of the whole model, and whose graph then takes for
// granted that those of the heads agree.
struct HeadRule {
    const char * architecture;
    bool         as_wide_as_model;  // heads x key length is the embedding's length
    bool         rotated_whole;
};
constexpr HeadRule unchecked_heads[] = {
    { "qwen2", true, true },      { "qwen2moe", true, true }, { "qwen2vl", true, true },  { "starcoder2", true, true },
    { "internlm2", true, true },  { "olmo", true, true },     { "olmo2", true, true },    { "olmoe", true, true },
    { "phi2", true, false },      { "phi3", true, false },    { "command-r", true, false }, { "cohere2", true, false },
    { "stablelm", true, false },  { "gpt-oss", false, true },
};

void check_rotation(const Header & header, const std::string & key, uint32_t n_rotated, uint32_t n_key) {
    const bool is_odd = header.number(key).value_or(0) % 2 != 0;  // rotated in pairs
    if (n_key > 0 && (n_rotated > n_key || is_odd)) {
        header.refuse(key, std::to_string(n_rotated), "an even number up to the key length of " + std::to_string(n_key));
    }
}

void check_head_sizes(const Header & header) {
    const auto sizes   = head_sizes(header);
    const auto n_heads = header.number(".attention.head_count");
    check_rotation(header, ".rope.dimension_count", sizes.n_rotated, sizes.n_key);
    // Layers with a sliding window may have sizes of their own.
    check_rotation(header, ".rope.dimension_count_swa", header.number(".rope.dimension_count_swa").value_or(sizes.n_rotated),
                   header.number(".attention.key_length_swa").value_or(sizes.n_key));
    for (const auto & rule : unchecked_heads) {
        if (header.architecture() != rule.architecture) {
            continue;
        }
        const auto expect = [&](const char * key, uint32_t value, uint32_t wanted, const char * what) {
            if (value != wanted) {
                header.refuse(key, std::to_string(value), std::string(what) + " of " + std::to_string(wanted));
            }
        };
        expect(".attention.value_length", sizes.n_value, sizes.n_key, "the key length");
        if (rule.rotated_whole) {
            expect(".rope.dimension_count", sizes.n_rotated, sizes.n_key, "the key length");
        }
        if (rule.as_wide_as_model && n_heads) {
            expect(".attention.head_count", *n_heads, header.number(".embedding_length").value_or(0) / std::max(sizes.n_key, 1u),
                   "the embedding's width over the key length");
        }
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
}

}  // namespace

void check_model_file(const std::string & path) {
    const gguf_init_params params{ true, nullptr };
    const GgufHandle       gguf(api().gguf_init_from_file(path.c_str(), params));
    if (!gguf) {
        return;
    }
    const Header header(path, gguf.get());
    check_sizes(header);
    check_head_sizes(header);
    check_experts(header);
    check_tokens(header);
}

}  // namespace qrhead
