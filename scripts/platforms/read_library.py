"""Prints what a shared library of Linux, Windows or macOS needs and shows, as JSON: read_library.py FILE"""

import hashlib
import json
import struct
import sys

path = sys.argv[1]
data = open(path, "rb").read()


def elf():
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    file = ELFFile(open(path, "rb"))
    symbols = [s for s in file.get_section_by_name(".dynsym").iter_symbols() if s.name]
    tags = list(file.get_section_by_name(".dynamic").iter_tags())
    needed = next((s for s in file.iter_sections() if isinstance(s, GNUVerNeedSection)), None)
    versions = [aux.name for _, auxes in needed.iter_versions() for aux in auxes] if needed else []
    path_tags = [t for t in tags if t.entry.d_tag in ("DT_RPATH", "DT_RUNPATH")]
    return {
        "format": "ELF",
        "machine": file.get_machine_arch(),
        "libraries": [t.needed for t in tags if t.entry.d_tag == "DT_NEEDED"],
        "versions": sorted(set(versions)),
        "imports": [s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF"],
        "exported": [s.name for s in symbols if s["st_shndx"] != "SHN_UNDEF"],
        "runpath": getattr(path_tags[0], "runpath", getattr(path_tags[0], "rpath", "")) if path_tags else "",
        "debug": any(s.name.startswith(".debug") or s.name == ".symtab" for s in file.iter_sections()),
    }


def pe():
    import pefile

    # llama.cpp's libraries export more than the reader's usual limit.
    file = pefile.PE(path, max_symbol_exports=1 << 20)
    imports = getattr(file, "DIRECTORY_ENTRY_IMPORT", [])
    return {
        "format": "PE",
        "machine": pefile.MACHINE_TYPE[file.FILE_HEADER.Machine],
        "libraries": [entry.dll.decode() for entry in imports],
        "imports": [i.name.decode() for entry in imports for i in entry.imports if i.name],
        "exported": [s.name.decode() for s in file.DIRECTORY_ENTRY_EXPORT.symbols if s.name],
        "debug": any(s.Name.startswith(b".debug") for s in file.sections),
    }


def macho():
    from macholib.MachO import MachO
    from macholib.SymbolTable import SymbolTable
    from macholib import mach_o

    file = MachO(path)
    header = file.headers[0]
    out = {"format": "Mach-O", "machine": header.header.cputype, "libraries": [], "rpaths": [], "signature": "none"}
    bound = {}
    for load, command, rest in header.commands:
        if load.cmd == mach_o.LC_LOAD_DYLIB:
            out["libraries"].append(rest.rstrip(b"\0").decode())
        elif load.cmd == mach_o.LC_RPATH:
            out["rpaths"].append(rest.rstrip(b"\0").decode())
        elif load.cmd == mach_o.LC_BUILD_VERSION:
            out["minimum"] = "%d.%d" % (command.minos >> 16, command.minos >> 8 & 255)
        elif load.cmd in (mach_o.LC_DYLD_INFO, mach_o.LC_DYLD_INFO_ONLY):
            for at, size in ((command.bind_off, command.bind_size), (command.lazy_bind_off, command.lazy_bind_size)):
                bound |= {name.removeprefix("_"): library for name, library in bindings(data[at : at + size])}
        elif load.cmd == mach_o.LC_CODE_SIGNATURE:
            out["signature"] = signature(command.dataoff, command.datasize)
    table = SymbolTable(file)
    name = lambda symbol: symbol[1].decode().removeprefix("_")
    out["imports"] = [name(s) for s in table.undefsyms]
    # Which library each is taken from: its place among the libraries, from 1. What the loader binds overrules the table.
    out["from"] = {name(s): s[0].n_desc >> 8 & 255 for s in table.undefsyms} | bound
    out["exported"] = [name(s) for s in table.extdefsyms]
    # N_STAB entries are debug information.
    out["debug"] = any(s[0].n_type & 0xE0 for s in table.localsyms)
    return out


def bindings(code):
    """Names and libraries of the loader's bind opcodes (mach-o/loader.h); library -2 is whatever the process has."""
    at, library, name = 0, None, None

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = code[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(code):
        opcode, immediate = code[at] & 0xF0, code[at] & 0x0F
        at += 1
        if opcode == 0x10:  # the library: here, behind, or one of the special ones
            library = immediate
        elif opcode == 0x20:
            library = number()
        elif opcode == 0x30:
            library = immediate - 16 if immediate else 0
        elif opcode == 0x40:  # the name
            end = code.index(0, at)
            name, at = code[at:end].decode(), end + 1
        elif opcode in (0x60, 0x70, 0x80, 0xA0):  # addend, place, step, bind and step
            number()
        elif opcode == 0xC0:  # bind many times
            number(), number()
        if opcode in (0x90, 0xA0, 0xB0, 0xC0):
            yield name, library


def signature(offset, size):
    """Whether the code directory is ad hoc and its page hashes are those of the file."""
    blob = data[offset : offset + size]
    magic, _, count = struct.unpack(">III", blob[:12])
    if magic != 0xFADE0CC0:
        return "unknown"
    for i in range(count):
        kind, at = struct.unpack(">II", blob[12 + 8 * i : 20 + 8 * i])
        if kind == 0:
            break
    else:
        return "without a code directory"
    directory = blob[at:]
    _, _, _, flags, hashes, _, _, n_slots, limit = struct.unpack(">IIIIIIIII", directory[:36])
    hash_size, hash_type, _, page_bits = directory[36], directory[37], directory[38], directory[39]
    if hash_type != 2:
        return "not by SHA-256"
    page = 1 << page_bits
    for slot in range(n_slots):
        part = data[slot * page : min((slot + 1) * page, limit)]
        wanted = directory[hashes + slot * hash_size : hashes + (slot + 1) * hash_size]
        if hashlib.sha256(part).digest() != wanted:
            return "of another file"
    return "ad hoc, valid" if flags & 2 else "not ad hoc"


kinds = {b"\x7fELF": elf, b"MZ": pe, b"\xcf\xfa\xed\xfe": macho}
print(json.dumps(next(read for start, read in kinds.items() if data.startswith(start))()))
