import DNSMessage
import NIOCore
import ServiceModel

/// Reads datagrams and answers each.
final class DatagramQuestions: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let resolver: NameResolver

    init(_ resolver: NameResolver) { self.resolver = resolver }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let client = IPAddress(envelope.remoteAddress) else { return }
        let (channel, remote) = (context.channel, envelope.remoteAddress)
        // Port 0 cannot be answered.
        guard remote.port != 0 else { return resolver.counters.count(.malformed) }
        // The socket takes no more, and what waits must not grow.
        guard channel.isWritable else { return resolver.counters.count(.dropped) }
        let outcome = resolver.resolve(Array(buffer: envelope.data), from: client, .datagram) { answer in
            channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: remote, data: channel.allocator.buffer(bytes: answer)), promise: nil)
        }
        guard case .answer(let answer) = outcome else { return }
        let data = channel.allocator.buffer(bytes: answer)
        context.write(wrapOutboundOut(AddressedEnvelope(remoteAddress: remote, data: data)), promise: nil)
    }

    /// What was read at once is answered at once, with one call of the kernel.
    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    /// Such as an ICMP error about an earlier answer: the socket serves others.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

extension IPAddress {
    /// Nil for an address that is not of an IP family.
    ///
    /// Read where `sockaddr_in` and `sockaddr_in6` have it, at bytes 4 and 8: by way of its text it would cost more than the
    /// answer.
    init?(_ address: SocketAddress) {
        switch address {
        case .v4:
            self = address.withSockAddr { place, _ in
                let bytes = UnsafeRawPointer(place)
                return IPAddress(v4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            }
        case .v6:
            self = address.withSockAddr { place, _ in
                let bytes = UnsafeRawPointer(place)
                return IPAddress(
                    v6: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
            }
        case .unixDomainSocket: return nil
        }
    }
}
