import Identity
import RegistryModel

/// The moment that parts a service's certificates into those that are denied and those that are good.
///
/// X.509 counts whole seconds. A denial takes effect with the end of its second, so that all that was issued in it is
/// denied, and what is issued later in that second is dated after it, so that it is good.
enum ServiceDenial {
    private static let second = Duration.seconds(1)

    /// - Parameters:
    ///   - asked: what was issued before this; nil: until now. Nobody can be denied in advance.
    ///   - last: the service's denial so far, which is never taken back.
    static func revocation(
        of service: ServiceName,
        asked: Timestamp?,
        now: Timestamp,
        last: Timestamp?
    ) -> Revocation {
        var before = roundedDown(now).advanced(by: second)
        if let asked, asked < now {
            before = max(roundedUp(asked), last ?? .init(rawValue: 0))
        } else if let last, roundedUp(last) >= before {
            // Certificates are out that were dated by the denial before.
            before = roundedUp(last).advanced(by: second)
        }
        // The newest that is denied was issued a second before.
        let until = before.advanced(by: CertificateAuthority.leafLife - second)
        return Revocation(subject: .service(service), before: before, until: until)
    }

    /// When a certificate that is issued now says that it was.
    static func beginning(now: Timestamp, denied: Timestamp?) -> Timestamp {
        max(now, denied.map(roundedUp) ?? now)
    }

    private static func roundedDown(_ time: Timestamp) -> Timestamp {
        Timestamp(rawValue: time.unixSeconds * 1_000_000_000)
    }

    private static func roundedUp(_ time: Timestamp) -> Timestamp {
        let down = roundedDown(time)
        return down == time ? time : down.advanced(by: second)
    }
}
