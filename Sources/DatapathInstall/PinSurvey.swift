import BPFLoader
import ServiceMaps
import SystemPackage

/// Looks through our directories on bpffs for what should not be there: other versions' pins, links that lead to nothing,
/// and what is not ours.
package struct PinSurvey {
    /// Sentences for people: what it is, and what becomes of it.
    package private(set) var findings: [String] = []
    private let pins: DatapathPins

    private static let directories: Set<String> =
        Set(["maps", "links", "devices", "layouts", "next"]).union(DatapathPins.Mark.allCases.map(\.rawValue))

    package init(of pins: DatapathPins) throws {
        self.pins = pins
        try lookAtVersions()
        for name in try DirectoryListing.names(in: pins.version)
        where !Self.directories.contains(name) && pins.version.appending(name) != pins.strange {
            findings.append(foreign(pins.version.appending(name)))
        }
        for name in try DirectoryListing.names(in: pins.strange) {
            findings.append("\(pins.strange.appending(name)) had a name of ours and was put aside; remove it")
        }
        if pins.has(.unfinished) || pins.has(.superseded) {
            findings.append("\(pins.version) is left of a change of versions that was cut off; start `swiftlet run`")
        }
        try lookAtMaps()
        try lookAtLinks()
        try lookAtDevices()
    }

    private func foreign(_ path: FilePath, _ what: String? = nil) -> String {
        "\(path) is not ours\(what.map { " (\($0))" } ?? ""): it is left alone; remove it"
    }

    private mutating func lookAtVersions() throws {
        let versions = try DatapathPins.versions(at: pins.root).map(\.version)
        for version in versions where version != pins.version {
            findings.append("\(version) has the pins of another version; a start of `swiftlet run` takes over from it")
        }
        for name in try DirectoryListing.names(in: pins.root) {
            let path = pins.root.appending(name)
            if !versions.contains(path) { findings.append(foreign(path)) }
        }
    }

    private mutating func lookAtMaps() throws {
        for name in try DirectoryListing.names(in: pins.maps) {
            let path = pins.maps.appending(name)
            guard let map = ServiceMap(rawValue: name) else {
                findings.append(foreign(path))
                continue
            }
            do throws(BPFError) {
                let pinned = try BPFMap(pinnedAt: path)
                let expected = MapCatalog.description(of: map)
                guard pinned.name == String(name.prefix(15)), pinned.keySize == expected.keySize,
                    pinned.valueSize == expected.valueSize
                else {
                    let what =
                        "the map \(pinned.name) with keys of \(pinned.keySize) and values of \(pinned.valueSize) bytes"
                    findings.append(foreign(path, what))
                    continue
                }
            } catch {
                findings.append(foreign(path, "\(error)"))
            }
        }
    }

    private mutating func lookAtLinks() throws {
        let hooks = Dictionary(
            uniqueKeysWithValues: (DatapathPins.hooks + [DatapathPins.sourceCheck]).map { ("\($0)", $0) })
        for name in try DirectoryListing.names(in: pins.links) {
            let path = pins.links.appending(name)
            guard let hook = hooks[name] else {
                findings.append(foreign(path))
                continue
            }
            do throws(BPFError) {
                let info = try CgroupLink(pinnedAt: path).info
                let program = BPFProgram.name(of: info.programID)
                if info.attachType != hook || program?.hasPrefix("swl_") == false {
                    findings.append(foreign(path, "a link of \(program ?? "a program")"))
                } else if !info.isAttached {
                    findings.append("\(path) leads to a cgroup that is gone; a start of `swiftlet run` replaces it")
                }
            } catch {
                findings.append(foreign(path, "\(error)"))
            }
        }
    }

    private mutating func lookAtDevices() throws {
        for name in try DirectoryListing.names(in: pins.devices) {
            let path = pins.devices.appending(name)
            let parts = name.split(separator: "-")
            guard parts.count == 2, UInt32(parts[0]) != nil, ["ingress", "egress", "clsact"].contains(parts[1]) else {
                findings.append(foreign(path))
                continue
            }
            if parts[1] == "clsact" { continue }
            do throws(BPFError) {
                if try !TCXLink(pinnedAt: path).info.isAttached {
                    findings.append("\(path) leads to a device that is gone; a running swiftlet removes it")
                }
            } catch {
                findings.append(foreign(path, "\(error)"))
            }
        }
    }
}
