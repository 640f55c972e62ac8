import CDatapath
import DatapathInstall

/// What this build is.
package enum Version {
    package static let swiftlet = "0.1.0-dev"
    /// The layout of the maps, part of the pin directory.
    package static let mapABI = Int(LB_MAP_VERSION)
}
