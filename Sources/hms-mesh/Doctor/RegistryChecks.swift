import Mesh
import RegistryClient
import RegistryModel
import Terminal

/// The registry, as a question to it went.
enum RegistryFacts: Sendable {
    struct Answer: Sendable {
        let address: RegistryAddress
        let latencyMilliseconds: Double
        let report: RegistryStatusReport
        /// This machine's clock against the registry's; negative: behind it.
        let offsetMilliseconds: Double?
    }

    /// None is named, and no socket answers.
    case none(tried: [String])
    case failed(RegistryClientError, offsetMilliseconds: Double?)
    case answered(Answer)
}

enum RegistryChecks {
    /// Beyond this, calls and beats fail in ways that name no clock.
    static let mostOffset = 30_000.0
    private static let noticeableOffset = 2_000.0
    /// A registry on this machine or in this building answers in a few milliseconds.
    private static let slow = 250.0

    static func findings(
        _ facts: RegistryFacts,
        sidecar: SidecarStatus?,
        now: Timestamp
    ) -> [Finding] {
        var findings: [Finding] = []
        switch facts {
        case .none(let tried):
            findings.append(
                Finding(
                    .registryReachable,
                    .registry,
                    .wrong,
                    "no registry: none is named, and no socket answers (\(tried.joined(separator: ", ")))",
                    advice: "hms-mesh dev starts one     or name one: HMS_REGISTRY, registry: in hms.yml, --registry"
                )
            )
        case .failed(let error, let offset):
            if let offset, abs(offset) >= noticeableOffset { findings.append(clock(offset)) }
            findings.append(
                Finding(
                    .registryReachable,
                    .registry,
                    .wrong,
                    error.message,
                    advice: error.hint
                        ?? (error.code == .unreachable
                            ? "is it up, and is that its address? on its machine: hms-regd --data DIR" : nil)
                )
            )
        case .answered(let answer): findings += answered(answer)
        }
        if let sidecar, let lost = sidecar.registryLostSince {
            let age = HumanText.duration(milliseconds: max(0, Double(now.since(lost).milliseconds)))
            findings.append(
                Finding(
                    .routing,
                    .registry,
                    .warning,
                    "the sidecar has no registry since \(age): routing goes on from the view of \(sidecar.sequence)",
                    advice: "hms-mesh status --watch     calls go on; nothing new is heard of"
                )
            )
        }
        return findings
    }

    private static func answered(_ answer: RegistryFacts.Answer) -> [Finding] {
        let latency = HumanText.duration(milliseconds: answer.latencyMilliseconds)
        let report = answer.report
        var findings = [
            Finding(
                .registryReachable,
                .registry,
                answer.latencyMilliseconds > slow ? .warning : .fine,
                "\(answer.address.authority) answers in \(latency) · HMS-REG \(report.version), sequence \(report.sequence)",
                advice: answer.latencyMilliseconds > slow ? "is its machine, or the way there, overloaded?" : nil
            )
        ]
        if let offset = answer.offsetMilliseconds { findings.append(clock(offset)) }
        findings += condition(report)
        return findings
    }

    private static func condition(_ report: RegistryStatusReport) -> [Finding] {
        var findings: [Finding] = []
        if report.guardReport.isActive {
            findings.append(
                Finding(
                    .registryReady,
                    .registry,
                    .warning,
                    "the mass expiry guard holds expiries back: instances that are gone may still be offered",
                    advice: "hms-reg status"
                )
            )
        }
        if report.isDiskFull {
            findings.append(
                Finding(
                    .registryReady,
                    .registry,
                    .wrong,
                    "the registry's disk is full: registrations are refused",
                    advice: "make room where \(report.dataDirectory) lies; it goes on by itself"
                )
            )
        }
        return findings
    }

    static func clock(_ offset: Double) -> Finding {
        let size = HumanText.duration(milliseconds: abs(offset))
        guard abs(offset) >= noticeableOffset else {
            return Finding(.clock, .registry, .fine, "clock: within \(size) of the registry's")
        }
        return Finding(
            .clock,
            .registry,
            abs(offset) > mostOffset ? .wrong : .warning,
            "clock: this machine is \(size) \(offset < 0 ? "behind" : "ahead of") the registry (limit 30s)",
            advice: "sudo timedatectl set-ntp true      (until then: \"TLS handshake failed\")"
        )
    }
}
