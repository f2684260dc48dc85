#include "tensor_check.h"

#include "error.h"
#include "handles.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace qrhead {

namespace {

constexpr size_t block_bytes = 1 << 20;

// Formats of intermediate results and whole numbers: llama.cpp has no matrix product for them.
bool is_computable(enum ggml_type type) {
    switch (type) {
        case GGML_TYPE_Q8_1:
        case GGML_TYPE_Q8_K:
        case GGML_TYPE_I8:
        case GGML_TYPE_I16:
        case GGML_TYPE_I32:
        case GGML_TYPE_I64:
        case GGML_TYPE_F64:
            return false;
        default:
            return true;
    }
}

[[noreturn]] void refuse(const std::string & path, const std::string & tensor, const std::string & what) {
    throw EngineError("MODEL_LOAD_FAILED", "Could not load " + path + ": its tensor " + tensor + " " + what +
                                               "; fetch or convert the file again");
}

// One file's tensors, described in its header, and their bytes.
class TensorFile {
  public:
    TensorFile(const std::string & path, const Cancellation & cancellation) : path_(path), cancellation_(cancellation) {
        ggml_context *         described = nullptr;
        const gguf_init_params params{ true, &described };
        gguf_.reset(api().gguf_init_from_file(path.c_str(), params));
        tensors_.reset(described);
        stream_.open(std::filesystem::u8path(path), std::ios::binary);
    }

    bool is_readable() const { return gguf_ && tensors_ && stream_.is_open(); }

    void check(bool every_matrix) {
        const auto tensors = by_offset();
        size_t     n_zeros = 0;  // one behind the other
        for (ggml_tensor * tensor : tensors) {
            cancellation_.throw_if_requested();
            check_type(*tensor);
            const bool is_vector = tensor->ne[1] == 1 && tensor->ne[2] == 1 && tensor->ne[3] == 1;
            bool       is_zero   = false;
            if (is_vector && tensor->type == GGML_TYPE_F32) {
                is_zero = check_vector(*tensor);
            } else if (every_matrix) {
                is_zero = is_all_zeros(*tensor);
            }
            n_zeros = is_zero ? n_zeros + 1 : 0;
            if (is_zero && (is_needed(tensor->name) || (n_zeros > 2 && !is_in_last_block(tensor->name)))) {
                zero_.push_back(tensor->name);
            }
            has_values_ = has_values_ || (is_vector && !is_zero);
        }
        // A file without any values at all is what its maker wanted, such as a vocabulary with weights of zeros.
        if (!zero_.empty() && (has_values_ || every_matrix)) {
            refuse(path_, zero_.front(), "is all zeros, as the rest of a download that was cut short");
        }
    }

  private:
    void check_type(const ggml_tensor & tensor) const {
        const std::string type = api().ggml_type_name(tensor.type);
        if (!is_computable(tensor.type)) {
            refuse(path_, tensor.name, "has the type " + type + ", which llama.cpp cannot compute with");
        }
        const bool is_added = std::strstr(tensor.name, "norm") != nullptr || std::strstr(tensor.name, ".bias") != nullptr ||
                              std::strstr(tensor.name, "sinks") != nullptr || std::strstr(tensor.name, "rope_f") != nullptr;
        if (is_added && tensor.ne[1] == 1 && tensor.type != GGML_TYPE_F32) {
            refuse(path_, tensor.name, "has the type " + type + " where f32 was expected");
        }
    }

    // Whether all are zero.
    bool check_vector(const ggml_tensor & tensor) {
        bool all_zeros = true;
        read(tensor, [&](const char * bytes, size_t size) {
            for (size_t i = 0; i + sizeof(float) <= size; i += sizeof(float)) {
                float value;
                std::memcpy(&value, bytes + i, sizeof(value));
                if (!std::isfinite(value)) {
                    refuse(path_, tensor.name, "has the value " + std::to_string(value));
                }
                all_zeros = all_zeros && value == 0.0f;
            }
            return true;
        });
        return all_zeros;
    }

