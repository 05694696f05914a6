import RegistryModel
import Terminal

/// What `hms-mesh dev` says: four lines on stdout, whose words are a promise, then what else is worth knowing, dim, on
/// stderr.
struct DevScreen: Sendable {
    /// What has come about, in this order.
    enum Step: Sendable, Equatable {
        case injected
        case certificateIssued(commonName: String)
        case registered(at: String)
        /// Once the application's port answers.
        case running(port: UInt16)
    }

    /// What stands below the four lines.
    struct Details: Sendable {
        /// Which registry, and why that one.
        var registry: String
        /// SPIFFE id.
        var identity: String
        var renewsIn: Duration
        /// Where the application's calls are taken: `host:port` or `unix:PATH`.
        var outbound: String
        /// Where other sidecars call.
        var inbound: String
        /// Where it is called without a certificate; nil: nowhere.
        var plain: String?
        var service: ServiceName
    }

    let output: Output

    func show(_ step: Step) {
        output.write(Self.line(step, output.style, output.symbols) + "\n")
    }

    func show(_ details: Details) {
        output.note(
            Self.block(details, output.symbols).map { $0.isEmpty ? "" : output.errorStyle.dim($0) }.joined(
                separator: "\n"
            )
        )
    }

    static func line(_ step: Step, _ style: Style, _ symbols: Symbols) -> String {
        let done = style.green(symbols.done)
        return switch step {
        case .injected: "\(done) Sidecar injected"
        case .certificateIssued(let name): "\(done) Certificate issued (CN=\(name))"
        case .registered(let place): "\(done) Registered with HMS-REG at \(place)"
        case .running(let port): style.bold("Service running on http://localhost:\(port)")
        }
    }

    /// An empty line before and after it.
    static func block(_ details: Details, _ symbols: Symbols) -> [String] {
        let dot = symbols.separator
        let seconds = Double(details.renewsIn.components.seconds)
        let call = details.outbound.hasPrefix("unix:") ? details.outbound : "http://\(details.outbound)"
        let plain = details.plain.map { " \(dot) without mTLS \($0)" } ?? ""
        let inbound = "inbound mTLS \(details.inbound)\(plain)"
        return [
            "",
            "  registry   \(details.registry)",
            "  identity   \(details.identity) \(dot) renews in \(HumanText.duration(milliseconds: seconds * 1_000))",
            "  call       \(call) (HMS_MESH_ADDR) \(dot) \(inbound)",
            "  next       hms-mesh curl \(details.service) /     hms-mesh tail     Ctrl-C drains",
            "",
        ]
    }
}
