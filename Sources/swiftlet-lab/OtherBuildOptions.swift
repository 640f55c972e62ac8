import ArgumentParser
import Logging
import ServiceModel
import Settings

/// Flags of `swiftlet run` that another build understands too: those with which a soak starts either of them.
struct OtherBuildOptions: ParsableArguments {
    @Option(help: "Frontends per IP family that the maps have room for.")
    var maxServices: UInt32 = 1_024

    @Option(help: "Backends per IP family that the maps have room for.")
    var maxBackends: UInt32 = 4_096

    @Option(help: "Slots per IP family that the maps have room for.")
    var maxSlots: UInt32 = 8_192

    @Option(help: "Refuse listeners on a NodePort of ours.")
    var bindProtection: Bool?

    @Option(
        name: .customLong("socket-lb"), help: "Whose sockets are served.", transform: SocketService.init(setting:))
    var sockets: SocketService?

    @Option(help: "Masquerade everything that goes to a ClusterIP.")
    var masqueradeAll: Bool?

    @Option(name: .customLong("external-cluster-ip"), help: "ClusterIPs serve clients outside the node, too.")
    var externalClusterIP: Bool?

    @Option(help: "Count the connections of each backend.")
    var metricsPerBackend: Bool?

    @Option(help: "What is logged.", transform: Logger.Level.init(setting:))
    var logLevel: Logger.Level?

    var layer: ConfigurationLayer {
        var layer = ConfigurationLayer()
        layer.set(\.mapSizes.services, maxServices)
        layer.set(\.mapSizes.backends, maxBackends)
        layer.set(\.mapSizes.slots, maxSlots)
        layer.set(\.bindProtection, bindProtection)
        layer.set(\.sockets, sockets)
        layer.set(\.node.masqueradesAll, masqueradeAll)
        layer.set(\.packets.servesClusterIPsOutside, externalClusterIP)
        layer.set(\.metricsPerBackend, metricsPerBackend)
        layer.set(\.logLevel, logLevel)
        return layer
    }
}
