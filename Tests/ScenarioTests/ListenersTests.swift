import Reporting
import ServiceModel
import Testing

@Suite("who listens in a pod")
struct ListenersTests {
    private static let four = """
          sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
           0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
           1: 0100007F:1F90 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 2 1
           2: 00000000:0050 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 3 1
        """
    private static let six = """
          sl  local_address                         remote_address                        st tx_queue rx_queue
           0: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000
           1: 000000FD000000000000000001000000:0052 00000000000000000000000000000000:0000 0A 00000000:00000000
        """

    @Test(
        "sockets that listen, and how many connections wait in them",
        arguments: [
            (8080, "127.0.0.1", 0), (80, "0.0.0.0", 3), (81, "::", 0), (82, "fd00::1", 0),
        ])
    func listeners(port: Int, address: String, waiting: Int) throws {
        let found = Listeners([Self.four, Self.six]).on(try #require(Port(port)))
        #expect(found == [.init(address: address, waiting: waiting)])
    }

    @Test("nobody else does")
    func nobody() throws { #expect(Listeners([Self.four, Self.six, "text"]).on(try #require(Port(4660))).isEmpty) }
}
