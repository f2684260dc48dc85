#include "attention_object.h"

#include "addon_data.h"
#include "convert.h"
#include "promise_worker.h"
#include "type_tag.h"

namespace qrhead {

namespace {

OutlierMask to_mask(Napi::Env env, const std::string & name) {
    if (name == "none") {
        return OutlierMask::none;
    }
    if (name == "per-head") {
        return OutlierMask::per_head;
    }
    if (name == "shared") {
        return OutlierMask::shared;
    }
    throw Napi::TypeError::New(env, "Expected none, per-head or shared for mask");
}

}  // namespace

static constexpr napi_type_tag type_tag = { 0x6e4b8a1d3c5f4709, 0x8d2a7c6e5b4f3912 };

AttentionObject::AttentionObject(const Napi::CallbackInfo & info) : Napi::ObjectWrap<AttentionObject>(info) {
    info.This().As<Napi::Object>().TypeTag(&type_tag);
}

Napi::Function AttentionObject::define(Napi::Env env) {
    return DefineClass(env, "Attention",
                       { InstanceAccessor<&AttentionObject::js_rows>("rows"),
                         InstanceAccessor<&AttentionObject::js_tokens>("tokens"),
                         InstanceMethod<&AttentionObject::js_row>("row"),
                         InstanceMethod<&AttentionObject::js_sum_over_heads>("sumOverHeads"),
                         InstanceMethod<&AttentionObject::js_document_scores>("documentScores") });
}

Napi::Value AttentionObject::create(Napi::Env env, std::shared_ptr<Attention> attention) {
    Napi::Object object = AddonData::of(env).attention_class.New({});
    auto *       self   = Unwrap(object);
    self->memory_.set(env, attention->n_rows() * attention->n_tokens() * sizeof(float));
    self->attention_ = std::move(attention);
    return object;
}

const Attention & AttentionObject::require(Napi::Env env) const {
    if (!attention_) {
        throw Napi::TypeError::New(env, "Attention objects come from context.observe");
    }
    return *attention_;
}

std::shared_ptr<Attention> AttentionObject::read_baseline(const Napi::Value & value) {
    if (value.IsNull() || value.IsUndefined()) {
        return nullptr;
    }
    if (!has_tag(value, type_tag)) {
        throw Napi::TypeError::New(value.Env(), "Expected an Attention or null for baseline");
    }
    auto * object = Unwrap(value.As<Napi::Object>());
    object->require(value.Env());
    return object->attention_;
}

// One weight per row; none for null, which stands for 1 everywhere.
std::vector<float> AttentionObject::read_weights(const Napi::Value & value) const {
    auto weights = optional_float32_array(value, "weights");
    if (weights.empty() && value.IsTypedArray()) {
        throw Napi::TypeError::New(value.Env(), "Expected a weight for each of " + std::to_string(attention_->n_rows()) + " rows");
    }
    return weights;
}

Napi::Value AttentionObject::js_rows(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Attention");
    return Napi::Number::New(info.Env(), static_cast<double>(require(info.Env()).n_rows()));
}

Napi::Value AttentionObject::js_tokens(const Napi::CallbackInfo & info) {
    require_receiver(info, type_tag, "Attention");
    return Napi::Number::New(info.Env(), static_cast<double>(require(info.Env()).n_tokens()));
}

Napi::Value AttentionObject::js_row(const Napi::CallbackInfo & info) {
    const auto & attention = require(info.Env());
    const double index     = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1.0;
    if (!(index >= 0.0 && index < static_cast<double>(attention.n_rows()))) {
        throw Napi::RangeError::New(info.Env(), "Expected a row from 0 to " + std::to_string(attention.n_rows() - 1));
    }
    const float * row = attention.row(static_cast<size_t>(index));
    return from_floats(info.Env(), std::vector<float>(row, row + attention.n_tokens()));
}

// Rows times tokens of additions: with all heads of a long prompt, tenths of a second.
Napi::Value AttentionObject::js_sum_over_heads(const Napi::CallbackInfo & info) {
    const auto & attention = require(info.Env());
    const auto   baseline  = read_baseline(info[0]);
    const double end       = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1.0;
    if (!(end >= 0.0 && end <= static_cast<double>(attention.n_tokens()))) {
        throw Napi::RangeError::New(info.Env(), "Expected an end from 0 to " + std::to_string(attention.n_tokens()));
    }
    const auto weights = read_weights(info[2]);
    return PromiseWorker<std::vector<float>>::run(
        info.Env(), "qrhead.sumOverHeads",
        [attention = attention_, baseline, end, weights] {
            return attention->sum_over_heads(baseline.get(), static_cast<size_t>(end), weights);
        },
        [](Napi::Env env, std::vector<float> & sums) { return from_floats(env, sums); });
}

Napi::Value AttentionObject::js_document_scores(const Napi::CallbackInfo & info) {
    require(info.Env());
    const auto options  = require_object(info[0], "options");
    const auto baseline = read_baseline(options.Get("baseline"));
    const auto mask     = to_mask(info.Env(), require_string(options, "mask"));
    const auto weights  = read_weights(options.Get("weights"));
    const auto flat     = require_uint32_array(options.Get("spans"), "spans");
    require_pairs(info.Env(), flat.size(), "spans");
    std::vector<TokenSpan> spans;
    for (size_t i = 0; i < flat.size(); i += 2) {
        spans.push_back({ flat[i], flat[i + 1] });
    }
    return PromiseWorker<std::vector<float>>::run(
        info.Env(), "qrhead.documentScores",
        [attention = attention_, baseline, mask, spans, weights] {
            return attention->document_scores(baseline.get(), spans, mask, weights);
        },
        [](Napi::Env env, std::vector<float> & scores) { return from_floats(env, scores); });
}

}  // namespace qrhead
