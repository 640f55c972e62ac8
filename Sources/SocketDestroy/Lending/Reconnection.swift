internal import BPFLoader
internal import CNamespaces
import Glibc
internal import SystemPackage

/// Connects UDP sockets of one network namespace anew, in the place of the programs that hold them.
///
/// It finds them without the right to read others' /proc/PID/fd, by trying the numbers of descriptors of the processes
/// that are in the namespace.
struct Reconnection {
    private let sockets: [UInt64: swl_socket]

    /// More descriptors of a process are not tried.
    private static let mostDescriptors: CInt = 65_536

    init(_ sockets: [swl_socket]) {
        self.sockets = Dictionary(sockets.map { ($0.cookie, $0) }) { first, _ in first }
    }

    /// - Returns: how many sockets lead to the VIP again.
    func run(in inode: UInt64, _ place: FilePath) -> Int {
        var left = sockets
        var connected = 0
        for process in NetworkNamespaces.processes(in: inode) {
            guard !left.isEmpty else { break }
            for number in 0..<min(Self.descriptorRoom(of: process), Self.mostDescriptors) {
                guard !left.isEmpty else { break }
                guard let copy = try? ForeignDescriptor.copy(number, ofProcess: process) else { continue }
                defer { try? copy.close() }
                guard let wanted = left.removeValue(forKey: SocketDiagnosis.cookie(of: copy.rawValue)) else { continue }
                if Self.isDatagram(copy.rawValue), SocketReviver.isConnected(copy.rawValue) == (wanted.waits != 0),
                    connect(copy, wanted)
                {
                    connected += 1
                }
            }
        }
        return connected
    }

    private func connect(_ copy: FileDescriptor, _ wanted: swl_socket) -> Bool {
        switch wanted.waits {
        case 0: SocketSilence.begin(copy.rawValue)
        case 1: SocketReviver.freeSource(copy.rawValue)
        default:
            guard SocketSilence.lasts(copy.rawValue) else { return false }
            SocketReviver.freeSource(copy.rawValue)
        }
        let address = withUnsafeBytes(of: wanted.vip) { Array($0) }
        return SocketReviver.connect(copy.rawValue, to: (address, wanted.port), isV4: wanted.is_v4 != 0)
    }

    private static func isDatagram(_ socket: CInt) -> Bool {
        var (proto, size) = (CInt(0), socklen_t(MemoryLayout<CInt>.size))
        return getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &proto, &size) == 0 && proto == CInt(IPPROTO_UDP)
    }

    /// How many descriptors a process has room for: FDSize of its status, which all may read.
    private static func descriptorRoom(of process: Int32) -> CInt {
        guard let file = try? FileDescriptor.open(FilePath("/proc/\(process)/status"), .readOnly) else { return 0 }
        defer { try? file.close() }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        guard let size = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return 0 }
        let text = String(decoding: bytes[..<size], as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("FDSize:") }
        return line.flatMap { CInt($0.dropFirst(7).filter(\.isNumber)) } ?? 0
    }
}
