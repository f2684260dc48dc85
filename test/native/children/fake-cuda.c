// CUDA's runtime, cuBLAS and the driver of a machine whose driver takes none of the kernels that the library has: one
// device is found, memory can be had, and every kernel fails. FAKE_CUDA=none: the driver is there and finds no device.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int last_error = 0;
static int fail(int error) { return last_error = error; }

int cudaGetDeviceCount(int * count) {
    const char * mode = getenv("FAKE_CUDA");
    *count = mode != NULL && strcmp(mode, "none") == 0 ? 0 : 1;
    return *count == 0 ? fail(100) : 0;
}

// The first fields of cudaDeviceProp.
int cudaGetDeviceProperties(char * properties, int device) {
    (void) device;
    memset(properties, 0, 400);
    strcpy(properties, "Card of a test");
    *(size_t *) (properties + 288) = (size_t) 1 << 30;
    *(int *) (properties + 308)    = 32;
    return 0;
}

int cudaGetDeviceProperties_v2(char * properties, int device) { return cudaGetDeviceProperties(properties, device); }

int __cudaLaunchKernel(void) { return fail(222); }
int cudaLaunchKernel(void) { return fail(222); }
int cudaLaunchKernelExC(void) { return fail(222); }
int cudaLaunchCooperativeKernel(void) { return fail(222); }

int cudaGetLastError(void) {
    const int error = last_error;
    last_error      = 0;
    return error;
}
int cudaPeekAtLastError(void) { return last_error; }
const char * cudaGetErrorString(int error) {
    return error == 222 ? "the provided PTX was compiled with an unsupported toolchain." : error == 100 ? "no CUDA-capable device is detected" : "no error";
}

static int set(void ** out) {
    *out = malloc(64);
    return 0;
}
int cudaStreamCreateWithFlags(void ** out, unsigned flags) { (void) flags; return set(out); }
int cudaEventCreateWithFlags(void ** out, unsigned flags) { (void) flags; return set(out); }
int cublasCreate_v2(void ** out) { return set(out); }
int cudaMalloc(void ** out, size_t size) { *out = aligned_alloc(256, (size + 255) / 256 * 256); return *out == NULL ? fail(2) : 0; }
int cudaMallocHost(void ** out, size_t size) { return cudaMalloc(out, size); }
int cudaMallocManaged(void ** out, size_t size) { return cudaMalloc(out, size); }
int cudaHostAlloc(void ** out, size_t size) { return cudaMalloc(out, size); }
int cudaFree(void * memory) { free(memory); return 0; }
int cudaFreeHost(void * memory) { free(memory); return 0; }
int cudaMemGetInfo(size_t * free_bytes, size_t * total) { *free_bytes = *total = (size_t) 1 << 30; return 0; }
int cudaMemcpyAsync(void * to, const void * from, size_t size) { memcpy(to, from, size); return 0; }
int cudaMemset(void * to, int value, size_t size) { memset(to, value, size); return 0; }
int cudaMemsetAsync(void * to, int value, size_t size) { memset(to, value, size); return 0; }
int cudaGetDevice(int * device) { return *device = 0; }
int cudaDeviceGetAttribute(int * value) { return *value = 0; }
int cudaDeviceCanAccessPeer(int * value) { return *value = 0; }
int cudaDeviceGetPCIBusId(char * id, int size) { (void) size; strcpy(id, "0000:01:00.0"); return 0; }
int cuDeviceGet(int * device) { return *device = 0; }
int cuDeviceGetAttribute(int * value) { return *value = 0; }
int cuGetErrorString(int error, const char ** text) { *text = cudaGetErrorString(error); return 0; }
const char * cublasGetStatusString(int status) { (void) status; return "no status"; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int * blocks) { *blocks = 1; return 0; }
int cudaStreamIsCapturing(void * stream, int * capturing) { (void) stream; return *capturing = 0; }
void ** __cudaRegisterFatBinary(void * image) { (void) image; static void * handle; return &handle; }

#define DOES_NOTHING(name) int name(void) { return 0; }
DOES_NOTHING(__cudaGetKernel)
DOES_NOTHING(__cudaPopCallConfiguration)
DOES_NOTHING(__cudaPushCallConfiguration)
DOES_NOTHING(__cudaRegisterFatBinaryEnd)
DOES_NOTHING(__cudaRegisterFunction)
DOES_NOTHING(__cudaRegisterVar)
DOES_NOTHING(__cudaUnregisterFatBinary)
DOES_NOTHING(cuMemAddressFree)
DOES_NOTHING(cuMemAddressReserve)
DOES_NOTHING(cuMemCreate)
DOES_NOTHING(cuMemGetAllocationGranularity)
DOES_NOTHING(cuMemMap)
DOES_NOTHING(cuMemRelease)
DOES_NOTHING(cuMemSetAccess)
DOES_NOTHING(cuMemUnmap)
DOES_NOTHING(cublasDestroy_v2)
DOES_NOTHING(cublasGemmBatchedEx)
DOES_NOTHING(cublasGemmEx)
DOES_NOTHING(cublasGemmStridedBatchedEx)
DOES_NOTHING(cublasSetMathMode)
DOES_NOTHING(cublasSetStream_v2)
DOES_NOTHING(cublasSetWorkspace_v2)
DOES_NOTHING(cublasSgemmBatched)
DOES_NOTHING(cublasSgemmStridedBatched)
DOES_NOTHING(cublasSgemm_v2)
DOES_NOTHING(cublasStrsmBatched)
DOES_NOTHING(cudaDeviceEnablePeerAccess)
DOES_NOTHING(cudaDeviceSynchronize)
DOES_NOTHING(cudaEventDestroy)
DOES_NOTHING(cudaEventRecord)
DOES_NOTHING(cudaEventSynchronize)
DOES_NOTHING(cudaFuncGetAttributes)
DOES_NOTHING(cudaFuncSetAttribute)
DOES_NOTHING(cudaGraphDestroy)
DOES_NOTHING(cudaGraphExecDestroy)
DOES_NOTHING(cudaGraphExecUpdate)
DOES_NOTHING(cudaGraphInstantiate)
DOES_NOTHING(cudaGraphLaunch)
DOES_NOTHING(cudaHostGetDevicePointer)
DOES_NOTHING(cudaHostRegister)
DOES_NOTHING(cudaHostUnregister)
DOES_NOTHING(cudaMemcpy2DAsync)
DOES_NOTHING(cudaMemcpyPeerAsync)
DOES_NOTHING(cudaSetDevice)
DOES_NOTHING(cudaSetDeviceFlags)
DOES_NOTHING(cudaStreamBeginCapture)
DOES_NOTHING(cudaStreamDestroy)
DOES_NOTHING(cudaStreamEndCapture)
DOES_NOTHING(cudaStreamSynchronize)
DOES_NOTHING(cudaStreamWaitEvent)
