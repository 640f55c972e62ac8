import BPFLoader
import CDatapath
package import DatapathInstall
import Glibc
import ServiceMaps
import SystemPackage
import SystemCalls

/// The sockets that processes of this machine have open, in whatever network namespace: which process has which, and
/// what the kernel keeps with them for us. Needs CAP_SYS_PTRACE for the processes of others.
package struct OpenSockets: Sendable {
    struct Holder: Sendable {
        var pid: Int32
        var command: String
    }

    /// By the socket's cookie.
    private(set) var holders: [UInt64: Holder] = [:]
    /// A process in each network namespace, by its cookie.
    private var namespaces: [UInt64: Holder] = [:]
    private let own = Self.namespaceOfNewSocket()
    /// `sock_spill`, and the records of `sock_flows`, by the socket's cookie.
    private(set) var spilled: [UInt64: origin] = [:]
    private(set) var unconnected: [UInt64: [origin]] = [:]
    /// Processes that may not be looked into.
    package private(set) var hidden = 0

    /// Nothing was looked at.
    package init() {}

    /// Looks at all of them; the copies of descriptors that this needs are closed again at once.
    package init(lookingWith pins: DatapathPins) throws {
        let storage = Storage(
            spill: try pins.openIfPinned(ServiceMap.socketSpill.rawValue),
            flows: try pins.openIfPinned(ServiceMap.socketFlows.rawValue))
        var known: Set<String> = []
        for name in (try? Self.names(in: "/proc")) ?? [] {
            guard let pid = Int32(name), pid != getpid() else { continue }
            look(at: pid, storage, &known)
        }
    }

    /// `this network namespace`, or a process in it.
    func name(ofNamespace cookie: UInt64) -> String? {
        if cookie == own { return "this network namespace" }
        return namespaces[cookie].map { "with process \($0.pid) (\($0.command))" }
    }

    private struct Storage: ~Copyable {
        let spill: BPFMap?
        let flows: BPFMap?

        init(spill: consuming BPFMap?, flows: consuming BPFMap?) {
            self.spill = spill
            self.flows = flows
        }
    }

    private mutating func look(at pid: Int32, _ storage: borrowing Storage, _ known: inout Set<String>) {
        let directory = "/proc/\(pid)/fd"
        guard let descriptors = try? Self.names(in: directory) else {
            hidden += errno == EACCES ? 1 : 0
            return
        }
        var holder: Holder?
        for descriptor in descriptors {
            guard let number = CInt(descriptor), let link = Self.link("\(directory)/\(descriptor)"),
                link.hasPrefix("socket:["), known.insert(link).inserted
            else { continue }
            guard let copy = try? ForeignDescriptor.copy(number, ofProcess: pid) else {
                hidden += 1
                return
            }
            let found = holder ?? Holder(pid: pid, command: Self.command(of: pid))
            holder = found
            note(copy.rawValue, of: found, storage)
            try? copy.close()
        }
    }

    private mutating func note(_ socket: CInt, of holder: Holder, _ storage: borrowing Storage) {
        guard let cookie = Self.option(57, of: socket) else { return }  // SO_COOKIE, which Glibc's module leaves out
        holders[cookie] = holder
        // SO_NETNS_COOKIE, kernel 5.14.
        if let namespace = Self.option(71, of: socket), namespaces[namespace] == nil { namespaces[namespace] = holder }
        if let record = try? storage.spill?.lookup(socket, as: origin.self) { spilled[cookie] = record }
        if let record = try? storage.flows?.lookup(socket, as: flows.self) {
            unconnected[cookie] = withUnsafeBytes(of: record.flow) { Array($0.bindMemory(to: origin.self)) }
        }
    }

    private static func option(_ number: CInt, of socket: CInt) -> UInt64? {
        var value: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        return getsockopt(socket, SOL_SOCKET, number, &value, &size) == 0 ? value : nil
    }

    private static func namespaceOfNewSocket() -> UInt64? {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return option(71, of: descriptor)
    }

    private static func names(in directory: String) throws(Errno) -> [String] {
        guard let stream = opendir(directory) else { throw Errno.last }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names
    }

    private static func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let length = readlink(path, start, buffer.count)
            guard length > 0 else { return nil }
            return String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private static func command(of pid: Int32) -> String {
        guard let file = fopen("/proc/\(pid)/comm", "re") else { return "?" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
    }
}
