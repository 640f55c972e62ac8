import Glibc

/// Thousands of connections need thousands of descriptors.
enum DescriptorLimit {
    /// Takes as many as this process may have.
    static func raise() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }
}
