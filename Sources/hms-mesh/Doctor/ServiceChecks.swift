import RegistryModel
import Supervision
import Terminal

/// A service on this machine, as its manifest names it or its sidecar does.
struct ServiceFacts: Sendable {
    /// What the registry knows of its name.
    enum Registration: Sendable {
        /// The registry could not be asked.
        case unasked
        case unknown(nearest: [String])
        /// Instances of the name.
        case known(ids: [String])
    }

    let name: String
    /// The application's.
    let port: UInt16
    /// Until it took a connection; nil: nobody did.
    let answersInMilliseconds: Double?
    let owners: [PortOwner]
    /// `service.exposed: true`
    let mayBeExposed: Bool
    /// Id and health by the sidecar; nil: none runs.
    let sidecar: (id: String, health: String)?
    let registration: Registration
}

enum ServiceChecks {
    static func findings(_ facts: ServiceFacts) -> [Finding] {
        var findings = [port(facts)]
        if facts.sidecar == nil {
            findings.append(
                Finding(
                    .sidecar,
                    .service,
                    .wrong,
                    "no sidecar of \(facts.name) runs here as this user",
                    advice: "hms-mesh dev"
                )
            )
        }
        if let registration = registration(facts) { findings.append(registration) }
        let exposed = facts.owners.flatMap(\.addresses).filter { !$0.isLoopback }
        if !exposed.isEmpty, !facts.mayBeExposed {
            let fault = PortFault.exposed(port: facts.port, addresses: exposed)
            findings.append(
                Finding(.exposed, .service, .warning, fault.message, advice: fault.hint(service: facts.name))
            )
        }
        return findings
    }

    private static func port(_ facts: ServiceFacts) -> Finding {
        guard let answers = facts.answersInMilliseconds else {
            return Finding(
                .port,
                .service,
                .wrong,
                "nobody listens on port \(facts.port) of 127.0.0.1",
                advice: "start the application: hms-mesh dev -- CMD     it gets its port in PORT"
            )
        }
        let owner = facts.owners.first.map { " by \($0.description)" } ?? ""
        var text = "port \(facts.port) answers in \(HumanText.duration(milliseconds: answers))\(owner)"
        guard let sidecar = facts.sidecar else { return Finding(.port, .service, .fine, text) }
        text += " · health \(sidecar.health)"
        let isHealthy = sidecar.health == "healthy"
        if isHealthy, case .known(let ids) = facts.registration, ids.contains(sidecar.id) {
            text += " · registered as \(sidecar.id)"
        }
        return Finding(
            .port,
            .service,
            isHealthy ? .fine : .warning,
            text,
            advice: isHealthy ? nil : "what the probe sees: hms-reg lookup \(facts.name) --all"
        )
    }

    private static func registration(_ facts: ServiceFacts) -> Finding? {
        switch facts.registration {
        case .unasked: return nil
        case .unknown(let nearest):
            let names = nearest.isEmpty ? "" : " (there are \(nearest.joined(separator: ", ")))"
            return Finding(
                .registration,
                .service,
                .wrong,
                "no service \(facts.name) is registered\(names)",
                advice: facts.sidecar == nil ? "hms-mesh dev registers it" : "all names: hms-reg list"
            )
        case .known(let ids):
            guard let sidecar = facts.sidecar, !ids.contains(sidecar.id) else { return nil }
            return Finding(
                .registration,
                .service,
                .wrong,
                "\(facts.name)/\(sidecar.id) is not in the registry: nobody can call it",
                advice: "the sidecar registers it again with its next beat: hms-reg history \(facts.name)/\(sidecar.id)"
            )
        }
    }
}
