// swift-tools-version: 6.2
import PackageDescription

/// One set of rules for every target: Swift 6 mode, explicit existentials, imports that say how far they reach, and
/// no warning that is only a warning.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// Arrows point down only: a target imports from the rows above it, never from its own.
let targets: [Target] = [
    // 0  C libraries of the system, as modules
    .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

    // 1  values and rules · hash and sign · what command line programs share
    .target(name: "RegistryModel", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")]),
    .target(name: "OpenSSLCrypto", dependencies: ["COpenSSL"]),
    .target(name: "Terminal", dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")]),

    // 2  the log is the truth · the view is disposable
    .target(name: "EventLog", dependencies: ["RegistryModel", "OpenSSLCrypto", "CZstd"]),
    .target(name: "MaterializedView", dependencies: ["RegistryModel", "OpenSSLCrypto", "CLMDB"]),
    .target(
        name: "Identity",
        dependencies: [
            "RegistryModel", .product(name: "X509", package: "swift-certificates"),
            .product(name: "Crypto", package: "swift-crypto"),
            .product(name: "CryptoExtras", package: "swift-crypto"),
            .product(name: "SwiftASN1", package: "swift-asn1"),
        ]
    ),
    .target(
        name: "MeshManifest",
        dependencies: [
            "RegistryModel", "Terminal", .product(name: "Yams", package: "Yams"),
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ]
    ),
    .target(name: "Supervision", dependencies: ["RegistryModel"]),

    // 3  commands to events · the registry seen from outside
    .target(name: "Registry", dependencies: ["RegistryModel", "OpenSSLCrypto", "EventLog", "MaterializedView"]),
    .target(name: "Replay", dependencies: ["RegistryModel", "OpenSSLCrypto", "EventLog", "MaterializedView"]),
    .target(
        name: "RegistryClient",
        dependencies: [
            "RegistryModel", "Identity",
            .product(name: "X509", package: "swift-certificates"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOTLS", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOExtras", package: "swift-nio-extras"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
        ]
    ),

    // 4  front doors
    .target(
        name: "RegistryAPI",
        dependencies: [
            "RegistryModel", "EventLog", "MaterializedView", "Registry", "Replay", "Identity", "Supervision",
            .product(name: "Hummingbird", package: "hummingbird"),
            .product(name: "AsyncHTTPClient", package: "async-http-client"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "HTTPTypes", package: "swift-http-types"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOTLS", package: "swift-nio"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
            .product(name: "X509", package: "swift-certificates"),
            .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        ],
        resources: [.embedInCode("Resources/openapi.json")]
    ),
    .target(
        name: "Mesh",
        dependencies: [
            "RegistryModel", "RegistryClient", "Identity", "MeshManifest", "Supervision",
            .product(name: "X509", package: "swift-certificates"),
            .product(name: "SwiftASN1", package: "swift-asn1"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOTLS", package: "swift-nio"),
            .product(name: "NIOHPACK", package: "swift-nio-http2"),
            .product(name: "NIOHTTP2", package: "swift-nio-http2"),
            .product(name: "NIOSSL", package: "swift-nio-ssl"),
        ]
    ),

    // 5  the mesh and its registry as a web page; its files are part of the program
    .target(
        name: "Dashboard",
        dependencies: [
            "RegistryModel", "RegistryClient", "Mesh",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
        ],
        resources: [.embedInCode("Assets")]
    ),

    // 6  programs: flags in, text out
    .executableTarget(
        name: "hms-regd",
        dependencies: [
            "RegistryAPI", "EventLog", "Registry", "RegistryModel", "Identity", "Supervision", "Terminal",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Logging", package: "swift-log"), .product(name: "Yams", package: "Yams"),
        ]
    ),
    .executableTarget(
        name: "hms-reg",
        dependencies: [
            "RegistryModel", "RegistryClient", "EventLog", "MaterializedView", "Registry", "Replay", "Identity",
            "MeshManifest", "Supervision", "Terminal",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ]
    ),
    .executableTarget(
        name: "hms-replay",
        dependencies: [
            "RegistryModel", "OpenSSLCrypto", "EventLog", "MaterializedView", "Replay", "RegistryClient", "Terminal",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ]
    ),
    .executableTarget(
        name: "hms-mesh",
        dependencies: [
            "Mesh", "Dashboard", "RegistryModel", "RegistryClient", "Identity", "MeshManifest", "Supervision",
            "Terminal",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ]
    ),

    // Makes the histories that tools/bench/replay measures by.
    .executableTarget(
        name: "bench-history",
        dependencies: [
            "RegistryModel", "OpenSSLCrypto", "EventLog", "MaterializedView", "Replay",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ],
        path: "tools/bench/history"
    ),

    // Tests mirror the targets; the last runs the real programs.
    .target(name: "TestSupport", dependencies: ["RegistryModel"], path: "Tests/TestSupport"),
    .testTarget(name: "RegistryModelTests", dependencies: ["RegistryModel", "TestSupport"]),
    .testTarget(name: "OpenSSLCryptoTests", dependencies: ["OpenSSLCrypto", "TestSupport"]),
    .testTarget(name: "EventLogTests", dependencies: ["EventLog", "RegistryModel", "OpenSSLCrypto", "TestSupport"]),
    .testTarget(
        name: "MaterializedViewTests",
        dependencies: ["RegistryModel", "MaterializedView", "CLMDB", "TestSupport"]
    ),
    .testTarget(
        name: "IdentityTests",
        dependencies: [
            "Identity", "RegistryModel", "TestSupport", .product(name: "X509", package: "swift-certificates"),
            .product(name: "Crypto", package: "swift-crypto"),
        ]
    ),
    .testTarget(
        name: "RegistryTests",
        dependencies: ["RegistryModel", "OpenSSLCrypto", "EventLog", "MaterializedView", "Registry", "TestSupport"]
    ),
    .testTarget(
        name: "ReplayTests",
        dependencies: [
            "Replay", "RegistryModel", "OpenSSLCrypto", "EventLog", "MaterializedView", "Registry", "TestSupport",
        ]
    ),
    .testTarget(
        name: "MeshManifestTests",
        dependencies: ["MeshManifest", "RegistryModel", "Terminal", "TestSupport"]
    ),
    .testTarget(name: "SupervisionTests", dependencies: ["Supervision", "RegistryModel", "TestSupport"]),
    .testTarget(
        name: "MeshCommandTests",
        dependencies: [
            "hms-mesh", "Identity", "Mesh", "RegistryClient", "RegistryModel", "Terminal", "TestSupport",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ]
    ),
    .testTarget(name: "TerminalTests", dependencies: ["Terminal"]),
    .testTarget(name: "RegistryClientTests", dependencies: ["RegistryClient", "RegistryModel", "TestSupport"]),
    .testTarget(
        name: "RegistryAPITests",
        dependencies: [
            "EventLog", "RegistryAPI", "Registry", "RegistryModel", "Identity", "TestSupport",
            .product(name: "NIOCore", package: "swift-nio"),
        ]
    ),
    .testTarget(
        name: "MeshTests",
        dependencies: [
            "Identity", "Mesh", "MeshManifest", "RegistryClient", "RegistryModel", "TestSupport",
            .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOEmbedded", package: "swift-nio"),
        ]
    ),
    .testTarget(
        name: "DashboardTests",
        dependencies: [
            "Dashboard", "Mesh", "RegistryClient", "RegistryModel", "TestSupport",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
        ]
    ),
    .testTarget(
        name: "EndToEndTests",
        dependencies: [
            "hms-regd", "hms-reg", "hms-replay", "hms-mesh", "Mesh", "Registry", "RegistryClient", "RegistryModel",
            "Identity",
            "Supervision", "Terminal", "TestSupport",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOHPACK", package: "swift-nio-http2"),
            .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        ]
    ),
]

let package = Package(
    name: "hms",
    dependencies: [
        // Command lines: the field's parser, with generated help and completions.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        // The log's wire form: any protobuf tool can read it.
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        // Event loops and HTTP/1.1: what Hummingbird itself stands on; the hot paths sit on it directly.
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        // TLS on those event loops (BoringSSL).
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        // HTTP/2 between sidecars and for gRPC.
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        // The API's router, without its configuration and full-Foundation traits.
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        // Probes of external services: redirects, TLS with system roots and time-outs are its trade.
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        // Start, stop and signals of long-lived parts.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        // Certificates of the mesh: X.509, the keys and the DER below it.
        .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
        // Structured logs to stderr.
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        // hms.yml, and the daemon's configuration file.
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: targets
)

for target in package.targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}
