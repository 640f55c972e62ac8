import CNameLookup

/// Where the C library looks up hosts and users.
enum NameLookup {
    /// Asks files and DNS, whatever nsswitch.conf names besides.
    ///
    /// A static program would load the modules named there at run time, which are made for the C library of the host and
    /// not for the one that is linked in. systemd-resolved is asked through resolv.conf.
    static func useNoModules() {
        __nss_configure_lookup("hosts", "files dns")
        __nss_configure_lookup("passwd", "files")
        __nss_configure_lookup("group", "files")
    }
}
