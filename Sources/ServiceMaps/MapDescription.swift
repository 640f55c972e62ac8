/// What a map is: the one description that sizes, growth, hand-over, inspection, metrics and documentation read.
package struct MapDescription: Sendable, Hashable {
    package var map: ServiceMap
    package var kind: MapKind
    /// The C types of the map ABI.
    package var key: String
    package var value: String
    /// In bytes.
    package var keySize: Int
    package var valueSize: Int
    /// What decides how many entries there are.
    package var size: MapSize
    package var words: Words

    /// In the words of `swiftlet maps list` and of the documentation.
    package struct Words: Sendable, Hashable {
        package var purpose: String
        /// What the numbers in it mean.
        package var units: String
        package var writer = "control plane"
        package var reader = "datapath"
        package var lifetime: String
    }

    /// The kind, as bpftool names it.
    package var type: String { kind.rawValue }

    /// Full is how it works: what needs the room takes it from the least used, or does without. No action is needed.
    package var isFullByNature: Bool {
        kind == .lruHash || size.isOfPrograms || [.flows, .tuples, .node(1)].contains(size)
    }

    /// Its entries say what Services there are: the control plane writes them, and reads them back at its start.
    package var isState: Bool { words.writer == "control plane" && size != .devices && !isOfNode }

    private var isOfNode: Bool {
        if case .node = size { true } else { false }
    }

    init<Key, Value>(
        _ map: ServiceMap, _ kind: MapKind, _: Key.Type, _: Value.Type, _ size: MapSize, _ words: Words
    ) {
        self.map = map
        self.kind = kind
        (key, keySize) = (Self.name(Key.self), MemoryLayout<Key>.size)
        (value, valueSize) = (Self.name(Value.self), MemoryLayout<Value>.size)
        self.size = size
        self.words = words
    }

    private static func name<Type>(_: Type.Type) -> String {
        switch Type.self {
        case is UInt32.Type: "__u32"
        case is UInt64.Type: "__u64"
        // The key of socket storage is a descriptor.
        case is Int32.Type: "int"
        case is Void.Type: "-"
        default: "struct \(Type.self)"
        }
    }
}

/// The kinds of maps, with the kernel's names.
package enum MapKind: String, Sendable, Hashable {
    case hash, array
    case lruHash = "lru_hash"
    case trie = "lpm_trie"
    case socketStorage = "sk_storage"
    case perCPUArray = "percpu_array"
    case perCPUHash = "percpu_hash"
    /// Its capacity is in bytes, and it has no keys.
    case ringBuffer = "ringbuf"

    /// It takes its memory when it is made, and has all its entries always.
    package var isArray: Bool { self == .array || self == .perCPUArray }
}

/// What decides how many entries a map has room for.
package enum MapSize: Sendable, Hashable {
    /// Frontends per IP family, and what follows from them.
    case services
    /// Names of service ports, of both families.
    case servicePorts
    case slots, backends, sourceRanges, affinity, flows
    /// The tuples of flows.
    case tuples
    /// What is said about the node, so many entries of it.
    case node(UInt32)
    case serviceCounters, backendCounters
    /// `LB_DEVICES`.
    case devices
    /// `LB_FRAGMENTS`.
    case fragments
    /// A constant of the programs, which compute places in it: no action is needed when all of them are taken.
    case programs(UInt32)
    /// As many sockets as there are.
    case sockets

    package var isOfPrograms: Bool {
        if case .programs = self { true } else { false }
    }

    /// The maps that are sized, and grow, together.
    package var group: MapGroup? {
        switch self {
        case .services, .servicePorts, .serviceCounters: .services
        case .slots: .slots
        case .backends, .backendCounters: .backends
        case .sourceRanges: .sourceRanges
        default: nil
        }
    }

    /// The flag that says what it begins with.
    package var flag: String? {
        switch (self, group) {
        case (.flows, _), (.tuples, _): "--max-flows"
        case (_, .services): "--max-services"
        case (_, .slots): "--max-slots"
        case (_, .backends): "--max-backends"
        case (_, .sourceRanges): "--max-source-ranges"
        case (_, nil): nil
        }
    }
}

extension ServiceMap {
    /// See `MapCatalog`.
    package var about: MapDescription { MapCatalog.description(of: self) }
}
