import ServiceModel

extension ParsedFile {
    /// The same objects in memory of their own, allocated by the calling thread.
    ///
    /// Reading a file leaves what it has found between much larger garbage, and pages that are nearly free are not given
    /// back. After a large load the copies lie close together, and the pages of the originals are free altogether.
    var copied: ParsedFile {
        var file = self
        file.objects = objects.map { object in
            var copy = object
            copy.content = object.content?.copied
            return copy
        }
        return file
    }
}

extension ManifestObject {
    /// Services and slices are the many; of the others there are few.
    fileprivate var copied: ManifestObject {
        switch self {
        case .service(var manifest):
            manifest.service.clusterIPs = manifest.service.clusterIPs.copied
            manifest.service.ports = manifest.service.ports.copied
            manifest.service.selector = manifest.service.selector?.mapValues(\.self)
            manifest.targets = manifest.targets.copied
            manifest.families = manifest.families.copied
            return .service(manifest)
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
