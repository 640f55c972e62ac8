import ServiceLifecycle

/// Gives the maps more room each time that they lack it.
struct GrowthService: ServiceLifecycle.Service {
    let control: KernelControlPlane

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in await control.growthState.wishes { await control.grow() }
        }
    }
}
