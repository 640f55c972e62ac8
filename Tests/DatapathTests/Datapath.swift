import BPFLoader
import CDatapath
import TestKit

/// A loaded object of the datapath, whose maps a test fills as the control plane does.
struct Datapath: ~Copyable {
    let object: LoadedBPFObject

    /// Loads an object that `make bpf` compiled, such as `select.bpf.o`.
    init(_ name: String, change: (inout datapath_config) -> Void = { _ in }) throws {
        let object = try BPFObject(name: name, bytes: CompiledObject.bytes(of: name))
        var config = datapath_config.ofThisKernel
        change(&config)
        if name != "empty.bpf.o" { try object.setInitialValue(of: ".rodata.config", to: config) }
        let loaded = try object.load()
        if loaded.mapNames.contains("vip_filter") { try Self.flood(loaded.map(named: "vip_filter"), with: .max) }
        self.object = loaded
    }

    /// Sets every word of the filter; with all bits set every address is looked up, which is the default here.
    func setFilter(to word: UInt64) throws { try Self.flood(map("vip_filter"), with: word) }

    private static func flood(_ filter: borrowing BPFMap, with word: UInt64) throws {
        let indices = Array(0..<UInt32(LB_FILTER_WORDS))
        try filter.updateBatch(keys: indices, values: indices.map { _ in word }).check()
    }

    /// Sets the bit of one address.
    func mark(_ address: [UInt8]) throws {
        let bit = lb_filter_bit(address, UInt32(address.count))
        try map("vip_filter").update(bit / 64, to: UInt64(1) << UInt64(bit % 64))
    }

    func map(_ name: String) throws -> BPFMap { try object.map(named: name) }

    // MARK: Entries

    /// Writes a frontend; with another seal than its own it looks like an entry that was reused while it was read.
    func put(_ frontend: Frontend, _ entry: service, seal: UInt32? = nil) throws {
        var entry = entry
        entry.seal = seal ?? frontend.seal
        switch frontend.family {
        case .v4:
            var key = service4_key()
            fill(&key.address, frontend.address)
            (key.port, key.protocol, key.scope) = (frontend.port, frontend.proto, frontend.scope)
            try map("services4").update(key, to: entry)
        case .v6:
            var key = service6_key()
            fill(&key.address, frontend.address)
            (key.port, key.protocol, key.scope) = (frontend.port, frontend.proto, frontend.scope)
            try map("services6").update(key, to: entry)
        }
    }

    /// Writes backends and a run of slots that has them in order.
    func put(_ family: Family, _ backends: [Backend], from first: UInt32 = 0) throws {
        for (index, backend) in zip(first..., backends) {
            try put(family, backend)
            switch family {
            case .v4:
                var slot = slot4()
                (slot.service_id, slot.backend_id, slot.port) = (backend.service, backend.id, backend.port)
                fill(&slot.address, family.pod(backend.number))
                try map("slots4").update(index, to: slot)
            case .v6:
                var slot = slot6()
                (slot.service_id, slot.backend_id, slot.port) = (backend.service, backend.id, backend.port)
                fill(&slot.address, family.pod(backend.number))
                try map("slots6").update(index, to: slot)
            }
        }
    }

    /// Writes one backend without a slot.
    func put(_ family: Family, _ backend: Backend, proto: ip_protocol = TCP) throws {
        let (cluster, local): (UInt8, UInt8) = (backend.inCluster ? 1 : 0, backend.inLocal ? 1 : 0)
        switch family {
        case .v4:
            var value = backend4()
            fill(&value.address, family.pod(backend.number))
            (value.service_id, value.port, value.protocol) = (backend.service, backend.port, proto)
            (value.state, value.in_cluster, value.in_local) = (ACTIVE, cluster, local)
            try map("backends4").update(backend.id, to: value)
        case .v6:
            var value = backend6()
            fill(&value.address, family.pod(backend.number))
            (value.service_id, value.port, value.protocol) = (backend.service, backend.port, proto)
            (value.state, value.in_cluster, value.in_local) = (ACTIVE, cluster, local)
            try map("backends6").update(backend.id, to: value)
        }
    }

    /// Says what happens to the ports of an address that no frontend serves.
    func put(_ family: Family, vip number: UInt8, unknownPort action: frontend_action) throws {
        let value = vip(unknown_port: action, pad: (0, 0, 0), frontends: 1)
        switch family {
        case .v4:
            var key = vip4_key()
            fill(&key.address, family.vip(number))
            try map("vips4").update(key, to: value)
        case .v6:
            var key = vip6_key()
            fill(&key.address, family.vip(number))
            try map("vips6").update(key, to: value)
        }
    }

    /// A frontend with `count` backends and their slots.
    func serve(_ frontend: Frontend, id: UInt32 = 1, backends count: Int) throws {
        try put(frontend.family, Backend.several(count, of: id))
        try put(frontend, service(id: id, count: UInt32(count)))
    }

    /// How often a reason was counted, on all CPUs together.
    func count(of reason: counter) throws -> UInt64 {
        try map("counters").lookupPerCPU(reason.rawValue, as: UInt64.self)?.reduce(0, +) ?? 0
    }
}

extension Datapath {
    /// The socket hooks that are installed on this kernel.
    static var sockets: String { Kernel.features?.has(.readableSockets) == true ? "sock_cast.bpf.o" : "sock.bpf.o" }
}

extension datapath_config {
    /// The settings that the control plane writes on this kernel.
    static var ofThisKernel: datapath_config {
        var config = datapath_config()
        config.has_set_retval = Kernel.features?.has(.setReturnValueInSocketAddress) == true ? 1 : 0
        config.has_multipath = Kernel.features?.has(.multipathSockets) == true ? 1 : 0
        let ticks = try? TickClock.measure()
        (config.tick, config.first_tick) = (ticks?.length ?? 0, ticks?.start ?? 0)
        return config
    }
}

/// Writes bytes into a C array, which Swift sees as a tuple.
func fill<Field: BitwiseCopyable>(_ field: inout Field, _ bytes: [UInt8]) {
    withUnsafeMutableBytes(of: &field) { $0.copyBytes(from: bytes) }
}

/// The first bytes of a C array.
func bytes<Field: BitwiseCopyable>(_ field: Field, _ count: Int) -> [UInt8] {
    withUnsafeBytes(of: field) { Array($0.prefix(count)) }
}
