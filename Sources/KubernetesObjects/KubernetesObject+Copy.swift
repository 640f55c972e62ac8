import ServiceModel

extension KubernetesObject {
    /// The same object in memory of its own, allocated by the calling thread.
    ///
    /// Services and slices are the many; of the others there are few.
    package var copied: KubernetesObject {
        switch self {
        case .service(var object):
            object.service.clusterIPs = object.service.clusterIPs.copied
            object.service.ports = object.service.ports.copied
            object.service.selector = object.service.selector?.mapValues(\.self)
            object.targets = object.targets.copied
            object.families = object.families.copied
            return .service(object)
        case .slice(var slice):
            slice.ports = slice.ports.copied
            slice.endpoints = slice.endpoints.copied
            return .slice(slice)
        default:
            return self
        }
    }
}

extension Array {
    /// The same elements in a buffer that is just large enough.
    fileprivate var copied: [Element] { map { $0 } }
}
