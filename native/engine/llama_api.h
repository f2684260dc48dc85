#pragma once

#include "foreign_exceptions.h"
#include "gguf.h"
#include "llama.h"

#include <string>
#include <vector>

namespace qrhead {

// Every function that the engine calls. The addon links against none of them, so that one binary serves the CPU, CUDA,
// Vulkan and Metal builds of llama.cpp; the headers give the types, the loader gives the addresses.
#define QRHEAD_LLAMA_FUNCTIONS(X)        \
    X(llama_version)                     \
    X(llama_backend_init)                \
    X(llama_log_get)                     \
    X(llama_log_set)                     \
    X(llama_supports_gpu_offload)        \
    X(llama_supports_mmap)               \
    X(llama_model_default_params)        \
    X(llama_model_load_from_file)        \
    X(llama_model_free)                  \
    X(llama_model_get_vocab)             \
    X(llama_model_meta_count)            \
    X(llama_model_meta_key_by_index)     \
    X(llama_model_meta_val_str_by_index) \
    X(llama_model_desc)                  \
    X(llama_model_n_layer)               \
    X(llama_model_n_head)                \
    X(llama_model_n_head_kv)             \
    X(llama_model_n_embd)                \
    X(llama_model_n_ctx_train)           \
    X(llama_model_n_swa)                 \
    X(llama_model_n_params)              \
    X(llama_model_size)                  \
    X(llama_model_chat_template)         \
    X(llama_model_has_encoder)           \
    X(llama_model_has_decoder)           \
    X(llama_model_is_recurrent)          \
    X(llama_model_is_hybrid)             \
    X(llama_model_is_diffusion)          \
    X(llama_model_quantize_default_params) \
    X(llama_model_quantize)              \
    X(llama_vocab_type)                  \
    X(llama_vocab_n_tokens)              \
    X(llama_vocab_get_text)              \
    X(llama_vocab_get_attr)              \
    X(llama_vocab_bos)                   \
    X(llama_vocab_eos)                   \
    X(llama_vocab_get_add_bos)           \
    X(llama_vocab_is_eog)                \
    X(llama_get_logits_ith)              \
    X(llama_tokenize)                    \
    X(llama_token_to_piece)              \
    X(llama_context_default_params)      \
    X(llama_init_from_model)             \
    X(llama_free)                        \
    X(llama_attach_threadpool)           \
    X(llama_n_ubatch)                    \
    X(llama_get_memory)                  \
    X(llama_memory_seq_rm)               \
    X(llama_memory_seq_cp)               \
    X(llama_state_seq_get_size)          \
    X(llama_state_seq_get_data)          \
    X(llama_state_seq_set_data)          \
    X(llama_decode)                      \
    X(llama_synchronize)                 \
    X(llama_sampler_chain_default_params) \
    X(llama_sampler_chain_init)          \
    X(llama_sampler_chain_add)           \
    X(llama_sampler_init_greedy)         \
    X(llama_sampler_init_dist)           \
    X(llama_sampler_init_top_k)          \
    X(llama_sampler_init_top_p)          \
    X(llama_sampler_init_temp)           \
    X(llama_sampler_init_penalties)      \
    X(llama_sampler_apply)               \
    X(llama_sampler_accept)              \
    X(llama_sampler_free)                \
    X(ggml_backend_load)                 \
    X(ggml_backend_load_all_from_path)   \
    X(ggml_backend_reg_get_proc_address) \
    X(ggml_backend_dev_count)            \
    X(ggml_backend_dev_get)              \
    X(ggml_backend_dev_by_type)          \
    X(ggml_backend_dev_name)             \
    X(ggml_backend_dev_description)      \
    X(ggml_backend_dev_memory)           \
    X(ggml_backend_dev_type)             \
    X(ggml_backend_dev_buffer_type)      \
    X(ggml_backend_dev_init)             \
    X(ggml_backend_dev_backend_reg)      \
    X(ggml_backend_free)                 \
    X(ggml_backend_get_default_buffer_type) \
    X(ggml_backend_buffer_get_type)      \
    X(ggml_backend_buffer_is_host)       \
    X(ggml_backend_buft_get_device)      \
    X(ggml_backend_supports_op)          \
    X(ggml_backend_graph_compute)        \
    X(ggml_backend_tensor_get)           \
    X(ggml_backend_tensor_set)           \
    X(ggml_gallocr_new)                  \
    X(ggml_gallocr_reserve)              \
    X(ggml_gallocr_alloc_graph)          \
    X(ggml_gallocr_free)                 \
    X(ggml_set_abort_callback)           \
    X(ggml_threadpool_params_init)       \
    X(ggml_version)                      \
    X(ggml_commit)                       \
    X(ggml_op_name)                      \
    X(ggml_init)                         \
    X(ggml_free)                         \
    X(ggml_tensor_overhead)              \
    X(ggml_graph_overhead_custom)        \
    X(ggml_new_graph_custom)             \
    X(ggml_build_forward_expand)         \
    X(ggml_graph_n_nodes)                \
    X(ggml_graph_node)                   \
    X(ggml_nbytes)                       \
    X(ggml_new_tensor_3d)                \
    X(ggml_set_output)                   \
    X(ggml_view_3d)                      \
    X(ggml_add)                          \
    X(ggml_mul_mat)                      \
    X(ggml_mul_mat_set_prec)             \
    X(ggml_scale)                        \
    X(ggml_tanh)                         \
    X(ggml_soft_max_ext)                 \
    X(ggml_soft_max_add_sinks)           \
    X(ggml_type_name)                    \
    X(ggml_type_size)                    \
    X(ggml_blck_size)                    \
    X(ggml_get_first_tensor)             \
    X(ggml_get_next_tensor)              \
    X(gguf_init_from_file)               \
    X(gguf_free)                         \
    X(gguf_find_key)                     \
    X(gguf_find_tensor)                  \
    X(gguf_get_tensor_offset)            \
    X(gguf_get_data_offset)              \
    X(gguf_get_kv_type)                  \
    X(gguf_get_arr_type)                 \
    X(gguf_get_arr_n)                    \
    X(gguf_get_arr_data)                 \
    X(gguf_get_arr_str)                  \
    X(gguf_get_val_u32)                  \
    X(gguf_get_val_f32)                  \
    X(gguf_get_val_str)

// The bound functions, under their own names: `api().llama_decode(...)`.
struct LlamaApi {
#define QRHEAD_DECLARE(name) Bound<decltype(&::name)> name = nullptr;
    QRHEAD_LLAMA_FUNCTIONS(QRHEAD_DECLARE)
#undef QRHEAD_DECLARE

    // Folder that the libraries were bound from.
    std::string directory;
};

struct LibraryPaths {
    std::string directory;  // holds the backends that ggml loads by itself
    std::string llama;
    std::string ggml;
    std::string ggml_base;
    // What the builder of the libraries says they were built from, such as "v0.4.0"; "" when nobody says.
    std::string release;
};

struct DeviceInfo {
    std::string name;
    std::string description;
    std::string type;
    std::string failure;  // why nothing can be computed on it, or ""
    size_t      memory_total = 0;
    size_t      memory_free  = 0;
};

// The llama.cpp release of the headers that this binary was compiled with, such as "0.4.0".
const char * compiled_llama_version() noexcept;

// Binds once per process and is then a no-op for the same directory. Throws LIBRARY_NOT_FOUND for a library or function
// that is missing, LIBRARY_MISMATCH for another release, other layouts of its structs, a second directory, or libraries of
// another build in the process that the loader would mix with these.
void bind_llama(const LibraryPaths & paths);

// The bound functions. Throws LIBRARY_NOT_FOUND before bind_llama.
const LlamaApi & api();

std::vector<DeviceInfo> list_devices();

}  // namespace qrhead
