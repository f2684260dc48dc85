#include "convert.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace qrhead {

namespace {

[[noreturn]] void expected(Napi::Env env, const char * what, const char * name) {
    throw Napi::TypeError::New(env, std::string("Expected ") + what + " for " + name);
}

template <class T>
std::vector<T> copy_array(const Napi::Value & value, const char * name, napi_typedarray_type type, const char * what) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
        expected(value.Env(), what, name);
    }
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

Napi::Value text_or_null(Napi::Env env, const std::optional<std::string> & text) {
    return text ? Napi::Value(Napi::String::New(env, *text)) : env.Null();
}

}  // namespace

Napi::Object require_object(const Napi::Value & value, const char * name) {
    if (!value.IsObject()) {
        expected(value.Env(), "an object", name);
    }
    return value.As<Napi::Object>();
}

std::string require_string(const Napi::Object & object, const char * name) {
    const Napi::Value value = object.Get(name);
    if (!value.IsString()) {
        expected(object.Env(), "a string", name);
    }
    return value.As<Napi::String>();
}

double require_number(const Napi::Object & object, const char * name, double min, double max) {
    const Napi::Value value  = object.Get(name);
    const double      number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : min - 1;
    if (!(number >= min && number <= max)) {
        expected(object.Env(), ("a number from " + std::to_string(static_cast<int64_t>(min)) + " to " +
                                std::to_string(static_cast<int64_t>(max))).c_str(), name);
    }
    return number;
}

bool require_bool(const Napi::Object & object, const char * name) {
    const Napi::Value value = object.Get(name);
    if (!value.IsBoolean()) {
        expected(object.Env(), "a boolean", name);
    }
    return value.As<Napi::Boolean>();
}

std::vector<int32_t> require_int32_array(const Napi::Value & value, const char * name) {
    return copy_array<int32_t>(value, name, napi_int32_array, "an Int32Array");
}

std::vector<std::vector<int32_t>> require_int32_arrays(const Napi::Value & value, const char * name) {
    if (!value.IsArray()) {
        expected(value.Env(), "an array of Int32Array", name);
    }
    const auto                        array = value.As<Napi::Array>();
    std::vector<std::vector<int32_t>> arrays;
    for (uint32_t i = 0; i < array.Length(); i++) {
        arrays.push_back(require_int32_array(array.Get(i), name));
    }
    return arrays;
}

std::vector<uint32_t> require_uint32_array(const Napi::Value & value, const char * name) {
    return copy_array<uint32_t>(value, name, napi_uint32_array, "a Uint32Array");
}

std::vector<float> optional_float32_array(const Napi::Value & value, const char * name) {
    if (value.IsNull() || value.IsUndefined()) {
        return {};
    }
    return copy_array<float>(value, name, napi_float32_array, "a Float32Array or null");
}

void require_pairs(Napi::Env env, size_t length, const char * name) {
    if (length % 2 != 0) {
        expected(env, "an even number of entries", name);
    }
}

std::vector<PromptPiece> to_prompt_pieces(const Napi::Value & value) {
    if (!value.IsArray()) {
        expected(value.Env(), "an array", "pieces");
    }
    const auto               array = value.As<Napi::Array>();
    std::vector<PromptPiece> pieces;
    size_t                   n_bytes = 0;
    for (uint32_t i = 0; i < array.Length(); i++) {
        const auto piece = require_object(array.Get(i), "pieces");
        pieces.push_back({ require_string(piece, "text"), require_bool(piece, "special") });
        n_bytes += pieces.back().text.size();
    }
    if (n_bytes > INT32_MAX / 2) {
        expected(value.Env(), "at most 1 GiB of text", "pieces");  // llama.cpp counts bytes in 32 bits
    }
    return pieces;
}

static std::vector<Head> to_heads(const Napi::Object & object, const char * name) {
    const auto pairs = require_int32_array(object.Get(name), name);
    require_pairs(object.Env(), pairs.size(), name);
    std::vector<Head> heads;
    for (size_t i = 0; i < pairs.size(); i += 2) {
        heads.push_back({ pairs[i], pairs[i + 1] });
    }
    return heads;
}

CacheOptions to_cache_options(const Napi::Value & value) {
    const auto   object = require_object(value, "options");
    CacheOptions options;
    options.n_ctx           = static_cast<uint32_t>(require_number(object, "contextSize", 1, 1 << 30));
    options.n_ubatch        = static_cast<uint32_t>(require_number(object, "batchSize", 1, 1 << 20));
    options.n_threads       = static_cast<int32_t>(require_number(object, "threads", 1, 512));
    options.type_k          = require_string(object, "cacheTypeK");
    options.type_v          = require_string(object, "cacheTypeV");
    options.flash_attention = require_bool(object, "flashAttention");
    options.offload_kqv     = require_bool(object, "offloadKqv");
    if (object.Has("withoutHeads") && !object.Get("withoutHeads").IsUndefined()) {
        options.without_heads = to_heads(object, "withoutHeads");
    }
    return options;
}

