import Identity
import RegistryModel
import Terminal

/// A sidecar's certificate, as it lies on disk.
struct IdentityFacts: Sendable {
    let svid: X509SVID
    let bundle: TrustBundle
    /// Why the last renewal failed; nil: it did not.
    let renewalFailure: String?
}

enum IdentityChecks {
    static func findings(_ facts: IdentityFacts?, now: Timestamp) -> [Finding] {
        guard let facts else {
            return [
                Finding(
                    .certificate,
                    .identity,
                    .wrong,
                    "the sidecar's certificate can't be read",
                    advice: "it must run as this user: hms-mesh status"
                )
            ]
        }
        var findings = [certificate(facts.svid, now)]
        if !facts.svid.isSigned(by: facts.bundle) {
            findings.append(
                Finding(
                    .certificateChain,
                    .identity,
                    .wrong,
                    "no root of the bundle signed the certificate's issuer: no other sidecar believes it",
                    advice:
                        "start the sidecar anew; if that does not help, join anew: hms-reg token create --service NAME"
                )
            )
        }
        if let failure = facts.renewalFailure {
            findings.append(
                Finding(
                    .renewal,
                    .identity,
                    .warning,
                    "the last renewal failed: \(failure); it is tried again",
                    advice:
                        "the certificate holds until \(facts.svid.notAfter); what the registry says: hms-reg cert list"
                )
            )
        }
        return findings
    }

    private static func certificate(_ svid: X509SVID, _ now: Timestamp) -> Finding {
        let left = svid.notAfter.since(now).milliseconds
        let amount = HumanText.duration(milliseconds: abs(Double(left)))
        guard left > 0 else {
            return Finding(
                .certificate,
                .identity,
                .wrong,
                "certificate \(svid.id) ended \(amount) ago: calls fail closed",
                advice: "the registry must be reached for a new one; within 7 days the old key is enough"
            )
        }
        guard svid.leaf.beginsAt <= now else {
            return Finding(
                .certificate,
                .identity,
                .wrong,
                "certificate \(svid.id) is not valid yet: this machine's clock is behind",
                advice: "sudo timedatectl set-ntp true"
            )
        }
        // It should have been renewed at a third of its life: two thirds gone means that something is amiss.
        let isLate = svid.renewAfter.since(now).milliseconds < -svid.notAfter.since(svid.renewAfter).milliseconds / 2
        return Finding(
            .certificate,
            .identity,
            isLate ? .warning : .fine,
            "certificate \(svid.id) · chain \(isLate ? "ok, renewal overdue" : "ok") · expires in \(amount)",
            advice: isLate ? "why it is not renewed: hms-mesh status --json" : nil
        )
    }
}
