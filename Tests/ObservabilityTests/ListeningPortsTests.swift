import Glibc
import Testing

@testable import Observability

@Suite("Ports on which somebody listens")
struct ListeningPortsTests {
    @Test("are those of sockets in the state LISTEN, in both families; what comes after them is not read")
    func read() {
        let text = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20 1
               1: 00000000000000000000000000000000:7583 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 22 1
               2: 0100007F:7530 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 21 1

            """
        let bytes = Array(text.utf8)
        // In parts that end anywhere.
        for size in [1, 50, bytes.count] {
            var ports = ListeningPorts()
            let starts = Array(stride(from: 0, to: bytes.count, by: size))
            let read = starts.prefix { ports.take(bytes[$0..<min($0 + size, bytes.count)]) }
            #expect(ports.ports == [22, 0x7583] && read.count < starts.count)
        }
        var odd = ListeningPorts()
        #expect(!odd.take(Array("heading\nodd\n".utf8)[...]) && odd.ports.isEmpty)
    }

    @Test("a socket that listens here is seen")
    func own() throws {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(number >= 0)
        defer { close(number) }
        try #require(listen(number, 1) == 0)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        try #require(status == 0)
        #expect(ListeningPorts.tcp().contains(UInt16(bigEndian: address.sin_port)))
    }
}