ContextOptions to_context_options(const Napi::Value & value) {
    const auto     object = require_object(value, "options");
    ContextOptions options;
    static_cast<CacheOptions &>(options) = to_cache_options(object);
    options.early_stop      = require_bool(object, "earlyStop");
    if (object.Has("sequences")) {
        options.n_sequences = static_cast<uint32_t>(require_number(object, "sequences", 1, 64));
    }
    options.heads = to_heads(object, "heads");
    return options;
}

Rows to_rows(const Napi::Value & value) {
    const auto        object = require_object(value, "options");
    const std::string kept   = require_string(object, "rows");
    if (kept != "heads" && kept != "sum") {
        expected(value.Env(), "heads or sum", "rows");
    }
    return { kept == "heads", optional_float32_array(object.Get("weights"), "weights") };
}

RowsGo to_rows_go(const Napi::Value & value) {
    const auto object = require_object(value, "options");
    if (!object.Has("tiles") || object.Get("tiles").IsUndefined()) {
        return RowsGo::automatic;
    }
    return require_bool(object, "tiles") ? RowsGo::in_tiles : RowsGo::one_by_one;
}

QueryRows to_query_rows(const Napi::Value & value) {
    const auto object = require_object(value, "rows");
    const auto count  = [&](const char * name) { return static_cast<size_t>(require_number(object, name, 0, INT32_MAX)); };
    return { count("cells"), count("all"), count("further") };
}

Napi::Object from_model_info(Napi::Env env, const ModelInfo & info) {
    auto object = Napi::Object::New(env);
    object.Set("architecture", info.architecture);
    object.Set("description", info.description);
    object.Set("layers", info.n_layer);
    object.Set("heads", info.n_head);
    object.Set("kvHeads", info.n_head_kv);
    object.Set("embeddingSize", info.n_embd);
    object.Set("trainContextSize", info.n_ctx_train);
    object.Set("slidingWindow", info.n_swa);
    object.Set("parameters", static_cast<double>(info.n_params));
    object.Set("bytes", static_cast<double>(info.n_bytes));
    object.Set("vocabularyType", info.vocabulary_type);
    object.Set("vocabularySize", info.n_vocab);
    object.Set("bosToken", info.bos_token == LLAMA_TOKEN_NULL ? env.Null() : Napi::Number::New(env, info.bos_token));
    object.Set("bosText", info.bos_text);
    object.Set("eosText", info.eos_text);
    object.Set("addBos", info.add_bos);
    object.Set("hasEncoder", info.has_encoder);
    object.Set("hasDecoder", info.has_decoder);
    object.Set("recurrent", info.is_recurrent);
    object.Set("hybrid", info.is_hybrid);
    object.Set("diffusion", info.is_diffusion);
    object.Set("chatTemplate", text_or_null(env, info.chat_template));
    auto metadata = Napi::Object::New(env);
    for (const auto & [key, value] : info.metadata) {
        metadata.Set(key, value);
    }
    object.Set("metadata", metadata);
    return object;
}

Napi::Object from_tokenization(Napi::Env env, const Tokenization & tokenization) {
    auto tokens = Napi::Int32Array::New(env, tokenization.tokens.size());
    std::copy(tokenization.tokens.begin(), tokenization.tokens.end(), tokens.Data());
    auto offsets = Napi::Uint32Array::New(env, tokenization.offsets.size());
    std::copy(tokenization.offsets.begin(), tokenization.offsets.end(), offsets.Data());
    auto object = Napi::Object::New(env);
    object.Set("tokens", tokens);
    object.Set("offsets", offsets);
    return object;
}

// Copied, because Electron forbids buffers that JavaScript does not own.
Napi::Float32Array from_floats(Napi::Env env, const std::vector<float> & values) {
    auto array = Napi::Float32Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

ProgressFunction to_progress(const Napi::Value & value, const CancelFlag & shutting_down) {
    const Napi::Env env       = value.Env();
    const bool      is_wanted = value.IsFunction();
    const auto      listener  = is_wanted ? value.As<Napi::Function>() : Napi::Function::New(env, [](const Napi::CallbackInfo &) {});
    auto            function  = Napi::ThreadSafeFunction::New(env, listener, "qrhead progress", 0, 1);
    function.Unref(env);  // progress alone must not keep the process alive
    auto lifetime = std::shared_ptr<void>(nullptr, [function](void *) mutable { function.Release(); });
    auto report = [function, is_wanted, shutting_down](double progress) {
        // A report that comes after the queue was closed is too late, which is no failure.
        function.NonBlockingCall([=](Napi::Env callback_env, Napi::Function callback) {
            bool has = false;
            if (napi_has_named_property(callback_env, callback_env.Global(), "process", &has) != napi_ok) {
                *shutting_down = true;
            } else if (is_wanted) {
                callback.Call({ Napi::Number::New(callback_env, progress) });
            }
        });
    };
    return { report, lifetime };
}

}  // namespace qrhead
