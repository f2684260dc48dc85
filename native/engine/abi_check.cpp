#include "abi_check.h"

#include "error.h"

namespace qrhead {

namespace {

// What ggml puts in front of every tensor (struct ggml_object, which no header shows).
struct TensorPrefix {
    size_t offset;
    size_t size;
    void * next;
    int    type;
    char   padding[4];
};

// A struct of the library's that is larger than the header's is written beyond the header's: here that hits the slack.
template <class Params> struct Roomy {
    Params params;
    char   slack[1024];
};

template <class Params> Params defaults(const Bound<Params (*)()> & function) {
    Params (*const address)() = function;
    return reinterpret_cast<Roomy<Params> (*)()>(reinterpret_cast<void *>(address))().params;
}

bool agree(const llama_model_params & p) {
    return p.devices == nullptr && p.tensor_buft_overrides == nullptr && p.n_gpu_layers == -1 &&
           p.split_mode == LLAMA_SPLIT_MODE_LAYER && p.load_mode == LLAMA_LOAD_MODE_AUTO && p.progress_callback == nullptr &&
           p.kv_overrides == nullptr && !p.vocab_only && !p.check_tensors && p.use_extra_bufts && !p.no_host && !p.no_alloc &&
           !p.load_mtp;
}

bool agree(const llama_context_params & p) {
    return p.n_ctx == 512 && p.n_batch == 2048 && p.n_ubatch == 512 && p.n_seq_max == 1 && p.n_outputs_max_per_seq == 1 &&
           p.n_threads == GGML_DEFAULT_N_THREADS && p.n_threads_batch == GGML_DEFAULT_N_THREADS &&
           p.pooling_type == LLAMA_POOLING_TYPE_UNSPECIFIED && p.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_AUTO &&
           p.yarn_ext_factor == -1.0f && p.defrag_thold == -1.0f && p.cb_eval == nullptr && p.type_k == GGML_TYPE_F16 &&
           p.type_v == GGML_TYPE_F16 && p.abort_callback == nullptr && !p.embeddings && p.offload_kqv && p.no_perf &&
           p.op_offload && p.swa_full && !p.kv_unified && p.samplers == nullptr && p.n_samplers == 0 && p.ctx_other == nullptr;
}

bool agree(const llama_model_quantize_params & p) {
    return p.nthread == 0 && p.ftype == LLAMA_FTYPE_MOSTLY_Q8_0 && p.output_tensor_type == GGML_TYPE_COUNT &&
           p.token_embedding_type == GGML_TYPE_COUNT && !p.allow_requantize && p.quantize_output_tensor && !p.only_copy &&
           p.kv_overrides == nullptr && p.prune_layers == nullptr;
}

struct NamedOp {
    enum ggml_op op;
    const char * name;
};

struct NamedType {
    enum ggml_type type;
    const char *   name;
};

constexpr NamedOp ops[] = {
    { GGML_OP_NONE, "NONE" },
    { GGML_OP_MUL_MAT, "MUL_MAT" },
    { GGML_OP_CPY, "CPY" },
    { GGML_OP_CONT, "CONT" },
    { GGML_OP_VIEW, "VIEW" },
    { GGML_OP_SET_ROWS, "SET_ROWS" },
    { GGML_OP_SOFT_MAX, "SOFT_MAX" },
    { GGML_OP_FLASH_ATTN_EXT, "FLASH_ATTN_EXT" },
};

constexpr NamedType types[] = {
    { GGML_TYPE_F32, "f32" },   { GGML_TYPE_F16, "f16" },   { GGML_TYPE_BF16, "bf16" }, { GGML_TYPE_Q4_0, "q4_0" },
    { GGML_TYPE_Q4_1, "q4_1" }, { GGML_TYPE_Q5_0, "q5_0" }, { GGML_TYPE_Q5_1, "q5_1" }, { GGML_TYPE_Q8_0, "q8_0" },
};

}  // namespace

void check_abi(const LlamaApi & llama, const std::string & file) {
    const auto require = [&](bool agrees, const std::string & what) {
        if (!agrees) {
            throw EngineError("LIBRARY_MISMATCH", file + " (llama.cpp " + llama.llama_version() + ", ggml " + llama.ggml_version() +
                                                      ", commit " + llama.ggml_commit() + ") has other " + what +
                                                      " than the headers that qrhead was compiled with: use a build of release " +
                                                      compiled_llama_version());
        }
    };
    const std::string ggml = QRHEAD_GGML_VERSION;
    require(std::string(llama.ggml_version()).rfind(ggml, 0) == 0, "versions of ggml (" + ggml + " expected)");
    require(llama.ggml_tensor_overhead() == sizeof(TensorPrefix) + sizeof(ggml_tensor), "tensors");
    require(agree(defaults(llama.llama_model_default_params)), "parameters of a model");
    require(agree(defaults(llama.llama_context_default_params)), "parameters of a context");
    require(agree(defaults(llama.llama_model_quantize_default_params)), "parameters of a copy");
    for (const auto & [op, name] : ops) {
        require(std::string(llama.ggml_op_name(op)) == name, std::string("numbers of operations (") + name + ")");
    }
    for (const auto & [type, name] : types) {
        require(std::string(llama.ggml_type_name(type)) == name, std::string("numbers of types (") + name + ")");
    }
}

}  // namespace qrhead
