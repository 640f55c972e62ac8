import DatapathInstall
import Logging
import ServiceLifecycle
import ServiceMaps
import ServiceModel

/// Which Services have source ranges that only the packets of pods' sockets can be held against (spec 24), and whether those
/// packets are looked at.
struct SourceChecks: Sendable {
    private(set) var services: Set<ObjectName> = []
    var isOn: Bool

    init(isOn: Bool) { self.isOn = isOn }

    var isWanted: Bool { !services.isEmpty }

    mutating func follow(_ changes: DesiredChanges) {
        services.subtract(changes.removals)
        for service in changes.upserts {
            if service.asksForPackets { services.insert(service.name) } else { services.remove(service.name) }
        }
    }
}

extension DesiredService {
    fileprivate var asksForPackets: Bool {
        ports.contains { port in
            port.frontends.contains { $0.sourceRanges?.pods == .byPacket || $0.sourceRanges?.pods == .undecided }
        }
    }
}

extension ControlPlane {
    /// Has packets looked at before a frontend counts on it, and until none does. Meanwhile pods' sockets that have no
    /// address yet are refused there.
    func settleSourceChecks(by keeper: DatapathKeeper?) async {
        guard let keeper, sourceChecks.isOn != sourceChecks.isWanted else { return }
        let isWanted = sourceChecks.isWanted
        do {
            if isWanted {
                try await keeper.setChecksSources(true)
                countOnSourceChecks(true)
            } else {
                countOnSourceChecks(false)
                try await keeper.setChecksSources(false)
            }
            setAttention("source ranges", to: nil)
        } catch {
            setAttention(
                "source ranges",
                to: isWanted
                    ? "pods are refused where loadBalancerSourceRanges hold some of them, and not others: \(error)"
                    : "packets of pods are still looked at: \(error)")
            log.warning("cannot change which packets are looked at", metadata: ["cause": "\(error)"])
        }
    }

    private func countOnSourceChecks(_ isOn: Bool) {
        sourceChecks.isOn = isOn
        _ = program([])
    }
}

/// Sees to it that packets of pods' sockets are looked at while that is needed.
struct SourceCheckService: ServiceLifecycle.Service {
    let keeper: DatapathKeeper
    let control: KernelControlPlane
    private static let pause = Duration.seconds(5)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in control.sourceCheckWishes {
                await control.settleSourceChecks(by: keeper)
                while await !control.hasSettledSourceChecks, (try? await Task.sleep(for: Self.pause)) != nil {
                    await control.settleSourceChecks(by: keeper)
                }
            }
        }
    }
}

extension ControlPlane {
    var hasSettledSourceChecks: Bool { sourceChecks.isOn == sourceChecks.isWanted }
}
