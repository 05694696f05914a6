public import RegistryModel

/// What `hms.yml` says: a service, how it is run, and by which rules it calls others. Every value in it is checked.
///
///     service:
///       name: photo-validator
///       version: 1.0.0
///       port: 7000
///     mesh:
///       retries: 2
///       timeout: 800ms
///       mtls: true
///
/// What the file leaves out is nil, or the default that is written here.
public struct Manifest: Sendable, Equatable {
    /// `service:`
    public var service: Service
    /// `registry:` as written: `https://HOST:PORT`, `http://HOST:PORT` or `unix:PATH`.
    public var registry: String?
    /// `mesh:`
    public var mesh: Mesh
    /// The file that it was read from.
    public var file: String

    /// The service that stands behind the sidecar.
    public struct Service: Sendable, Equatable {
        public var name: ServiceName
        /// Empty where the file says none.
        public var version = ""
        /// Where the application listens.
        public var port: UInt16
        /// What `hms-mesh dev` runs.
        public var command: Command?
        /// Path that is asked for whether the application serves; nil: its port must take a connection.
        public var health: String?
        public var applicationProtocol = ApplicationProtocol.http1
        /// Routes (`POST /validate`) that may be sent twice.
        public var repeatable: [String] = []
        /// The application may listen beyond loopback.
        public var isExposed = false
        /// The application gets `http_proxy` and `no_proxy`.
        public var setsProxyEnvironment = false
        public var tags: [String] = []
        public var zone = ""
        /// 0: never picked.
        public var weight = Instance.defaultWeight
        /// In order of keys.
        public var metadata: [MetadataEntry] = []
    }

    /// How the application is started.
    public enum Command: Sendable, Equatable {
        /// A line for `/bin/sh -c`.
        case shell(String)
        /// A program and its arguments, as they are.
        case arguments([String])
    }

    /// What the application speaks on its port.
    public enum ApplicationProtocol: String, Sendable, CaseIterable {
        case http1
        /// HTTP/2 without TLS, as gRPC servers speak it.
        case h2c
    }

    /// Rules for calls; nil: the next in line decides.
    public struct CallRules: Sendable, Equatable {
        /// More tries after the first.
        public var retries: Int?
        /// From the request's head to the answer's, all tries together.
        public var timeout: Duration?
        public var perTryTimeout: Duration?

        public init(retries: Int? = nil, timeout: Duration? = nil, perTryTimeout: Duration? = nil) {
            self.retries = retries
            self.timeout = timeout
            self.perTryTimeout = perTryTimeout
        }
    }

    public struct Mesh: Sendable, Equatable {
        /// For all calls that this service makes.
        public var rules = CallRules()
        /// `run` refuses false, `dev` warns of it: every call between sidecars is authenticated.
        public var usesMutualTLS = true
        /// For calls to one service; they go before `rules`.
        public var upstreams: [ServiceName: CallRules] = [:]
        /// Who may call this service; nil: anybody of the trust domain.
        public var allow: AllowedCallers?
        /// Hosts outside of the mesh that it may call: `host`, `host:port`, `*.suffix`; nil: what the command says.
        public var egress: [String]?
        /// Where other sidecars call; nil: the command's own choice.
        public var inbound: ListenAddress?
        public var loggedPath = LoggedPath.masked
    }

    /// `mesh.allow`
    public struct AllowedCallers: Sendable, Equatable {
        public var services: Set<ServiceName> = []
        /// `user:*`: every person with a certificate.
        public var users = false
    }

    /// `PORT` or `HOST:PORT`
    public struct ListenAddress: Sendable, Equatable {
        public var host: String?
        public var port: UInt16
    }

    /// What of a request's path stands in the access log.
    public enum LoggedPath: String, Sendable, CaseIterable {
        case full
        case masked
        case off
    }
}
