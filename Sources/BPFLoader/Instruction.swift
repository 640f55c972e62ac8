import CLibbpf

/// A BPF instruction, for programs too small for an object file. The raw value is its eight bytes.
struct Instruction: RawRepresentable, BitwiseCopyable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    private init(
        _ operation: UInt8, destination: UInt8 = 0, source: UInt8 = 0, offset: Int16 = 0, immediate: Int32 = 0
    ) {
        rawValue =
            UInt64(operation) | UInt64(destination) << 8 | UInt64(source) << 12
            | UInt64(UInt16(bitPattern: offset)) << 16 | UInt64(UInt32(bitPattern: immediate)) << 32
    }

    /// register = number
    static func set(_ register: UInt8, to number: Int32) -> Instruction {
        Instruction(0xb7, destination: register, immediate: number)
    }

    /// register = *(u64 *)(base + offset)
    static func load(_ register: UInt8, from base: UInt8, offset: Int16) -> Instruction {
        Instruction(0x79, destination: register, source: base, offset: offset)
    }

    /// register = map, which takes the place of two instructions
    static func load(_ register: UInt8, map descriptor: Int32) -> [Instruction] {
        [
            Instruction(0x18, destination: register, source: UInt8(BPF_PSEUDO_MAP_FD), immediate: descriptor),
            Instruction(rawValue: 0),
        ]
    }

    /// register = the values of an array, which takes the place of two instructions
    static func load(_ register: UInt8, valuesOf descriptor: Int32) -> [Instruction] {
        [
            Instruction(0x18, destination: register, source: UInt8(BPF_PSEUDO_MAP_VALUE), immediate: descriptor),
            Instruction(rawValue: 0),
        ]
    }

    /// *(u64 *)(base + offset) = register
    static func store(_ register: UInt8, at base: UInt8, offset: Int16) -> Instruction {
        Instruction(0x7b, destination: base, source: register, offset: offset)
    }

    static func call(_ helper: bpf_func_id) -> Instruction {
        Instruction(0x85, immediate: Int32(bitPattern: helper.rawValue))
    }

    static let exit = Instruction(0x95)
}

extension BPFProgram {
    /// Loads a program without an object file; `kind` says for what.
    static func load(
        _ name: String, _ kind: bpf_prog_type, for attachType: bpf_attach_type? = nil, flags: UInt32 = 0,
        _ instructions: [Instruction]
    ) throws(BPFError) -> BPFProgram {
        var options = bpf_prog_load_opts()
        options.sz = MemoryLayout<bpf_prog_load_opts>.size
        options.prog_flags = flags
        if let attachType { options.expected_attach_type = attachType }
        let descriptor = instructions.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: bpf_insn.self) { instructions in
                bpf_prog_load(kind, name, "GPL", instructions.baseAddress, instructions.count, &options)
            }
        }
        return try BPFProgram(Descriptor(adopting: checked(descriptor, .load, name)), name: name)
    }
}
