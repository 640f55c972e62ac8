import ServiceLifecycle

/// Frees what the datapath reads no more, each time that there is something.
struct ReclaimService: Service {
    let control: KernelControlPlane

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in control.reclaimWishes { await control.reclaim() }
        }
    }
}
