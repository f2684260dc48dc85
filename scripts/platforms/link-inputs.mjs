// What a platform's addon is linked with besides its own objects.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { root } from "./python-tools.mjs";

const { v8: nodeApi } = createRequire(import.meta.url)("node-api-headers/symbols.js");
/** Functions of Node-API 8, the version that the addon is compiled for. */
export const NODE_API = [...nodeApi.js_native_api_symbols, ...nodeApi.node_api_symbols];

/** What an addon shows to its host. */
export const EXPORTED = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

/*
 * An exception that leaves libllama was thrown by the system's libstdc++ and unwinds with its libgcc_s. A catch block of the
 * addon can take it, with its type and message, only where both are the addon's too. So of zig's libc++ the addon has the
 * containers and strings, which are its own, and takes from the system what throws, catches and knows types: libc++ keeps
 * std::exception and its children apart from its other names for just this. Linking needs only the names.
 */
const unwinder =
  "Backtrace DeleteException FindEnclosingFunction GetCFA GetDataRelBase GetGR GetIP GetIPInfo GetLanguageSpecificData GetRegionStart GetTextRelBase RaiseException Resume Resume_or_Rethrow SetGR SetIP";
const runtime = [
  ..."allocate_dependent_exception allocate_exception bad_cast bad_typeid begin_catch call_unexpected current_exception_type deleted_virtual demangle end_catch free_dependent_exception free_exception get_exception_ptr get_globals get_globals_fast guard_abort guard_acquire guard_release init_primary_exception pure_virtual rethrow throw throw_bad_array_new_length thread_atexit"
    .split(" ")
    .map((name) => `__cxa_${name}`),
  ...["__gxx_personality_v0", "__dynamic_cast"],
  ...[
    "_Znwm",
    "_Znam",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZSt7nothrow",
  ],
  ...[
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
  ],
  ...[
    "_ZSt9terminatev",
    "_ZSt13set_terminatePFvvE",
    "_ZSt13get_terminatev",
    "_ZSt15get_new_handlerv",
    "_ZSt15set_new_handlerPFvvE",
    "_ZSt14get_unexpectedv",
    "_ZSt14set_unexpectedPFvvE",
  ],
  ...["9exception", "9bad_alloc", "8bad_cast", "10bad_typeid", "13bad_exception", "20bad_array_new_length"].flatMap(
    typeOf,
  ),
  ...[
    "11logic_error",
    "13runtime_error",
    "12domain_error",
    "16invalid_argument",
    "12length_error",
    "12out_of_range",
  ].flatMap(typeOf),
  ...["11range_error", "14overflow_error", "15underflow_error", "9type_info"].flatMap(typeOf),
  ...["120__si_class_type_info", "117__class_type_info", "121__vmi_class_type_info", "119__pointer_type_info"].map(
    (name) => `_ZTVN10__cxxabiv${name}E`,
  ),
  ...["123__fundamental_type_info", "120__function_type_info", "116__enum_type_info", "117__array_type_info"].map(
    (name) => `_ZTVN10__cxxabiv${name}E`,
  ),
  ...[..."vbhcstijlmxynofdegw"].flatMap((c) => [`_ZTI${c}`, `_ZTIP${c}`, `_ZTIPK${c}`]),
];

/** Names of a standard exception: type, table of functions, destructors, `what`. */
function typeOf(name) {
  const inside = `St${name}`;
  return [
    `_ZTI${inside}`,
    `_ZTS${inside}`,
    `_ZTV${inside}`,
    ...["D0Ev", "D1Ev", "D2Ev"].map((end) => `_ZN${inside}${end}`),
    `_ZNK${inside}4whatEv`,
  ];
}

const systemLibraries = {
  "libstdc++.so.6": runtime,
  "libgcc_s.so.1": unwinder.split(" ").map((name) => `_Unwind_${name}`),
};

// libc++ asks for what only its own runtime has, in functions that the addon never calls (exception_ptr and stream guards).
// Without these, linking would bring that runtime's throw and catch in beside the system's.
const unused = `void abort(void);
void * __cxa_current_primary_exception(void) { return 0; }
void __cxa_increment_exception_refcount(void * exception) { (void) exception; }
void __cxa_decrement_exception_refcount(void * exception) { (void) exception; }
void __cxa_rethrow_primary_exception(void * exception) { (void) exception; abort(); }
_Bool __cxa_uncaught_exception(void) { return 0; }
unsigned __cxa_uncaught_exceptions(void) { return 0; }
`;

/** Compiles what is linked: `before` stands before the libraries that zig adds, `after` are options. */
export async function linkInputs(target, { work, run }) {
  const inside = (file) => path.relative(root, file);
  const make = async (name, text, extension, args) => {
    const source = path.join(work, `${name}.${extension}`);
    const output = path.join(work, args.includes("-shared") ? name : `${name}.o`);
    writeFileSync(source, text);
    await run(["cc", "-target", target.triple, "-g0", ...args, "-o", inside(output), inside(source)]);
    return output;
  };
  if (target.platform === "linux") {
    const before = [await make("unused", unused, "c", ["-c", "-O2", "-fPIC", "-fvisibility=hidden"])];
    for (const [name, symbols] of Object.entries(systemLibraries)) {
      const text = symbols.map((symbol) => `.globl ${symbol}\n.type ${symbol},%object\n${symbol}:\n`).join("");
      const args = ["-shared", "-nostdlib", `-Wl,-soname,${name}`];
      before.push(await make(name, `.data\n${text}.byte 0\n`, "s", args));
    }
    const exported = path.join(work, "exported.txt");
    writeFileSync(exported, `{ global: ${EXPORTED.join("; ")}; local: *; };\n`);
    // The addon's code must outlive the thread that loaded it.
    const options = ["-z,nodelete", "--gc-sections", "--build-id=none", `--version-script=${inside(exported)}`];
    return { before, after: [...options.map((option) => `-Wl,${option}`), "-ldl"] };
  }
  if (target.platform === "win32") {
    return { before: [await make("node-api", nodeApiOfHost(), "c", ["-c", "-O2"])], after: ["-Wl,--gc-sections"] };
  }
  return { before: [], after: ["-Wl,-undefined,dynamic_lookup", "-Wl,-install_name,qrhead.node", "-Wl,-dead_strip"] };
}

/**
 * Windows imports a function from a library of one name, and the host is node.exe, electron.exe or whatever a packed
 * program is called. So the addon imports none of Node-API: it looks the functions up in its host when it is loaded.
 */
function nodeApiOfHost() {
  return `#include <windows.h>
static int missing(void) { return 9; /* napi_generic_failure */ }
${NODE_API.map((name) => `void * __imp_${name} = (void *) missing;`).join("\n")}
static const struct { const char * name; void ** place; } functions[] = {
${NODE_API.map((name) => `    { "${name}", &__imp_${name} },`).join("\n")}
};
__attribute__((constructor)) static void find_node_api(void) {
    HMODULE hosts[] = { GetModuleHandleW(NULL), GetModuleHandleW(L"libnode.dll"), GetModuleHandleW(L"node.dll") };
    for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        for (unsigned h = 0; h < sizeof(hosts) / sizeof(hosts[0]); h++) {
            FARPROC found = hosts[h] ? GetProcAddress(hosts[h], functions[i].name) : NULL;
            if (found) {
                *functions[i].place = (void *) found;
                break;
            }
        }
    }
}
`;
}
