import CDatapath

/// What this build is.
public enum Version {
    public static let swiftlet = "0.1.0-dev"
    /// The layout of the maps, part of the pin directory.
    public static let mapABI = Int(LB_MAP_VERSION)
}
