import CLibbpf
package import SystemPackage
import SystemCalls

/// An object file of BPF programs and maps, open but not yet loaded: the moment to set it up.
///
/// What is set here reaches the kernel. After loading nothing of it can be changed, so `load()` gives another type.
package struct BPFObject: ~Copyable {
    let handle: ObjectHandle
    /// What messages call it: "sock.bpf.o".
    package let name: String

    /// Opens an object from the bytes of its ELF file, which are not needed afterwards.
    package init(name: String, bytes: UnsafeRawBufferPointer) throws(BPFError) {
        handle = try ObjectHandle(Opening(of: bytes, name: name), name: name)
        self.name = name
    }

    /// Opens an object from the bytes of its ELF file.
    package init(name: String, bytes: [UInt8]) throws(BPFError) {
        handle = try ObjectHandle(bytes.withUnsafeBytes { Opening(of: $0, name: name) }, name: name)
        self.name = name
    }

    /// The programs of the object, in the order of the file.
    package var programs: [ProgramDescription] { handle.programs }

    /// The names of the maps, read-only data included.
    package var mapNames: [String] { handle.mapNames }

    /// Sets the first contents of a data section such as ".rodata.config" from a struct of the same layout.
    package func setInitialValue<Value: BitwiseCopyable>(of map: String, to value: Value) throws(BPFError) {
        let pointer = try handle.map(map, of: name)
        let status = withUnsafePointer(to: value) {
            bpf_map__set_initial_value(pointer, $0, MemoryLayout<Value>.stride)
        }
        guard status < 0 else { return }
        var size = 0
        _ = bpf_map__initial_value(pointer, &size)
        let detail = "it has \(size) bytes, \(Value.self) has \(MemoryLayout<Value>.stride)"
        throw BPFError(.set, "\(map) of \(name)", Errno(rawValue: -status), detail: detail)
    }

    /// What a data section such as ".rodata.config" holds as the object was compiled, as a struct of the same layout.
    package func initialValue<Value: BitwiseCopyable>(of map: String, as _: Value.Type) throws(BPFError) -> Value {
        var size = 0
        let bytes = bpf_map__initial_value(try handle.map(map, of: name), &size)
        guard let bytes, size == MemoryLayout<Value>.stride else {
            let detail = "it has \(size) bytes, \(Value.self) has \(MemoryLayout<Value>.stride)"
            throw BPFError(.read, "\(map) of \(name)", .invalidArgument, detail: detail)
        }
        return bytes.loadUnaligned(as: Value.self)
    }

    /// Sets how many entries a map is created with.
    package func setMaxEntries(of map: String, to count: Int) throws(BPFError) {
        try checked(
            bpf_map__set_max_entries(handle.map(map, of: name), UInt32(clamping: count)), .set,
            "maximum of \(map) of \(name)")
    }

    /// Uses the map that is pinned at a path, if it is there and fits; otherwise creates the map and pins it there.
    package func setPin(of map: String, at path: FilePath) throws(BPFError) {
        try checked(bpf_map__set_pin_path(handle.map(map, of: name), path.string), .set, "pin of \(map) of \(name)")
    }

    /// Uses a map that is open already instead of creating one; the object then knows it by the open map's name.
    package func reuse(_ open: borrowing BPFMap, as map: String) throws(BPFError) {
        let status = bpf_map__reuse_fd(try handle.map(map, of: name), open.descriptor.rawValue)
        try checked(status, .reuse, "\(open.name) as \(map) of \(name)")
    }

    /// Leaves a map out of the load, which no program that is loaded may use then.
    package func leaveOut(map: String) throws(BPFError) {
        try checked(bpf_map__set_autocreate(handle.map(map, of: name), false), .set, "\(map) of \(name)")
    }

    /// Leaves a program out of the load, or takes it in again.
    package func setAutoload(of program: String, to isLoaded: Bool) throws(BPFError) {
        try checked(
            bpf_program__set_autoload(handle.program(program, of: name), isLoaded), .set,
            "autoload of \(program) of \(name)")
    }

    /// Creates the maps and has the kernel verify the programs.
    ///
    /// Throws the verifier's last telling line as the `detail` and everything that was said as the `log`.
    package consuming func load() throws(BPFError) -> LoadedBPFObject {
        let pointer = handle.pointer
        let (status, log) = LibbpfLog.collecting { bpf_object__load(pointer) }
        guard status < 0 else { return LoadedBPFObject(handle: handle, name: name) }
        let said = LoadLog(text: log)
        let cause = Errno(rawValue: -status)
        // Without a verifier log, missing rights speak for themselves better than libbpf does.
        if cause == .notPermitted && !said.hasVerifierLog { throw BPFError(.load, name, cause, log: log) }
        let advice = said.hasVerifierLog ? "the full log is at debug level" : said.advice
        throw BPFError(.load, name, cause, detail: said.reason, advice: advice, log: log)
    }
}

