#pragma once

#include "cancellation.h"
#include "handles.h"
#include "spm_boundaries.h"

#include <bitset>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace qrhead {

struct ModelOptions {
    std::string path;
    int32_t     n_gpu_layers = 0;
    // Layers that will be computed, from the first on; -1 is all. The others then take no memory of a device.
    int32_t     n_used_layers = -1;
    bool        use_mmap     = true;
    // Read every tensor while loading: none may have NaN or infinite values, or zeros where no trained model has them.
    bool check_tensors = false;
};

struct ModelInfo {
    std::string architecture;
    std::string description;
    int32_t     n_layer     = 0;
    int32_t     n_head      = 0;
    int32_t     n_head_kv   = 0;
    int32_t     n_embd      = 0;
    int32_t     n_ctx_train = 0;
    int32_t     n_swa       = 0;
    uint64_t    n_params    = 0;
    uint64_t    n_bytes     = 0;
    std::string vocabulary_type;
    int32_t     n_vocab   = 0;
    llama_token bos_token = LLAMA_TOKEN_NULL;
    std::string bos_text;
    std::string eos_text;
    bool        add_bos      = false;
    bool        has_encoder  = false;
    bool        has_decoder  = false;
    bool        is_recurrent = false;
    bool        is_hybrid    = false;
    bool        is_diffusion = false;
    // Some layers are computed on another device than the rest, or may be.
    bool        is_split_over_devices = false;
    bool        has_experts           = false;
    // Some layers are on a GPU.
    bool        is_on_device          = false;
    std::optional<std::string>         chat_template;
    std::map<std::string, std::string> metadata;
};

struct SpecialToken {
    llama_token id;
    std::string text;
    bool        user_defined;  // llama.cpp recognises these in plain text too,
    bool        control;       // unless they are this as well
};

// A loaded GGUF. Immutable, so any number of threads may read it.
class Model {
  public:
    using Progress = std::function<void(float)>;

    // Throws MODEL_LOAD_FAILED with llama.cpp's own first error line, or ABORTED.
    static std::shared_ptr<Model> load(const ModelOptions & options, const Cancellation & cancellation,
                                       const Progress & on_progress);

    // What a GGUF says of itself. No weights are read. Throws as `load`.
    static ModelInfo describe(const std::string & path, const Cancellation & cancellation);

    const ModelInfo &   info() const noexcept { return info_; }
    llama_model *       handle() const noexcept { return handle_.get(); }
    const llama_vocab * vocab() const noexcept { return vocab_; }

    // Longest first: the order in which llama.cpp looks for them.
    const std::vector<SpecialToken> & special_tokens() const noexcept { return special_tokens_; }

    // Of an SPM vocabulary; made when a long text first asks for them.
    const SpmBoundaries & spm_boundaries() const;

    // Bytes that are a token by themselves. A BPE vocabulary drops the others where no longer token has them.
    const std::bitset<256> & lone_bytes() const;

  private:
    explicit Model(ModelHandle handle);

    ModelHandle               handle_;
    const llama_vocab *       vocab_ = nullptr;
    ModelInfo                 info_;
    std::vector<SpecialToken> special_tokens_;

    mutable std::once_flag                 boundaries_made_;
    mutable std::unique_ptr<SpmBoundaries> boundaries_;
    mutable std::once_flag                 lone_bytes_made_;
    mutable std::bitset<256>               lone_bytes_;
};

// Writes the first `n_keep` of `n_layer` layers of a model, with extra metadata strings, and nothing else changed.
// Throws MODEL_LOAD_FAILED with llama.cpp's own first error line, INVALID_ARGUMENT for metadata beyond the 127 bytes that
// llama.cpp takes.
void write_slim_model(const std::string & input, const std::string & output, int32_t n_keep, int32_t n_layer,
                      const std::map<std::string, std::string> & metadata);

}  // namespace qrhead
