#include "model.h"

#include "error.h"
#include "log_guard.h"
#include "model_check.h"
#include "tensor_check.h"

#include <algorithm>
#include <cstring>

namespace qrhead {

namespace {

struct LoadProgress {
    const Cancellation &    cancellation;
    const Model::Progress & report;
};

bool on_load_progress(float fraction, void * user_data) {
    auto * progress = static_cast<LoadProgress *>(user_data);
    if (progress->report) {
        progress->report(fraction);
    }
    return !progress->cancellation.requested();
}

const char * vocabulary_type_name(enum llama_vocab_type type) {
    switch (type) {
        case LLAMA_VOCAB_TYPE_SPM:    return "spm";
        case LLAMA_VOCAB_TYPE_BPE:    return "bpe";
        case LLAMA_VOCAB_TYPE_WPM:    return "wpm";
        case LLAMA_VOCAB_TYPE_UGM:    return "ugm";
        case LLAMA_VOCAB_TYPE_RWKV:   return "rwkv";
        case LLAMA_VOCAB_TYPE_PLAMO2: return "plamo2";
        default:                      return "none";
    }
}

// llama.cpp copies into a buffer of the caller's and returns the full length, as snprintf does.
template <class Read> std::string read_string(Read read) {
    std::vector<char> buffer(256);
    int32_t           length = read(buffer.data(), buffer.size());
    if (length >= static_cast<int32_t>(buffer.size())) {
        buffer.resize(static_cast<size_t>(length) + 1);
        length = read(buffer.data(), buffer.size());
    }
    return length < 0 ? std::string() : std::string(buffer.data(), static_cast<size_t>(length));
}

std::map<std::string, std::string> read_metadata(const llama_model * model) {
    const auto & llama = api();
    std::map<std::string, std::string> metadata;
    for (int32_t i = 0; i < llama.llama_model_meta_count(model); i++) {
        std::string key = read_string(
            [&](char * buffer, size_t size) { return llama.llama_model_meta_key_by_index(model, i, buffer, size); });
        metadata[key] = read_string(
            [&](char * buffer, size_t size) { return llama.llama_model_meta_val_str_by_index(model, i, buffer, size); });
    }
    return metadata;
}

std::string token_text(const llama_vocab * vocab, llama_token token) {
    const char * text = token == LLAMA_TOKEN_NULL ? nullptr : api().llama_vocab_get_text(vocab, token);
    return text != nullptr ? text : "";
}

ModelInfo describe(const llama_model * model, const llama_vocab * vocab) {
    const auto & llama = api();
    ModelInfo    info;
    info.metadata        = read_metadata(model);
    info.architecture    = info.metadata["general.architecture"];
    info.description     = read_string([&](char * buffer, size_t size) { return llama.llama_model_desc(model, buffer, size); });
    info.n_layer         = llama.llama_model_n_layer(model);
    info.n_head          = llama.llama_model_n_head(model);
    info.n_head_kv       = llama.llama_model_n_head_kv(model);
    info.n_embd          = llama.llama_model_n_embd(model);
    info.n_ctx_train     = llama.llama_model_n_ctx_train(model);
    info.n_swa           = llama.llama_model_n_swa(model);
    info.n_params        = llama.llama_model_n_params(model);
    info.n_bytes         = llama.llama_model_size(model);
    info.vocabulary_type = vocabulary_type_name(llama.llama_vocab_type(vocab));
    info.n_vocab         = llama.llama_vocab_n_tokens(vocab);
    info.bos_token       = llama.llama_vocab_bos(vocab);
    info.bos_text        = token_text(vocab, info.bos_token);
    info.eos_text        = token_text(vocab, llama.llama_vocab_eos(vocab));
    info.add_bos         = llama.llama_vocab_get_add_bos(vocab);
    info.has_encoder     = llama.llama_model_has_encoder(model);
    info.has_decoder     = llama.llama_model_has_decoder(model);
    info.is_recurrent    = llama.llama_model_is_recurrent(model);
    info.is_hybrid       = llama.llama_model_is_hybrid(model);
    info.is_diffusion    = llama.llama_model_is_diffusion(model);
    const auto n_expert  = info.metadata.find(info.architecture + ".expert_count");
    info.has_experts     = n_expert != info.metadata.end() && n_expert->second != "0";
    if (const char * chat_template = llama.llama_model_chat_template(model, nullptr)) {
        info.chat_template = chat_template;
    }
    return info;
}

std::vector<SpecialToken> find_special_tokens(const llama_vocab * vocab) {
    const auto & llama = api();
    const int    kinds = LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN;
    std::vector<SpecialToken> found;
    for (llama_token id = 0; id < llama.llama_vocab_n_tokens(vocab); id++) {
        const int attributes = llama.llama_vocab_get_attr(vocab, id);
        if ((attributes & kinds) != 0) {
            found.push_back({ id, token_text(vocab, id), (attributes & LLAMA_TOKEN_ATTR_USER_DEFINED) != 0,
                              (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0 });
        }
    }
    // As llama.cpp sorts them, so that tokens of one length come in the same order.
    std::sort(found.begin(), found.end(), [](const auto & a, const auto & b) { return a.text.size() > b.text.size(); });
    found.erase(std::remove_if(found.begin(), found.end(), [](const auto & token) { return token.text.empty(); }), found.end());
    return found;
}

size_t n_gpus() {
    size_t count = 0;
    for (size_t i = 0; i < api().ggml_backend_dev_count(); i++) {
        const auto type = api().ggml_backend_dev_type(api().ggml_backend_dev_get(i));
        count += type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU ? 1 : 0;
    }
    return count;
}

std::string with_reason(std::string message) {
    const std::string reason = LogGuard::first_error();
    return reason.empty() ? message : message + ": " + reason;
}

}  // namespace

Model::Model(ModelHandle handle, const ModelOptions & options) : handle_(std::move(handle)) {
    vocab_ = api().llama_model_get_vocab(handle_.get());
    info_  = describe(handle_.get(), vocab_);
    special_tokens_ = find_special_tokens(vocab_);

    const bool on_gpus_entirely = options.n_gpu_layers < 0 || options.n_gpu_layers > info_.n_layer;
    const bool on_one_device    = n_gpus() == 0 || options.n_gpu_layers == 0 || (n_gpus() == 1 && on_gpus_entirely);
    info_.is_split_over_devices = !on_one_device;
}

const SpmBoundaries & Model::spm_boundaries() const {
    std::call_once(boundaries_made_, [this] { boundaries_ = std::make_unique<SpmBoundaries>(vocab_); });
    return *boundaries_;
}

std::shared_ptr<Model> Model::load(const ModelOptions & options, const Cancellation & cancellation,
                                   const Progress & on_progress) {
    const auto & llama = api();
    LogGuard     log(llama);
    LoadProgress progress{ cancellation, on_progress };

    auto params                        = llama.llama_model_default_params();
    params.n_gpu_layers                = options.n_gpu_layers;
    ggml_backend_dev_t no_devices[]    = { nullptr };
    if (options.n_gpu_layers == 0) {
        params.devices = no_devices;  // a build for a GPU would still use it for large products and for memory
    }
    params.load_mode                   = options.use_mmap ? LLAMA_LOAD_MODE_AUTO : LLAMA_LOAD_MODE_NONE;
    params.check_tensors               = options.check_tensors;
    params.progress_callback           = on_load_progress;
    params.progress_callback_user_data = &progress;

    cancellation.throw_if_requested();
    check_model_file(options.path);
    check_tensor_data(options.path, options.check_tensors, cancellation);
    ModelHandle handle(llama.llama_model_load_from_file(options.path.c_str(), params));
    cancellation.throw_if_requested();
    if (!handle) {
        throw EngineError("MODEL_LOAD_FAILED", with_reason("Could not load " + options.path));
    }
    return std::shared_ptr<Model>(new Model(std::move(handle), options));
}

void write_slim_model(const std::string & input, const std::string & output, int32_t n_keep, int32_t n_layer,
                      const std::map<std::string, std::string> & metadata) {
    const auto & llama = api();
    LogGuard     log(llama);

    check_model_file(input);
    check_tensor_data(input, false, {});

    std::vector<int32_t> pruned;
    for (int32_t layer = n_keep; layer < n_layer; layer++) {
        pruned.push_back(layer);
    }
    pruned.push_back(-1);  // end mark

    std::vector<llama_model_kv_override> overrides;
    for (const auto & [key, value] : metadata) {
        llama_model_kv_override entry{};
        if (key.empty() || key.size() >= sizeof(entry.key) || value.size() >= sizeof(entry.val_str)) {
            throw EngineError("INVALID_ARGUMENT", "Expected metadata keys of 1 to " + std::to_string(sizeof(entry.key) - 1) +
                                                      " bytes and values of at most " + std::to_string(sizeof(entry.val_str) - 1) +
                                                      " but received " + key.substr(0, 80) + " (" + std::to_string(key.size()) +
                                                      " and " + std::to_string(value.size()) + " bytes)");
        }
        entry.tag = LLAMA_KV_OVERRIDE_TYPE_STR;
        std::strncpy(entry.key, key.c_str(), sizeof(entry.key) - 1);
        std::strncpy(entry.val_str, value.c_str(), sizeof(entry.val_str) - 1);
        overrides.push_back(entry);
    }
    overrides.emplace_back();  // an empty key is the end mark

    auto params         = llama.llama_model_quantize_default_params();
    params.only_copy    = true;
    params.prune_layers = pruned.data();
    params.kv_overrides = overrides.data();
    if (llama.llama_model_quantize(input.c_str(), output.c_str(), &params) != 0) {
        throw EngineError("MODEL_LOAD_FAILED", with_reason("Could not write " + output + " from " + input));
    }
}

}  // namespace qrhead