/// An object whose maps and programs are in the kernel. Dropping it releases all that is not held elsewhere: what is
/// taken out of it with `map(named:)` and `program(named:)` stays.
package struct LoadedBPFObject: ~Copyable {
    private let handle: ObjectHandle
    /// What messages call it: "sock.bpf.o".
    package let name: String

    fileprivate init(handle: consuming ObjectHandle, name: String) {
        self.handle = handle
        self.name = name
    }

    /// The programs that were loaded, in the order of the file.
    package var programs: [ProgramDescription] { handle.programs.filter(\.isLoaded) }

    /// The names of the maps, read-only data included.
    package var mapNames: [String] { handle.mapNames }

    /// A handle of its own on a map.
    package func map(named map: String) throws(BPFError) -> BPFMap {
        try BPFMap(duplicating: bpf_map__fd(handle.map(map, of: name)), named: map)
    }

    /// A handle of its own on a program.
    package func program(named program: String) throws(BPFError) -> BPFProgram {
        let descriptor = bpf_program__fd(try handle.program(program, of: name))
        return try BPFProgram(duplicating: descriptor, named: program)
    }
}

/// A program as the object file describes it.
package struct ProgramDescription: Hashable, Sendable {
    /// The function's name: "swl_connect4".
    package let name: String
    /// Its section, which says what it attaches to: "cgroup/connect4".
    package let section: String
    /// Whether `load()` takes it, or took it.
    package let isLoaded: Bool
}

/// What libbpf answered when it was asked to open an object.
private struct Opening {
    let pointer: OpaquePointer?
    let cause: Errno
    let log: String

    init(of bytes: UnsafeRawBufferPointer, name: String) {
        var options = bpf_object_open_opts()
        options.sz = MemoryLayout<bpf_object_open_opts>.size
        let (answer, log) = LibbpfLog.collecting {
            name.withCString { objectName -> (OpaquePointer?, Errno) in
                options.object_name = objectName
                return (bpf_object__open_mem(bytes.baseAddress, bytes.count, &options), .last)
            }
        }
        (pointer, cause) = answer
        self.log = log
    }
}

/// The owner of libbpf's object.
struct ObjectHandle: ~Copyable {
    let pointer: OpaquePointer

    fileprivate init(_ opening: Opening, name: String) throws(BPFError) {
        guard let pointer = opening.pointer else {
            let reason = LoadLog(text: opening.log).reason
            throw BPFError(.open, name, opening.cause, detail: reason, log: opening.log)
        }
        self.pointer = pointer
    }

    deinit { bpf_object__close(pointer) }

    var programs: [ProgramDescription] {
        var descriptions: [ProgramDescription] = []
        var next = bpf_object__next_program(pointer, nil)
        while let program = next {
            descriptions.append(
                ProgramDescription(
                    name: String(cString: bpf_program__name(program)),
                    section: String(cString: bpf_program__section_name(program)),
                    isLoaded: bpf_program__autoload(program)))
            next = bpf_object__next_program(pointer, program)
        }
        return descriptions
    }

    var mapNames: [String] {
        var names: [String] = []
        var next = bpf_object__next_map(pointer, nil)
        while let map = next {
            names.append(String(cString: bpf_map__name(map)))
            next = bpf_object__next_map(pointer, map)
        }
        return names
    }

    func map(_ map: String, of object: String) throws(BPFError) -> OpaquePointer {
        guard let found = bpf_object__find_map_by_name(pointer, map) else {
            throw BPFError(.find, "map \(map) in \(object)", .noSuchFileOrDirectory, detail: "no map has this name")
        }
        return found
    }

    func program(_ program: String, of object: String) throws(BPFError) -> OpaquePointer {
        guard let found = bpf_object__find_program_by_name(pointer, program) else {
            let detail = "no program has this name"
            throw BPFError(.find, "program \(program) in \(object)", .noSuchFileOrDirectory, detail: detail)
        }
        return found
    }
}
