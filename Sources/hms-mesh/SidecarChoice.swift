import Glibc
import Mesh
import RegistryModel
import Supervision
import Terminal

/// The sidecars of this user on this machine, by their admin sockets.
enum SidecarSockets {
    static func directory() -> String? {
        UserDirectories(environment: Environment.variable)?.runtime
    }

    /// Paths of all that are there; some may be of sidecars that were killed.
    static func all() -> [String] {
        guard let directory = directory() else { return [] }
        return DirectoryListing.names(in: directory).filter { $0.hasPrefix("sidecar-") && $0.hasSuffix(".sock") }
            .map { "\(directory)/\($0)" }
    }
}

/// The sidecar that a command calls through: the one that is named, the nearest, else any of this user's.
struct SidecarChoice: Sendable {
    var service: String
    var outbound: String
    /// nil where only an address is known.
    var admin: String?

    /// - Parameter service: `--as`.
    /// - Throws: exit code 3 where there is none.
    static func find(as service: String?) async throws -> SidecarChoice {
        if let service { return try await named(service) }
        if let address = Environment.variable("HMS_MESH_ADDR"), !address.isEmpty {
            return SidecarChoice(service: "-", outbound: address, admin: nil)
        }
        if let near = SidecarFile.nearest() {
            return SidecarChoice(service: near.service, outbound: near.outbound, admin: near.admin)
        }
        for socket in SidecarSockets.all() {
            if let status = try? await SidecarStatus.of(socket) {
                return SidecarChoice(service: status.service, outbound: status.outbound, admin: socket)
            }
        }
        throw CommandError(
            "No sidecar runs here: calls need one",
            reasons: [
                "looked for HMS_MESH_ADDR, .hms/*/sidecar.json here and above, \(SidecarSockets.directory() ?? "-")/sidecar-*.sock"
            ],
            hint: "in a service's folder: hms-mesh dev",
            exitCode: .unreachable
        )
    }

    private static func named(_ service: String) async throws -> SidecarChoice {
        for socket in SidecarSockets.all() {
            guard let status = try? await SidecarStatus.of(socket), status.service == service else { continue }
            return SidecarChoice(service: service, outbound: status.outbound, admin: socket)
        }
        throw CommandError(
            "No sidecar of \(service) runs on this machine as this user",
            hint: "which there are: hms-mesh status",
            exitCode: .unreachable
        )
    }
}
