import MaterializedView
import Registry
import RegistryModel

/// What a workload may do to instances: to those of its own service and key lineage, at its own address.
struct Ownership: Sendable {
    /// Where workloads may advertise themselves beside the address that they come from.
    var advertiseAllow: [IPRange] = []

    /// The command as this peer may give it.
    ///
    /// - Throws: `not-allowed`, `address-not-allowed`; whose the instance is is decided with the command.
    func bind(_ command: Command, to peer: Peer) throws(ProblemDetails) -> Command {
        guard case .workload(let service, let lineage) = peer.role else { return command }
        switch command {
        case .register(var registration):
            let endpoint = registration.instance.endpoint
            try check(registration.instance.key.service, service)
            guard IPRange.isSameHost(endpoint.host, peer.host) || isAdvertised(endpoint.host) else {
                throw Self.foreignAddress(endpoint.host, peer.host)
            }
            registration.instance.keyLineage = lineage
            registration.instance.tlsCert = peer.certificate?.fingerprint ?? ""
            return .owned(.register(registration), lineage: lineage)
        case .drain(let key, _), .deregister(let key, _), .observe(let key, _, _, _):
            try check(key.service, service)
            return .owned(command, lineage: lineage)
        default: throw .notAllowed("a service may look up, watch and keep its own instances, and no more")
        }
    }

    /// Heartbeats that change nothing are no commands: their owner is looked up.
    ///
    /// - Throws: `not-allowed`, `not-yours`; then none of them was taken.
    func check(_ heartbeats: [Heartbeat], of peer: Peer, in registry: ServiceRegistry) throws {
        guard case .workload(let service, let lineage) = peer.role else { return }
        for heartbeat in heartbeats { try check(heartbeat.key.service, service) }
        try registry.view.read { snapshot in
            for heartbeat in heartbeats {
                guard let (instance, _) = try snapshot.instance(heartbeat.key) else { continue }
                guard instance.keyLineage == lineage else { throw RegistryError.notYours(heartbeat.key) }
            }
        }
    }

    private func check(_ service: ServiceName, _ own: ServiceName) throws(ProblemDetails) {
        guard service == own else {
            throw .notAllowed("the certificate is of \(own): it is for no instance of \(service)")
        }
    }

    private func isAdvertised(_ host: String) -> Bool {
        advertiseAllow.contains { $0.contains(host) }
    }

    private static func foreignAddress(_ host: String, _ own: String) -> ProblemDetails {
        ProblemDetails(
            code: "address-not-allowed",
            status: 403,
            title: "Not allowed",
            detail: "\(host) is not the address that the registration comes from (\(own))",
            hint: "behind a proxy or NAT the registry must allow it: hms-regd --advertise-allow CIDR"
        )
    }
}
