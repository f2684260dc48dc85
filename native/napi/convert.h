#pragma once

#include "context.h"
#include "tokenizer.h"

#include <napi.h>
#include <string>
#include <vector>

namespace qrhead {

// Readers of arguments. TypeScript has validated them already; these only keep a direct caller of the addon from killing
// the process. Each throws a TypeError that names what was expected.
Napi::Object require_object(const Napi::Value & value, const char * name);
std::string  require_string(const Napi::Object & object, const char * name);
double       require_number(const Napi::Object & object, const char * name, double min, double max);
bool         require_bool(const Napi::Object & object, const char * name);

std::vector<int32_t>  require_int32_array(const Napi::Value & value, const char * name);
std::vector<std::vector<int32_t>> require_int32_arrays(const Napi::Value & value, const char * name);
std::vector<uint32_t> require_uint32_array(const Napi::Value & value, const char * name);
std::vector<float>    optional_float32_array(const Napi::Value & value, const char * name);  // empty for null or undefined
void                  require_pairs(Napi::Env env, size_t length, const char * name);

std::vector<PromptPiece> to_prompt_pieces(const Napi::Value & value);
CacheOptions   to_cache_options(const Napi::Value & value);
ContextOptions           to_context_options(const Napi::Value & value);
Rows                     to_rows(const Napi::Value & value);
RowsGo                   to_rows_go(const Napi::Value & value);
QueryRows                to_query_rows(const Napi::Value & value);

Napi::Object       from_model_info(Napi::Env env, const ModelInfo & info);
Napi::Object       from_tokenization(Napi::Env env, const Tokenization & tokenization);
Napi::Float32Array from_floats(Napi::Env env, const std::vector<float> & values);

// Reports one number to JavaScript from a native thread, if `value` is a function. A report also finds out whether the
// environment is going away, as a terminated worker thread does, and then sets `shutting_down`. `lifetime` must end on the
// JavaScript thread, when no more calls can come.
struct ProgressFunction {
    std::function<void(double)> report;
    std::shared_ptr<void>       lifetime;
};
ProgressFunction to_progress(const Napi::Value & value, const CancelFlag & shutting_down);

}  // namespace qrhead
