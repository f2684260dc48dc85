#pragma once

#include "attention.h"
#include "external_memory.h"

#include <memory>
#include <napi.h>
#include <vector>

namespace qrhead {

class AttentionObject : public Napi::ObjectWrap<AttentionObject> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value    create(Napi::Env env, std::shared_ptr<Attention> attention);

    explicit AttentionObject(const Napi::CallbackInfo & info);

  private:
    Napi::Value js_rows(const Napi::CallbackInfo & info);
    Napi::Value js_tokens(const Napi::CallbackInfo & info);
    Napi::Value js_row(const Napi::CallbackInfo & info);
    Napi::Value js_sum_over_heads(const Napi::CallbackInfo & info);
    Napi::Value js_document_scores(const Napi::CallbackInfo & info);

    // Null when JavaScript called the constructor by itself.
    const Attention & require(Napi::Env env) const;
    static std::shared_ptr<Attention> read_baseline(const Napi::Value & value);
    std::vector<float>                read_weights(const Napi::Value & value) const;

    std::shared_ptr<Attention> attention_;
    ExternalMemory             memory_;
};

}  // namespace qrhead
