import Mesh
import RegistryModel

/// A dashboard that runs already.
public struct DashboardProbe: Sendable, Equatable {
    static let program = "hms-mesh dashboard"

    public var registry = ""
    public var pid: Int32 = 0

    /// Asks who listens there.
    ///
    /// - Returns: nil where it is no dashboard of this user's.
    public static func at(host: String, port: Int) async -> DashboardProbe? {
        let host = host.contains(":") ? "[\(host)]" : host
        do {
            let caller = try SidecarCaller(address: "\(host):\(port)")
            let answer = try await caller.call(SidecarCaller.Request(path: "/api/about"))
            return try DashboardProbe(parsing: answer.body)
        } catch {
            return nil
        }
    }

    /// - Returns: nil for another program's answer.
    init?(parsing document: [UInt8]) throws(RegistryModelError) {
        var name = ""
        var read = DashboardProbe()
        try JSONReader.parse(document) { (json) throws(RegistryModelError) in
            try json.object { (json, key) throws(RegistryModelError) in
                switch key {
                case "program": name = try json.string()
                case "registry": read.registry = try json.string()
                case "pid": read.pid = try json.integer()
                default: try json.skip()
                }
            }
        }
        guard name == Self.program else { return nil }
        self = read
    }

    private init() {}
}
