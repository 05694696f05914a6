import Glibc
import Mesh
import RegistryModel
import Supervision
import Terminal

/// The sidecars that this user may ask on this machine, by their admin sockets.
enum SidecarSockets {
    /// Where `hms-mesh@.service` has the runtime directories of its instances, which are users of their own.
    private static let units = "/run/hms-mesh"

    static func directory() -> String? {
        UserDirectories(environment: Environment.variable)?.runtime
    }

    /// Paths of all that are there, root's also those of units; some may be of sidecars that were killed.
    static func all() -> [String] {
        own() + ofUnits()
    }

    /// This user's.
    static func own() -> [String] {
        directory().map(sockets(in:)) ?? []
    }

    private static func ofUnits() -> [String] {
        guard geteuid() == 0 else { return [] }
        return DirectoryListing.names(in: units).flatMap { sockets(in: "\(units)/\($0)/hms") }
    }

    private static func sockets(in directory: String) -> [String] {
        DirectoryListing.names(in: directory).filter { $0.hasPrefix("sidecar-") && $0.hasSuffix(".sock") }
            .map { "\(directory)/\($0)" }
    }
}

/// The sidecar that a command calls through: the one that is named, the nearest, else any of this user's; a unit's only by its
/// name, as nobody calls in the name of a service that he did not mean.
struct SidecarChoice: Sendable {
    var service: String
    var outbound: String
    /// nil where only an address is known.
    var admin: String?
    /// Whom the called ones will see; nil where it can't be asked.
    var spiffeID: String?

    /// - Parameter service: `--as`.
    /// - Throws: ``NoSidecar`` where there is none; exit code 3 where none is of that name.
    static func find(as service: String?) async throws -> SidecarChoice {
        if let service { return try await named(service) }
        if let address = Environment.variable("HMS_MESH_ADDR"), !address.isEmpty {
            for socket in SidecarSockets.all() {
                if let status = await SidecarStatus.promptly(of: socket), status.outbound == address {
                    return SidecarChoice(status, socket)
                }
            }
            return SidecarChoice(service: "-", outbound: address)
        }
        if let near = SidecarFile.nearest() {
            let status = await SidecarStatus.promptly(of: near.admin)
            return SidecarChoice(
                service: near.service,
                outbound: near.outbound,
                admin: near.admin,
                spiffeID: status?.spiffeID
            )
        }
        for socket in SidecarSockets.own() {
            if let status = await SidecarStatus.promptly(of: socket) { return SidecarChoice(status, socket) }
        }
        throw NoSidecar()
    }

    private static func named(_ service: String) async throws -> SidecarChoice {
        for socket in SidecarSockets.all() {
            guard let status = await SidecarStatus.promptly(of: socket), status.service == service else { continue }
            return SidecarChoice(status, socket)
        }
        throw CommandError(
            "No sidecar of \(service) runs on this machine as this user",
            hint: "which there are: hms-mesh status",
            exitCode: .unreachable
        )
    }
}

extension SidecarChoice {
    fileprivate init(_ status: SidecarStatus, _ socket: String) {
        self.init(service: status.service, outbound: status.outbound, admin: socket, spiffeID: status.spiffeID)
    }
}

/// Nobody of this user's runs a sidecar on this machine.
struct NoSidecar: Error {
    var commandError: CommandError {
        CommandError(
            "No sidecar runs here, and no registry that could make one possible: calls need one",
            reasons: [
                "looked for HMS_MESH_ADDR, .hms/*/sidecar.json here and above, \(SidecarSockets.directory() ?? "-")/sidecar-*.sock"
            ],
            hint: "in a service's folder: hms-mesh dev",
            exitCode: .unreachable
        )
    }
}
