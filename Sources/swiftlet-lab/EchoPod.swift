import Glibc
import NetworkLab

/// One thread and one epoll set: thousands of connections cost a descriptor each and nothing more.
final class EchoPod {
    private enum Role {
        case listener
        /// Its connections are closed after the greeting.
        case farewell
        case datagrams
        case questions
        case connection
    }

    /// A socket in the set. A class because a dictionary cannot hold noncopyable values.
    private final class Member {
        let socket: Socket
        let role: Role
        /// What it calls the pod.
        let name: String
        /// Not yet taken by the kernel; while there is some, nothing more is read.
        var unsent: [UInt8] = []

        init(_ socket: consuming Socket, _ role: Role, _ name: String) {
            self.socket = socket
            self.role = role
            self.name = name
        }
    }

    private var ready: ReadinessSet
    private var members: [CInt: Member] = [:]

    init() throws { ready = try ReadinessSet() }

    /// - Parameter name: what clients are told there.
    func listen(_ kind: Socket.Kind, on address: SocketAddress, as name: String) throws {
        let member = Member(try Socket.bound(kind, to: address), kind == .tcp ? .listener : .datagrams, name)
        try add(member)
    }

    /// Greets each connection and closes it: it stays in TIME_WAIT here, and not at the client.
    func sayFarewell(on address: SocketAddress, as name: String) throws {
        try add(Member(try Socket.bound(.tcp, to: address), .farewell, name))
    }

    /// Is a server of DNS that knows no name: each question comes back, marked as its answer.
    func answerQuestions(on address: SocketAddress) throws {
        try add(Member(try Socket.bound(.udp, to: address), .questions, ""))
    }

    /// Serves until a signal asks for the end.
    func serve() throws {
        while !Interruption.isRequested {
            for descriptor in try ready.wait() {
                if let member = members[descriptor] { handle(member) }
            }
        }
    }

    private func add(_ member: Member) throws(SocketError) {
        try ready.add(member.socket.rawValue)
        members[member.socket.rawValue] = member
    }

    /// A client that goes away in the middle takes only its own connection with it.
    private func handle(_ member: Member) {
        do {
            switch member.role {
            case .listener, .farewell: try accept(from: member)
            case .datagrams, .questions: try answer(member)
            case .connection: try echo(member)
            }
        } catch {
            if member.role == .connection { members[member.socket.rawValue] = nil }
        }
    }

    private func accept(from listener: Member) throws {
        while let socket = try listener.socket.accept() {
            let member = Member(socket, .connection, listener.name)
            // The peer may have reset the connection already.
            guard let local = try? member.socket.localName(), let peer = try? member.socket.peerName() else { continue }
            member.unsent = Array("\(listener.name) \(local.unmapped) \(peer.unmapped)\n".utf8)
            if listener.role == .farewell {
                try? flush(member)
                continue
            }
            try add(member)
            handle(member)
        }
    }

    private func answer(_ member: Member) throws(SocketError) {
        let flags = CInt(MSG_DONTWAIT)
        var probe: UInt8 = 0
        while recv(member.socket.rawValue, &probe, 1, flags | CInt(MSG_PEEK)) >= 0 {
            let (bytes, source) = try member.socket.receive(upTo: 65536)
            guard let source else { continue }
            if member.role == .questions, bytes.count > 3 {
                // QR, the first bit of the flags.
                var answer = bytes
                answer[2] |= 0x80
                try? member.socket.send(answer, to: source)
                continue
            }
            // A reply that cannot be sent is lost, as datagrams are.
            try? member.socket.send(Array("\(member.name) \(source.unmapped) ".utf8) + bytes, to: source)
        }
    }

    private func echo(_ member: Member) throws(SocketError) {
        let hadUnsent = !member.unsent.isEmpty
        try flush(member)
        if member.unsent.isEmpty {
            if hadUnsent { try ready.change(member.socket.rawValue, to: .reading) }
            try read(member)
        }
        if !member.unsent.isEmpty { try ready.change(member.socket.rawValue, to: .writing) }
    }

    private func read(_ member: Member) throws(SocketError) {
        var buffer = [UInt8](repeating: 0, count: 16384)
        let count = recv(member.socket.rawValue, &buffer, buffer.count, 0)
        if count < 0 && errno == EAGAIN { return }
        guard count > 0 else { throw SocketError("receive", count == 0 ? ECONNRESET : errno) }
        member.unsent = Array(buffer[..<count])
        try flush(member)
    }

    private func flush(_ member: Member) throws(SocketError) {
        guard !member.unsent.isEmpty else { return }
        let count = send(member.socket.rawValue, member.unsent, member.unsent.count, CInt(MSG_NOSIGNAL))
        if count < 0 && errno == EAGAIN { return }
        guard count >= 0 else { throw SocketError("send", errno) }
        member.unsent.removeFirst(count)
    }
}
