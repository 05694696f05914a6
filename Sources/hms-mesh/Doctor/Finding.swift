/// What `doctor` looks at. The words are stable: scripts and alerts depend on them, and `docs/doctor.md` explains each.
enum CheckID: String, CaseIterable, Sendable {
    case registryReachable = "registry-reachable"
    case registryReady = "registry-ready"
    case clock
    case routing
    case certificate
    case certificateChain = "certificate-chain"
    case renewal
    case sidecar
    case registration
    case port
    case exposed
    case upstream
    case breaker
    case ejected
    /// What is fine of the following, in one line.
    case machine
    case disk
    case memory
    case descriptors
    case version
}

/// One line of `doctor`.
struct Finding: Sendable, Equatable {
    enum Level: String, Sendable {
        case fine
        /// Will go wrong.
        case warning
        case wrong
    }

    /// The heading that it stands under, in this order.
    enum Section: String, CaseIterable, Sendable {
        case registry
        case identity
        case service
        case upstreams
        case machine
    }

    let check: CheckID
    let section: Section
    let level: Level
    let text: String
    /// What to do: a command to paste where there is one.
    let advice: String?

    init(_ check: CheckID, _ section: Section, _ level: Level, _ text: String, advice: String? = nil) {
        self.check = check
        self.section = section
        self.level = level
        self.text = text
        self.advice = advice
    }
}
