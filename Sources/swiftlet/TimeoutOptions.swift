import ArgumentParser
import Settings

/// How long flows that are translated packet by packet live without one: kube-proxy's flags, and Cilium's where
/// kube-proxy has none.
struct TimeoutOptions: ParsableArguments {
    @Option(
        name: .customLong("conntrack-tcp-timeout-established"),
        help: ArgumentHelp(
            "Idle timeout of an open TCP connection (default: 24h; 0 also means 24h).", valueName: "span"),
        transform: Duration.init(goSetting:))
    var tcpEstablished: Duration?

    @Option(
        name: .customLong("conntrack-tcp-timeout-close-wait"),
        help: ArgumentHelp(
            "Idle timeout of a half-closed TCP connection (default: 1h; 0 also means 1h).", valueName: "span"),
        transform: Duration.init(goSetting:))
    var tcpCloseWait: Duration?

    @Option(
        name: .customLong("conntrack-udp-timeout"),
        help: ArgumentHelp(
            "Idle timeout of a UDP flow without an answer (default: 30s; 0 also means 30s).", valueName: "span"),
        transform: Duration.init(goSetting:))
    var udp: Duration?

    @Option(
        name: .customLong("conntrack-udp-timeout-stream"),
        help: ArgumentHelp(
            "Idle timeout of a UDP flow with answers (default: 2m; 0 also means 2m).", valueName: "span"),
        transform: Duration.init(goSetting:))
    var udpStream: Duration?

    @Option(
        name: .customLong("bpf-ct-timeout-regular-tcp-syn"),
        help: ArgumentHelp(
            "Idle timeout of a TCP connection that no endpoint has answered (default: 1m).", valueName: "span"),
        transform: Duration.init(positiveGoSetting:))
    var tcpSYN: Duration?

    @Option(
        name: .customLong("bpf-ct-timeout-regular-tcp-fin"),
        help: ArgumentHelp(
            "Idle timeout of a TCP connection that both sides have closed (default: 2m).", valueName: "span"),
        transform: Duration.init(positiveGoSetting:))
    var tcpFIN: Duration?

    @Option(
        name: .customLong("bpf-ct-timeout-regular-any"),
        help: ArgumentHelp("Idle timeout of a flow of another protocol: SCTP (default: 1m).", valueName: "span"),
        transform: Duration.init(positiveGoSetting:))
    var any: Duration?

    func fill(_ layer: inout ConfigurationLayer) {
        layer.set(timeout: \.tcpEstablished, tcpEstablished)
        layer.set(timeout: \.tcpCloseWait, tcpCloseWait)
        layer.set(timeout: \.udp, udp)
        layer.set(timeout: \.udpStream, udpStream)
        layer.set(timeout: \.tcpSYN, tcpSYN)
        layer.set(timeout: \.tcpFIN, tcpFIN)
        layer.set(timeout: \.any, any)
    }
}
