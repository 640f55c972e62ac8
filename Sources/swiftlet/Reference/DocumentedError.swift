import BPFLoader
import ConnectBenchmark
import DatapathInstall
import KubernetesAPI
import ManifestDirectory
import Netlink
import NetworkLab
import NodeNetwork
import Observability
import ServiceMaps
import ServiceModel
import Settings
import SocketDestroy
import SwiftletDaemon
import SystemPackage
import Takeover

/// An error that a command may end with: docs/troubleshoot.md has what to do about it.
protocol DocumentedError: Error {
    var failure: FailureCode { get }
}

extension FailureCode {
    /// Nil of an end that was asked for.
    init?(of error: any Error) {
        if error as? BenchmarkError == .interrupted { return nil }
        self = (error as? any DocumentedError)?.failure ?? .unexpected
    }
}

extension CommandError: DocumentedError {}
extension DaemonError: DocumentedError {}
extension InstallError: DocumentedError {}

extension Errno: DocumentedError {
    var failure: FailureCode { FailureCode(errno: rawValue, otherwise: .unexpected) }
}

extension BPFError: DocumentedError {
    var failure: FailureCode {
        let usual: FailureCode =
            switch action {
            case .attach, .detach: .attachRefused
            case .find: .missingObject
            case .mount, .open, .pin, .reuse, .unpin: .noBPFFS
            default: .kernelRefused
            }
        // Of a cause that has its own words, the errno says less.
        return detail == nil ? FailureCode(errno: cause.rawValue, otherwise: usual) : usual
    }
}

extension MapError: DocumentedError {
    var failure: FailureCode {
        switch cause {
        case .full, .fragmented: .limitReached
        case .kernel(let errno, _): FailureCode(errno: errno, otherwise: .kernelRefused)
        }
    }
}

extension NetworkError: DocumentedError {
    var failure: FailureCode { FailureCode(errno: cause.rawValue, otherwise: .netlinkFailed) }
}

extension KubernetesError: DocumentedError {
    var failure: FailureCode {
        switch kind {
        case .configuration, .credentials: .kubeconfigUnusable
        default: .apiServerFailed
        }
    }
}

extension ConfigurationError: DocumentedError {
    var failure: FailureCode { .wrongSettings }
}

extension DevicePatternError: DocumentedError {
    var failure: FailureCode { .wrongSettings }
}

extension ListenAddressError: DocumentedError {
    var failure: FailureCode { .wrongSettings }
}

extension SettingMistake: DocumentedError {
    var failure: FailureCode { .wrongSettings }
}

extension ManifestSourceError: DocumentedError {
    var failure: FailureCode { .unusableManifests }
}

extension EventListenerError: DocumentedError {
    var failure: FailureCode { .monitorTaken }
}

extension LendingError: DocumentedError {
    var failure: FailureCode { .namespacesFailed }
}

extension TakeoverError: DocumentedError {
    var failure: FailureCode { .rulesUnusable }
}

extension BenchmarkError: DocumentedError {
    var failure: FailureCode { .benchmarkFailed }
}

extension LabError: DocumentedError {
    var failure: FailureCode { .benchmarkFailed }
}

extension SocketError: DocumentedError {
    var failure: FailureCode { .benchmarkFailed }
}
