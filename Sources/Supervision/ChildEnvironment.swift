/// What the application finds in its environment.
public struct ChildEnvironment: Sendable, Equatable {
    /// Where the application should listen.
    public var port: UInt16
    /// Where the sidecar takes its calls: `host:port` or `unix:PATH`.
    public var meshAddress: String
    /// Gives it `http_proxy` too.
    public var setsProxy: Bool

    public init(port: UInt16, meshAddress: String, setsProxy: Bool = false) {
        self.port = port
        self.meshAddress = meshAddress
        self.setsProxy = setsProxy
    }

    /// What of this machine is not called through the mesh.
    private static let unproxied = ["localhost", "127.0.0.1", "::1"]

    /// How the service manager hears of the sidecar: not the application's to speak by.
    private static let managers = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]

    /// `base` and what is added to it.
    ///
    /// A Unix socket is no proxy that `http_proxy` could name: with one the variable stays as it is.
    public func variables(over base: [String: String]) -> [String: String] {
        var variables = base
        for name in Self.managers { variables[name] = nil }
        variables["PORT"] = String(port)
        variables["HOST"] = "127.0.0.1"
        variables["HMS_MESH_ADDR"] = meshAddress
        guard setsProxy, !meshAddress.hasPrefix("unix:") else { return variables }
        variables["http_proxy"] = "http://\(meshAddress)"
        for name in ["no_proxy", "NO_PROXY"] {
            let given = (base[name] ?? "").split(separator: ",").map(String.init)
            variables[name] = (given + Self.unproxied.filter { !given.contains($0) }).joined(separator: ",")
        }
        return variables
    }
}