    std::vector<ggml_tensor *> by_offset() {
        std::vector<ggml_tensor *> tensors;
        for (ggml_tensor * tensor = api().ggml_get_first_tensor(tensors_.get()); tensor != nullptr;
             tensor               = api().ggml_get_next_tensor(tensors_.get(), tensor)) {
            tensors.push_back(tensor);
            last_block_ = std::max(last_block_, block_of(tensor->name));
        }
        std::sort(tensors.begin(), tensors.end(), [this](const auto * a, const auto * b) { return offset_of(*a) < offset_of(*b); });
        return tensors;
    }

    // What no trained model has zeros in. Other matrices may be: of a layer that was added and not trained, or in the last
    // block of a model that only ranks.
    bool is_needed(const std::string & name) const {
        for (const char * part : { "token_embd.weight", "attn_q.weight", "attn_k.weight", "attn_qkv.weight", "attn_norm.weight", "output_norm.weight" }) {
            if (name.find(part) != std::string::npos) {
                return true;
            }
        }
        return name == "output.weight" || (name.find("norm.weight") != std::string::npos && !is_in_last_block(name));
    }

    bool is_in_last_block(const std::string & name) const { return block_of(name.c_str()) == last_block_; }

    static int block_of(const char * name) {
        int block = -1;
        std::sscanf(name, "blk.%d.", &block);
        return block;
    }

    size_t offset_of(const ggml_tensor & tensor) const {
        const auto & llama = api();
        return llama.gguf_get_data_offset(gguf_.get()) +
               llama.gguf_get_tensor_offset(gguf_.get(), llama.gguf_find_tensor(gguf_.get(), tensor.name));
    }

    bool is_all_zeros(const ggml_tensor & tensor) {
        bool all_zeros = true;
        read(tensor, [&](const char * bytes, size_t size) {
            all_zeros = std::all_of(bytes, bytes + size, [](char byte) { return byte == 0; });
            return all_zeros;
        });
        return all_zeros;
    }

    // Hands over the tensor's bytes block by block for as long as `visit` asks for more. None, and so no verdict, where the
    // file ends early.
    template <class Visit> void read(const ggml_tensor & tensor, Visit visit) {
        const size_t begin = offset_of(tensor);
        const size_t size  = api().ggml_nbytes(&tensor);
        // One page of bytes decides for almost every matrix.
        size_t want = 4096;
        for (size_t at = 0; at < size; want = block_bytes) {
            cancellation_.throw_if_requested();
            block_.resize(std::min(want, size - at));
            stream_.clear();
            stream_.seekg(static_cast<std::streamoff>(begin + at));
            if (!stream_.read(block_.data(), static_cast<std::streamsize>(block_.size()))) {
                // llama.cpp says what is missing.
                visit("\1", 1);
                return;
            }
            if (!visit(block_.data(), block_.size())) {
                return;
            }
            at += block_.size();
        }
    }

    const std::string &  path_;
    const Cancellation & cancellation_;
    GgufHandle           gguf_;
    GgmlContextHandle    tensors_;
    std::ifstream        stream_;
    std::vector<char>    block_;
    bool                 has_values_ = false;
    int                  last_block_ = -1;
    std::vector<std::string> zero_;  // tensors of zeros that should have values
};

// The files of a model: itself, or all of `NAME-00001-of-00003.gguf`.
std::vector<std::string> parts_of(const std::string & path) {
    constexpr size_t tail = sizeof("-00001-of-00003.gguf") - 1;
    unsigned         first = 0;
    unsigned         count = 0;
    char             end   = '\0';
    const bool       is_split = path.size() > tail &&
                          std::sscanf(path.c_str() + path.size() - tail, "-%5u-of-%5u.ggu%c", &first, &count, &end) == 3 && end == 'f';
    if (!is_split || first != 1) {
        return { path };
    }
    std::vector<std::string> parts;
    for (unsigned part = 1; part <= count; part++) {
        char name[tail + 1];
        std::snprintf(name, sizeof(name), "-%05u-of-%05u.gguf", part, count);
        parts.push_back(path.substr(0, path.size() - tail) + name);
    }
    return parts;
}

}  // namespace

void check_tensor_data(const std::string & path, bool every_matrix, const Cancellation & cancellation) {
    for (const auto & part : parts_of(path)) {
        TensorFile file(part, cancellation);
        if (file.is_readable()) {
            file.check(every_matrix);
        }
    }
}

}  // namespace qrhead
