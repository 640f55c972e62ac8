/// What a map is: the one description that sizes, growth, hand-over, inspection, metrics and documentation read.
public struct MapDescription: Sendable, Hashable {
    public var map: ServiceMap
    public var kind: MapKind
    /// The C types of the map ABI.
    public var key: String
    public var value: String
    /// In bytes.
    public var keySize: Int
    public var valueSize: Int
    /// What decides how many entries there are.
    public var size: MapSize
    public var words: Words

    /// In the words of `swiftlet maps list` and of the documentation.
    public struct Words: Sendable, Hashable {
        public var purpose: String
        /// What the numbers in it mean.
        public var units: String
        public var writer = "control plane"
        public var reader = "datapath"
        public var lifetime: String
    }

    /// The kind, as bpftool names it.
    public var type: String { kind.rawValue }

    /// Full is how it works: what needs the room takes it from the least used, or does without. Nobody has to act.
    public var isFullByNature: Bool {
        kind == .lruHash || size.isOfPrograms || [.flows, .tuples, .node(1)].contains(size)
    }

    /// Its entries say what Services there are: the control plane writes them, and reads them back at its start.
    public var isState: Bool { words.writer == "control plane" && size != .devices && !isOfNode }

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
        default: "struct \(Type.self)"
        }
    }
}

/// The kinds of maps, with the kernel's names.
public enum MapKind: String, Sendable, Hashable {
    case hash, array
    case lruHash = "lru_hash"
    case trie = "lpm_trie"
    case socketStorage = "sk_storage"
    case perCPUArray = "percpu_array"
    case perCPUHash = "percpu_hash"

    /// It takes its memory when it is made, and has all its entries always.
    public var isArray: Bool { self == .array || self == .perCPUArray }
}

/// What decides how many entries a map has room for.
public enum MapSize: Sendable, Hashable {
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
    /// A constant of the programs, which compute places in it: nobody has to act when all of them are taken.
    case programs(UInt32)
    /// As many sockets as there are.
    case sockets

    public var isOfPrograms: Bool {
        if case .programs = self { true } else { false }
    }

    /// The maps that are sized, and grow, together.
    public var group: MapGroup? {
        switch self {
        case .services, .servicePorts, .serviceCounters: .services
        case .slots: .slots
        case .backends, .backendCounters: .backends
        case .sourceRanges: .sourceRanges
        default: nil
        }
    }

    /// The flag that says what it begins with.
    public var flag: String? {
        switch group {
        case .services: "--max-services"
        case .slots: "--max-slots"
        case .backends: "--max-backends"
        case .sourceRanges: "--max-source-ranges"
        case nil: nil
        }
    }
}

extension ServiceMap {
    /// See `MapCatalog`.
    public var about: MapDescription { MapCatalog.description(of: self) }
}
