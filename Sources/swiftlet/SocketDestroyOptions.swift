import ArgumentParser
import Settings

/// What becomes of sockets whose backend is gone.
struct SocketDestroyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Whose sockets are destroyed when their backend is gone: full, host (the node's own) or off (default: full).",
            valueName: "whose"), completion: .list(["full", "host", "off"]),
        transform: SocketService.init(destroying:))
    var socketDestroy: SocketService?

    @Option(
        help: ArgumentHelp(
            "Sockets that are destroyed in a second at most, from 1 up (default: 5000).", valueName: "n"),
        transform: SocketDestroySettings.rate(setting:))
    var socketDestroyRate: UInt32?

    @Option(
        help: ArgumentHelp(
            "How sockets are destroyed: auto (what the kernel has), bpf or netlink (default: auto).",
            valueName: "how"), completion: .values(of: SocketDestroyBy.self),
        transform: SocketDestroyBy.init(setting:))
    var socketDestroyBy: SocketDestroyBy?

    func fill(_ layer: inout ConfigurationLayer) {
        layer.set(\.socketDestroy.whose, socketDestroy)
        layer.set(\.socketDestroy.perSecond, socketDestroyRate)
        layer.set(\.socketDestroy.by, socketDestroyBy)
    }
}
