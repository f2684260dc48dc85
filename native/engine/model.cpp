#include "model.h"

#include "error.h"
#include "layer_placement.h"
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

// Some layers are computed on another device than the rest, or may be.
bool is_split(const ModelOptions & options, int32_t n_layer) {
    const size_t n_gpus           = list_gpus().size();
    const bool   on_gpus_entirely = options.n_gpu_layers < 0 || options.n_gpu_layers > n_layer;
    return n_gpus > 0 && options.n_gpu_layers != 0 && (n_gpus > 1 || !on_gpus_entirely);
}

// After a forward pass was stopped, llama.cpp still copies inputs of the later parts to their devices, and reads which experts
// were chosen. So a model with experts keeps the layout of llama.cpp.
std::optional<LayerPlacement> place_layers(const ModelOptions & options, const ModelSizes & sizes) {
    if (options.n_gpu_layers == 0 || options.n_used_layers < 0 || sizes.n_experts > 0) {
        return std::nullopt;
    }
    const int32_t n_wanted = options.n_gpu_layers < 0 ? options.n_used_layers : std::min(options.n_gpu_layers, options.n_used_layers);
    return options.n_used_layers < static_cast<int32_t>(sizes.n_blocks) ? LayerPlacement::of(n_wanted, sizes.n_blocks) : std::nullopt;
}

std::string with_reason(std::string message) {
    const std::string reason = LogGuard::first_error();
    return reason.empty() ? message : message + ": " + reason;
}

}  // namespace

Model::Model(ModelHandle handle) : handle_(std::move(handle)) {
    vocab_          = api().llama_model_get_vocab(handle_.get());
    info_           = qrhead::describe(handle_.get(), vocab_);
    special_tokens_ = find_special_tokens(vocab_);
}

const SpmBoundaries & Model::spm_boundaries() const {
    std::call_once(boundaries_made_, [this] { boundaries_ = std::make_unique<SpmBoundaries>(vocab_); });
    return *boundaries_;
}

const std::bitset<256> & Model::lone_bytes() const {
    std::call_once(lone_bytes_made_, [this] {
        for (llama_token id = 0; id < api().llama_vocab_n_tokens(vocab_); id++) {
            char piece[2];
            if (api().llama_token_to_piece(vocab_, id, piece, sizeof(piece), 0, true) == 1) {
                lone_bytes_.set(static_cast<unsigned char>(piece[0]));
            }
        }
    });
    return lone_bytes_;
}

std::shared_ptr<Model> Model::load(const ModelOptions & options, const Cancellation & cancellation,
                                   const Progress & on_progress) {
    const auto & llama = api();
    LogGuard     log(llama);
    LoadProgress progress{ cancellation, on_progress };

    auto params                        = llama.llama_model_default_params();
    params.n_gpu_layers                = options.n_gpu_layers;
    auto devices                       = options.n_gpu_layers == 0 ? std::vector<ggml_backend_dev_t>() : list_gpus();
    devices.push_back(nullptr);
    if (options.n_gpu_layers == 0 || any_gpu_failed()) {
        params.devices = devices.data();  // without this llama.cpp would use all it finds, for large products and for memory too
    }
    params.load_mode                   = options.use_mmap ? LLAMA_LOAD_MODE_AUTO : LLAMA_LOAD_MODE_NONE;
    params.check_tensors               = options.check_tensors;
    params.progress_callback           = on_load_progress;
    params.progress_callback_user_data = &progress;

    cancellation.throw_if_requested();
    auto placement = place_layers(options, check_model_file(options.path));
    if (placement) {
        placement->apply(params);
    }
    check_tensor_data(options.path, options.check_tensors, cancellation);
    ModelHandle handle(llama.llama_model_load_from_file(options.path.c_str(), params));
    cancellation.throw_if_requested();
    if (!handle) {
        throw EngineError("MODEL_LOAD_FAILED", with_reason("Could not load " + options.path));
    }
    const bool split = placement || is_split(options, llama.llama_model_n_layer(handle.get()));
    std::shared_ptr<Model> model(new Model(std::move(handle)));
    model->info_.is_split_over_devices = split;
    model->info_.is_on_device          = options.n_gpu_layers != 0 && !list_gpus().empty();
    return model;
}

ModelInfo Model::describe(const std::string & path, const Cancellation & cancellation) {
    const auto & llama = api();
    LogGuard     log(llama);
    LoadProgress progress{ cancellation, nullptr };

    auto               params          = llama.llama_model_default_params();
    ggml_backend_dev_t no_devices[]    = { nullptr };
    params.devices                     = no_devices;
    params.n_gpu_layers                = 0;
    params.load_mode                   = LLAMA_LOAD_MODE_NONE;
    params.no_alloc                    = true;
    params.progress_callback           = on_load_progress;
    params.progress_callback_user_data = &progress;

    cancellation.throw_if_requested();
    check_model_file(path);
    ModelHandle handle(llama.llama_model_load_from_file(path.c_str(), params));
    cancellation.throw_if_requested();
    if (!handle) {
        throw EngineError("MODEL_LOAD_FAILED", with_reason("Could not load " + path));
    }
    return qrhead::describe(handle.get(), llama.llama_model_get_vocab(handle.get()));
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
