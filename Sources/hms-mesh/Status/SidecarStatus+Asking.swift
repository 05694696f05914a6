import Mesh
import RegistryModel

extension SidecarStatus {
    static func of(_ socket: String) async throws -> SidecarStatus {
        let answer = try await SidecarCaller(address: "unix:\(socket)").call(SidecarCaller.Request(path: "/status"))
        return try SidecarStatus(parsing: answer.body)
    }

    /// nil where it does not answer, or not soon.
    static func promptly(of socket: String, within limit: Duration = .seconds(2)) async -> SidecarStatus? {
        (try? await bounded(limit) { try await SidecarStatus.of(socket) }) ?? nil
    }
}
