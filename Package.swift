// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-warnings-as-errors"]),
]

let package = Package(
    name: "swiftlet",
    products: [
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        .executable(name: "swiftlet-lab", targets: ["swiftlet-lab"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.1.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.100.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        // Without its traits it asks for no more of Foundation than FoundationEssentials.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    ],
    targets: [
        // MARK: C

        // The map ABI and the embedded BPF objects; `make bpf` compiles these first.
        .target(name: "CDatapath", path: "bpf", sources: ["abi"], publicHeadersPath: "include"),
        // What the test programs of bpf/tests are asked and answer.
        .systemLibrary(name: "CSelect", path: "bpf/tests"),
        // libbpf and libelf, and what the latter lacks where it is linked statically.
        .target(name: "CLibbpf"),
        .systemLibrary(name: "CLibyaml"),
        // The capabilities of a thread, which the daemon gives up but for a few.
        .systemLibrary(name: "CCapabilities"),
        // The rules that kube-proxy left in the kernel: found, removed and put back, by the tools that wrote them.
        .systemLibrary(name: "CMemoryFile"),
        // What enters network namespaces for a daemon that may not: messages with descriptors, a filter of system calls.
        .target(name: "CNamespaces"),
        // Network namespaces, veth pairs and cgroups of our own: for tests, the demo and benchmarks.
        .systemLibrary(name: "CNetworkLab"),
        // Messages to and from the kernel about links, addresses, routes and filters.
        .systemLibrary(name: "CRtnetlink"),
        // docs/reference.md, embedded: `swiftlet help` prints its tables.
        .target(name: "CReference"),
        // Compresses an archive.
        .systemLibrary(name: "CZlib"),
        // Where the C library looks up names.
        .systemLibrary(name: "CNameLookup"),
        // Gives free memory back.
        .systemLibrary(name: "CHeap"),

        // MARK: The system

        // What the C library leaves to be written again and again: a file read, a directory listed, errno's sentence.
        .target(
            name: "SystemCalls", dependencies: ["CHeap", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: strict),

        // MARK: The kernel

        .target(
            name: "BPFLoader",
            dependencies: [
                "CCapabilities", "CLibbpf", "CRtnetlink", "Netlink", "SystemCalls",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "Netlink",
            dependencies: ["CRtnetlink", "SystemCalls", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: strict),
        .target(
            name: "NodeNetwork",
            dependencies: [
                "CRtnetlink", "Netlink", "ServiceModel", "SystemCalls",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: The model, and what is in the maps

        .target(name: "ServiceModel", swiftSettings: strict),
        .target(
            name: "ServiceMaps",
            dependencies: [
                "BPFLoader", "CDatapath", "ServiceModel", "SystemCalls",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: Where Services come from

        // Kubernetes' objects, as JSON or as values of any other notation, to values of the model.
        .target(
            name: "KubernetesObjects",
            dependencies: ["ServiceModel", "SystemCalls", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: strict),
        .target(
            name: "ManifestDirectory",
            dependencies: [
                "CLibyaml", "KubernetesObjects", "ServiceModel", "SystemCalls",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "KubernetesAPI",
            dependencies: [
                "KubernetesObjects", "ServiceModel", "SystemCalls",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: What else the daemon is made of

        .target(
            name: "Observability",
            dependencies: [
                "SystemCalls",
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // What commands print of values, as text and JSON.
        .target(name: "Reporting", dependencies: ["KubernetesObjects", "ServiceModel"], swiftSettings: strict),
        // Ends the sockets whose backend is gone, in every network namespace of the node.
        .target(
            name: "SocketDestroy",
            dependencies: [
                "BPFLoader", "CDatapath", "CNamespaces", "CRtnetlink", "Netlink", "ServiceMaps", "ServiceModel",
                "SystemCalls", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "Takeover",
            dependencies: [
                "CMemoryFile", "ServiceModel", "SystemCalls", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: The daemon

        // What can be set: flags' values, files and kube-proxy's names. Knows no map and no program.
        .target(
            name: "Settings",
            dependencies: [
                "KubernetesAPI", "KubernetesObjects", "ManifestDirectory", "NameServer", "NodeNetwork",
                "Observability", "ServiceModel", "SystemCalls",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // Programs, pins and links: put in, handed over between versions, grown, mended, taken out.
        .target(
            name: "DatapathInstall",
            dependencies: [
                "BPFLoader", "CDatapath", "Netlink", "NodeNetwork", "ServiceMaps", "ServiceModel", "Settings",
                "SystemCalls", .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // Messages of DNS, and what names lead to: pure values. Questions are answered over the network by NameServer.
        .target(name: "DNSMessage", swiftSettings: strict),
        .target(name: "ServiceNames", dependencies: ["DNSMessage", "ServiceModel"], swiftSettings: strict),
        .target(
            name: "NameServer",
            dependencies: [
                "DNSMessage", "ServiceModel", "ServiceNames", "SystemCalls",
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "SwiftletDaemon",
            dependencies: [
                "BPFLoader", "CCapabilities", "CDatapath", "DNSMessage", "DatapathInstall", "KubernetesAPI",
                "KubernetesObjects", "ManifestDirectory", "NameServer", "NodeNetwork", "Observability", "Reporting",
                "ServiceMaps", "ServiceModel", "ServiceNames", "Settings", "SocketDestroy", "SystemCalls",
                "Takeover",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: Benchmarks, and the networks and API servers of the lab

        .target(
            name: "NetworkLab",
            dependencies: [
                "CNetworkLab", "SystemCalls", .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // An API server that speaks the real protocol over TLS, and errs on demand.
        .target(
            name: "LabAPIServer",
            dependencies: [
                "NetworkLab", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: strict),
        .target(
            name: "ConnectBenchmark",
            dependencies: [
                "BPFLoader", "CDatapath", "NetworkLab", .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),
        // Services of clients beyond the node: test runs of the programs at tc, and routed connections beside nftables.
        .target(
            name: "PacketBenchmark",
            dependencies: [
                "BPFLoader", "CDatapath", "CSelect", "ConnectBenchmark", "NetworkLab", "ServiceMaps", "ServiceModel",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: Executables

        .executableTarget(
            name: "swiftlet",
            dependencies: [
                "BPFLoader", "CNameLookup", "CReference", "CZlib", "ConnectBenchmark", "DNSMessage", "DatapathInstall",
                "KubernetesObjects", "ManifestDirectory", "NameServer", "NetworkLab", "NodeNetwork", "Reporting",
                "ServiceMaps", "ServiceModel", "Settings", "SwiftletDaemon", "SystemCalls", "Takeover",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // Echo pods, clients and an API server for the demo, the end-to-end tests and benchmarks; never installed.
        .executableTarget(
            name: "swiftlet-lab",
            dependencies: [
                "BPFLoader", "CDatapath", "ConnectBenchmark", "DatapathInstall", "LabAPIServer", "NetworkLab",
                "PacketBenchmark", "ServiceModel", "Settings", "SwiftletDaemon", "SystemCalls",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),

        // MARK: Test kit

        .target(
            name: "TestKit",
            dependencies: ["BPFLoader", "CDatapath", "NetworkLab", "ServiceMaps", "ServiceModel"],
            path: "Tests/TestKit", swiftSettings: strict),

        // MARK: Tests without privileges

        .testTarget(
            name: "NameServerTests",
            dependencies: [
                "DNSMessage", "KubernetesObjects", "ManifestDirectory", "NameServer", "ServiceModel", "ServiceNames",
                "TestKit", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(name: "ServiceModelTests", dependencies: ["ServiceModel", "TestKit"], swiftSettings: strict),
        // Objects in, compile report out: a folder of plain files for each rule.
        .testTarget(
            name: "ScenarioTests",
            dependencies: [
                "KubernetesObjects", "ManifestDirectory", "Reporting", "ServiceModel", "TestKit",
            ],
            exclude: ["README.md", "Faults", "Scenarios", "Schema"], swiftSettings: strict),
        .testTarget(
            name: "ServiceMapsTests",
            dependencies: ["BPFLoader", "CDatapath", "ServiceMaps", "ServiceModel", "TestKit"],
            swiftSettings: strict),
        .testTarget(
            name: "KubernetesObjectsTests", dependencies: ["KubernetesObjects", "ServiceModel", "TestKit"],
            swiftSettings: strict),
        .testTarget(
            name: "ManifestDirectoryTests",
            dependencies: ["KubernetesObjects", "ManifestDirectory", "ServiceModel", "TestKit"],
            swiftSettings: strict),
        .testTarget(
            name: "KubernetesAPITests",
            dependencies: [
                "KubernetesAPI", "KubernetesObjects", "LabAPIServer", "ManifestDirectory", "NetworkLab",
                "ServiceModel",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        // The command line and the files of kube-proxy.
        .testTarget(
            name: "SettingsTests",
            dependencies: [
                "CDatapath", "DatapathInstall", "KubernetesAPI", "ManifestDirectory", "NameServer", "NetworkLab",
                "NodeNetwork", "Observability", "ServiceModel", "Settings", "swiftlet",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // The control plane on maps in memory: no root, no sleeping.
        .testTarget(
            name: "SwiftletDaemonTests",
            dependencies: [
                "CDatapath", "DNSMessage", "DatapathInstall", "KubernetesAPI", "KubernetesObjects",
                "ManifestDirectory", "NameServer", "NodeNetwork", "ServiceMaps", "ServiceModel", "ServiceNames",
                "Settings", "SwiftletDaemon", "TestKit",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // What a node's operator and load balancers see over HTTP; docs/metrics.md is compared with what is emitted.
        .testTarget(
            name: "ObservabilityTests",
            dependencies: [
                "BPFLoader", "DatapathInstall", "KubernetesAPI", "KubernetesObjects", "NetworkLab", "Observability",
                "ServiceMaps", "ServiceModel", "Settings", "SwiftletDaemon", "TestKit",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TakeoverTests",
            dependencies: [
                "NetworkLab", "ServiceModel", "Takeover", "TestKit",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // Inputs that nobody would write, made from a corpus of good ones.
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "DNSMessage", "DatapathInstall", "KubernetesAPI", "KubernetesObjects", "ManifestDirectory",
                "NameServer", "ServiceModel", "ServiceNames", "Settings", "SwiftletDaemon", "TestKit",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            exclude: ["Corpus"], swiftSettings: strict),

        // MARK: Tests with a kernel

        .testTarget(
            name: "BPFLoaderTests",
            dependencies: ["BPFLoader", "CCapabilities", "CDatapath", "CLibbpf", "NetworkLab", "TestKit"],
            swiftSettings: strict),
        .testTarget(
            name: "NodeNetworkTests",
            dependencies: [
                "Netlink", "NetworkLab", "NodeNetwork", "ServiceModel", "TestKit",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DatapathTests", dependencies: ["BPFLoader", "CDatapath", "CSelect", "NetworkLab", "TestKit"],
            swiftSettings: strict),
        // Packets in, packets out: builders and readers of packets, and the programs at tc run over them.
        .testTarget(
            name: "PacketTests",
            dependencies: [
                "BPFLoader", "CDatapath", "CSelect", "NetworkLab", "ServiceMaps", "ServiceModel", "TestKit",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        // Real sockets in real namespaces, and backends that go away.
        .testTarget(
            name: "SocketDestroyTests",
            dependencies: [
                "BPFLoader", "CDatapath", "CNamespaces", "DatapathInstall", "NetworkLab", "ServiceMaps",
                "ServiceModel", "Settings", "SocketDestroy", "SwiftletDaemon", "TestKit",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ConnectBenchmarkTests",
            dependencies: [
                "ConnectBenchmark", "NetworkLab", "TestKit", .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),

        // MARK: Tests of the whole

        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "BPFLoader", "CDatapath", "ConnectBenchmark", "KubernetesObjects", "LabAPIServer",
                "ManifestDirectory", "NetworkLab", "PacketBenchmark", "ServiceMaps", "ServiceModel", "TestKit",
                "swiftlet", "swiftlet-lab",
            ],
            swiftSettings: strict),
    ]
)
