import Foundation
import NetworkLab

/// An answer as it came over the socket.
package struct HTTPReply: Sendable {
    package var status: Int
    /// By name in lower case.
    package var headers: [String: String]
    package var body: String
}

/// A client of a few lines, so that what is on the wire is what is tested.
package enum HTTPExchange {
    package struct Malformed: Error {
        package let text: String
    }

    /// A connection that says what it likes. Its calls block.
    package final class Client: Sendable {
        private let socket: Socket

        package init(at host: String = "127.0.0.1", port: UInt16) throws {
            guard let address = SocketAddress(host: host, port: port) else { throw Malformed(text: host) }
            socket = try Socket(.tcp, v4: address.isV4)
            try socket.setTimeout(milliseconds: 10_000)
            try socket.connect(to: address)
        }

        package func say(_ words: String) throws { try socket.send(Array(words.utf8)) }

        /// Nil when the connection was reset.
        private func receive() throws -> [UInt8]? {
            do throws(SocketError) {
                return try socket.receive(upTo: 65_536).bytes
            } catch {
                guard error.number == ECONNRESET else { throw error }
                return nil
            }
        }

        /// Reads until the listener closes, in whatever way.
        package func readToEnd() throws -> String {
            var bytes: [UInt8] = []
            while let more = try receive(), !more.isEmpty { bytes += more }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    package static func ask(
        _ path: String, method: String = "GET", at host: String = "127.0.0.1", port: UInt16
    ) async throws -> HTTPReply {
        try await onThread { try askHere(path, method: method, at: host, port: port) }
    }

    /// The same on the calling thread, in whatever network namespace it is.
    package static func askHere(
        _ path: String, method: String = "GET", at host: String = "127.0.0.1", port: UInt16
    ) throws -> HTTPReply {
        let client = try Client(at: host, port: port)
        try client.say("\(method) \(path) HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
        return try reply(client.readToEnd())
    }

    private static func reply(_ text: String) throws -> HTTPReply {
        guard let gap = text.range(of: "\r\n\r\n") else { throw Malformed(text: text) }
        let lines = text[..<gap.lowerBound].components(separatedBy: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Malformed(text: text)
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { throw Malformed(text: line) }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        return HTTPReply(status: status, headers: headers, body: String(text[gap.upperBound...]))
    }
}

/// Runs what blocks on a thread of its own: the listeners under test need those of the cooperative pool.
package func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
