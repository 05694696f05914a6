import Terminal

/// The machine, and the sidecar's process on it.
struct MachineFacts: Sendable {
    /// Of the disk that holds the sidecar's state; nil where it can't be told.
    var diskUsedFraction: Double?
    var residentBytes: UInt64?
    var descriptors: (used: Int, limit: Int)?
    let ownVersion: String
    /// Empty: no sidecar, or one that does not say.
    var sidecarVersion = ""
    var registryVersion = ""
}

enum MachineChecks {
    private static let fullDisk = 0.98
    private static let nearlyFullDisk = 0.9
    /// A sidecar that holds more than this leaks, or serves what it was not made for.
    private static let muchMemory: UInt64 = 512 * 1_000_000
    private static let nearlyAllDescriptors = 0.8

    static func findings(_ facts: MachineFacts) -> [Finding] {
        var findings: [Finding] = []
        var fine: [String] = []
        if let used = facts.diskUsedFraction {
            let text = "disk \(Int((used * 100).rounded()))%"
            if used < nearlyFullDisk {
                fine.append(text)
            } else {
                findings.append(
                    Finding(
                        .disk,
                        .machine,
                        used > fullDisk ? .wrong : .warning,
                        "\(text) full: access logs and the last known view can't be kept",
                        advice: "make room"
                    )
                )
            }
        }
        if let resident = facts.residentBytes {
            let text = "memory \(HumanText.bytes(resident))"
            if resident < muchMemory {
                fine.append(text)
            } else {
                findings.append(Finding(.memory, .machine, .warning, "\(text) is much for a sidecar"))
            }
        }
        if let (used, limit) = facts.descriptors {
            let text = "\(HumanText.count(UInt64(used))) of \(HumanText.count(UInt64(limit))) descriptors"
            if Double(used) < nearlyAllDescriptors * Double(limit) {
                fine.append(text)
            } else {
                findings.append(
                    Finding(
                        .descriptors,
                        .machine,
                        .wrong,
                        "\(text) in use",
                        advice: "ulimit -n 65536, then start it anew"
                    )
                )
            }
        }
        fine.append("hms-mesh \(facts.ownVersion)")
        findings.append(Finding(.machine, .machine, .fine, fine.joined(separator: " · ")))
        return findings + versions(facts)
    }

    private static func versions(_ facts: MachineFacts) -> [Finding] {
        var findings: [Finding] = []
        if !facts.sidecarVersion.isEmpty, facts.sidecarVersion != facts.ownVersion {
            findings.append(
                Finding(
                    .version,
                    .machine,
                    .warning,
                    "the sidecar that runs is hms-mesh \(facts.sidecarVersion)",
                    advice: "start it anew"
                )
            )
        }
        if !facts.registryVersion.isEmpty, facts.registryVersion != facts.ownVersion {
            findings.append(
                Finding(.version, .machine, .warning, "the registry is of another version: \(facts.registryVersion)")
            )
        }
        return findings
    }
}
