#pragma once

#include "cell_state.h"
#include "external_memory.h"

#include <memory>
#include <napi.h>

namespace qrhead {

// Cells of a KV cache as JavaScript holds them: bytes are handed over in pieces, so that a file of any size can be written
// and read, and checked before the engine sees it.
class CellStateObject : public Napi::ObjectWrap<CellStateObject> {
  public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value    create(Napi::Env env, CellState state);

    // Throws a TypeError for anything but a CellState.
    static std::shared_ptr<const CellState> read(const Napi::Value & value);

    explicit CellStateObject(const Napi::CallbackInfo & info);

  private:
    Napi::Value js_cells(const Napi::CallbackInfo & info);
    Napi::Value js_bytes(const Napi::CallbackInfo & info);
    Napi::Value js_slice(const Napi::CallbackInfo & info);
    void        js_append(const Napi::CallbackInfo & info);

    std::shared_ptr<CellState> state_ = std::make_shared<CellState>();
    ExternalMemory             memory_;
};

}  // namespace qrhead
